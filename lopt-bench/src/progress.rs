//! What moves on the screen while something long runs: a bar on a terminal, else a line now and then.
//! Everything goes to standard error.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;
use crate::timing::{Clock, Stopwatch};

/// How far something is; shared by threads.
#[derive(Debug)]
pub struct Progress {
    what: String,
    count: u64,
    /// What was done before this session.
    first: u64,
    watch: Stopwatch,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: u64,
    /// When the last line was written.
    said: Option<f64>,
}

impl Progress {
    /// * `what`: what is counted, such as `fig3, runs`; `count`: how many there are, of which `first`
    ///   are done already.
    pub fn new(what: impl Into<String>, first: u64, count: u64) -> Self {
        let bar = (std::io::stderr().is_terminal() && first < count).then(|| {
            let style = ProgressStyle::with_template("{bar:20} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            ProgressBar::new(count).with_style(style)
        });
        let (watch, state) = (Stopwatch::start(Clock::Wall), State { done: first, said: None });
        let progress =
            Self { what: what.into(), count, first, watch, bar, state: Mutex::new(state) };
        // so that nobody wonders before the first is done
        if first < count {
            progress.reach(first, "");
        }
        progress
    }

    /// One more is done.
    pub fn advance(&self) {
        self.show(|done| done + 1, "");
    }

    /// So many are done; `extra` is what else there is to say.
    pub fn reach(&self, done: u64, extra: &str) {
        self.show(|_| done, extra);
    }

    /// Leaves the last line on the screen.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }

    fn show(&self, next: impl FnOnce(u64) -> u64, extra: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = next(state.done);
        state.done = done;
        let now = self.watch.seconds();
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(self.line(done, now, extra));
        } else if done == self.count || state.said.is_none_or(|said| now >= said + INTERVAL) {
            state.said = Some(now);
            say(self.line(done, now, extra));
        }
    }

    /// `update 150/1150  ...  1m 40s left`, at the pace of this session.
    fn line(&self, done: u64, seconds: f64, extra: &str) -> String {
        let left = match done.checked_sub(self.first).filter(|&done| done > 0) {
            Some(own) => {
                duration_text(seconds / own as f64 * self.count.saturating_sub(done) as f64)
            }
            None => "-".to_owned(),
        };
        format!("{} {done}/{}{extra}  {left} left", self.what, self.count)
    }
}

/// Seconds between two plain lines.
const INTERVAL: f64 = 10.0;

/// `1h 02m`, `3m 20s`, `45s`.
fn duration_text(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_it_all() {
        let progress = Progress::new("update", 50, 1150);
        let line = progress.line(150, 10.0, "  meta-loss -1.234");
        assert_eq!(line, "update 150/1150  meta-loss -1.234  1m 40s left");
        assert_eq!(progress.line(50, 3.0, ""), "update 50/1150  - left");
    }

    #[test]
    fn durations() {
        let texts = [3720.4, 200.0, 45.9].map(duration_text);
        assert_eq!(texts, ["1h 02m", "3m 20s", "45s"]);
    }

    #[test]
    fn every_advance_counts() {
        let progress = Progress::new("runs", 0, 3);
        (0..2).for_each(|_| progress.advance());
        assert_eq!(progress.state.lock().unwrap().done, 2);
        progress.reach(3, "");
        assert_eq!(progress.state.lock().unwrap().done, 3);
    }
}
