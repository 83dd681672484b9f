//! The live line of `lopt train`: how far, how good, how fast, how long.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

/// What the trainer reports after an update of the meta-parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Updates done, of this and earlier sessions of the run.
    pub update: u64,
    /// Updates of the whole run.
    pub updates: u64,
    /// Moving average of the meta-loss.
    pub meta_loss: f64,
    /// Last score on the validation suite; lower is better.
    pub validation: Option<f64>,
    /// Inner steps of problem instances per second and core.
    pub instance_steps_per_second_core: f64,
    /// Time since the session began.
    pub elapsed: Duration,
    /// Update at which the session began.
    pub first_update: u64,
}

impl Progress {
    /// Time left at the pace of this session; `None` before its first update.
    pub fn time_left(&self) -> Option<Duration> {
        let done = self.update.checked_sub(self.first_update).filter(|&done| done > 0)?;
        let left = self.updates.saturating_sub(self.update);
        let seconds = self.elapsed.as_secs_f64() / done as f64 * left as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The line, without the bar.
    pub fn line(&self) -> String {
        let validation = self.validation.map_or_else(|| "-".to_owned(), |v| format!("{v:+.3}"));
        let left = self.time_left().map_or_else(|| "-".to_owned(), duration_text);
        format!(
            "update {}/{}  meta-loss {:+.3}  validation {validation}  {} instance-steps/s/core  {left} left",
            self.update,
            self.updates,
            self.meta_loss,
            count_text(self.instance_steps_per_second_core),
        )
    }
}

/// Shows [`Progress`]: one moving line on a terminal, otherwise a line now and then.
#[derive(Debug)]
pub struct TrainProgress {
    bar: Option<ProgressBar>,
    last_line: Option<Duration>,
}

impl TrainProgress {
    /// Looks whether standard error is a terminal.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:20} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, last_line: None }
    }

    /// Shows the state after an update.
    pub fn show(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.updates);
            bar.set_position(progress.update);
            bar.set_message(progress.line());
            return;
        }
        let due = self.last_line.is_none_or(|last| progress.elapsed >= last + PLAIN_INTERVAL);
        if due || progress.update == progress.updates {
            self.last_line = Some(progress.elapsed);
            say(progress.line());
        }
    }

    /// Leaves the last line on the screen.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

impl Default for TrainProgress {
    fn default() -> Self {
        Self::new()
    }
}

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// `1h 02m`, `3m 20s`, `45s`.
fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// `950`, `412k`, `1.3M`.
fn count_text(count: f64) -> String {
    if count >= 1e6 {
        format!("{:.1}M", count / 1e6)
    } else if count >= 1e3 {
        format!("{:.0}k", count / 1e3)
    } else {
        format!("{count:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress {
            update: 150,
            updates: 1150,
            meta_loss: -1.2345,
            validation: Some(0.5),
            instance_steps_per_second_core: 412_345.0,
            elapsed: Duration::from_secs(10),
            first_update: 50,
        }
    }

    #[test]
    fn the_line_says_it_all() {
        let expected = "update 150/1150  meta-loss -1.234  validation +0.500  \
                        412k instance-steps/s/core  1m 40s left";
        assert_eq!(progress().line(), expected);
    }

    #[test]
    fn nothing_is_known_before_the_first_update() {
        let fresh = Progress { update: 50, validation: None, ..progress() };
        assert_eq!(fresh.time_left(), None);
        assert!(fresh.line().ends_with("- left") && fresh.line().contains("validation -"));
    }

    #[test]
    fn durations_and_counts() {
        assert_eq!(duration_text(Duration::from_secs(3720)), "1h 02m");
        assert_eq!((count_text(12.0), count_text(1.34e6)), ("12".to_owned(), "1.3M".to_owned()));
    }
}
