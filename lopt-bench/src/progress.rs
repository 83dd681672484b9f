//! What moves on the screen during a race: one bar per contender, or plain lines without a
//! terminal. Everything goes to standard error.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::say;
use crate::report::number::loss_text;

/// Progress of all runs of a race; shared by the threads.
#[derive(Debug)]
pub struct RaceProgress {
    started: Instant,
    runs: usize,
    finished: AtomicUsize,
    screen: Screen,
    /// Best final loss so far, per contender.
    best: Mutex<Vec<Option<f64>>>,
}

#[derive(Debug)]
enum Screen {
    Bars { contenders: Vec<ProgressBar>, total: ProgressBar },
    Lines,
    Silent,
}

impl RaceProgress {
    /// Bars on a terminal, otherwise a line per tenth of the race.
    ///
    /// * `contenders`: names and how many runs each of them has; a run may serve two contenders.
    /// * `runs`: runs of the race; `steps`: steps of each run.
    pub fn new(contenders: &[(&str, usize)], runs: usize, steps: usize) -> Self {
        let screen = if std::io::stderr().is_terminal() {
            bars(contenders, runs, steps)
        } else {
            Screen::Lines
        };
        Self::with(screen, contenders.len(), runs)
    }

    /// Shows nothing.
    pub fn silent(contenders: usize, runs: usize) -> Self {
        Self::with(Screen::Silent, contenders, runs)
    }

    fn with(screen: Screen, contenders: usize, runs: usize) -> Self {
        let best = Mutex::new(vec![None; contenders]);
        Self { started: Instant::now(), runs, finished: AtomicUsize::new(0), screen, best }
    }

    /// A run that serves these contenders went on by `steps`.
    pub fn advance(&self, served: &[usize], steps: usize) {
        if let Screen::Bars { contenders, total } = &self.screen {
            for &contender in served {
                contenders[contender].inc(steps as u64);
            }
            total.inc(steps as u64);
        }
    }

    /// A run that serves these contenders ended; `None` if it diverged.
    pub fn finish(&self, served: &[usize], final_loss: Option<f64>) {
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.screen {
            Screen::Bars { contenders, .. } => {
                let Ok(mut best) = self.best.lock() else { return };
                for &contender in served {
                    let both = [best[contender], final_loss];
                    best[contender] = both.into_iter().flatten().reduce(f64::min);
                    let text = best[contender].map_or("diverged".to_owned(), loss_text);
                    contenders[contender].set_message(format!("best run {text}"));
                }
            }
            Screen::Lines => {
                let tenth = |count: usize| count * 10 / self.runs.max(1);
                if tenth(finished) > tenth(finished - 1) {
                    let seconds = self.started.elapsed().as_secs_f64();
                    say(format_args!("race: {finished} of {} runs, {seconds:.0} s", self.runs));
                }
            }
            Screen::Silent => {}
        }
    }

    /// Removes the bars.
    pub fn close(&self) {
        if let Screen::Bars { contenders, total } = &self.screen {
            contenders.iter().for_each(ProgressBar::finish_and_clear);
            total.finish_and_clear();
        }
    }

    /// Seconds since the start.
    pub fn elapsed_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// One bar per contender and one, with the time left, for the whole race.
fn bars(contenders: &[(&str, usize)], runs: usize, steps: usize) -> Screen {
    let all = MultiProgress::new();
    let bar = |length: usize, template: &str| {
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        all.add(ProgressBar::new(length as u64)).with_style(style)
    };
    let total = bar(runs * steps, "race          {bar:30.bold} {percent:>3} %  {eta} left");
    let contenders = contenders
        .iter()
        .map(|(name, runs)| {
            bar(runs * steps, "{prefix:13} {bar:30.cyan} {percent:>3} %  {msg}")
                .with_prefix((*name).to_owned())
        })
        .collect();
    Screen::Bars { contenders, total }
}
