//! What moves on the screen while an experiment runs.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

/// A bar on a terminal, otherwise a line per tenth.
#[derive(Debug)]
pub struct BenchProgress {
    label: String,
    started: Instant,
    count: usize,
    done: AtomicUsize,
    bar: Option<ProgressBar>,
}

impl BenchProgress {
    /// * `name`: the experiment; `what`: what is counted; `count`: how many there are.
    pub fn new(name: &str, what: &str, count: usize) -> Self {
        let label = format!("{name}, {what}");
        let bar = (std::io::stderr().is_terminal() && count > 0).then(|| {
            let style =
                ProgressStyle::with_template("{prefix:24} {bar:30.cyan} {pos}/{len}  {eta} left")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(count as u64).with_style(style).with_prefix(label.clone())
        });
        Self { label, started: Instant::now(), count, done: AtomicUsize::new(0), bar }
    }

    /// One more is done.
    pub fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
            return;
        }
        let tenth = |done: usize| done * 10 / self.count.max(1);
        if tenth(done) > tenth(done - 1) {
            let seconds = self.started.elapsed().as_secs_f64();
            say(format_args!("{}: {done} of {}, {seconds:.0} s", self.label, self.count));
        }
    }

    /// Removes the bar.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
