//! What users are told once because it raises no error and yet costs speed or quality.

use super::groups::TensorSettings;
use crate::schedule::Schedule;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an optimizer has told, and what it has to know for it.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// Whether somebody has asked for the attended point since the last step.
    asked: AtomicBool,
    /// Steps in a row whose attended point nobody has asked for.
    unasked: u8,
    /// Whether a multiplier has been set.
    multiplied: bool,
    /// Steps since the optimizer was made.
    steps: u64,
}

impl Clone for Warnings {
    fn clone(&self) -> Self {
        let Self { asked, unasked, multiplied, steps } = self;
        let asked = AtomicBool::new(asked.load(Ordering::Relaxed));
        Self { asked, unasked: *unasked, multiplied: *multiplied, steps: *steps }
    }
}

impl Warnings {
    /// Somebody asks for the attended point.
    pub(super) fn attended(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Before a step; `elsewhere`: the attended point is not the parameters.
    pub(super) fn before_step(&mut self, elsewhere: bool) {
        let asked = std::mem::replace(self.asked.get_mut(), false);
        if asked || !elsewhere {
            // once told is for good
            self.unasked = if self.unasked < UNASKED { 0 } else { self.unasked };
            return;
        }
        self.unasked = self.unasked.saturating_add(1);
        if self.unasked == UNASKED {
            static FIRST: Once = Once::new();
            tell(&FIRST, UNATTENDED);
        }
    }

    /// A multiplier of the step length is set; only the first one counts, as later ones may be low.
    pub(super) fn multiplier(&mut self, multiplier: f32) {
        if !std::mem::replace(&mut self.multiplied, true) {
            warn_of_rate("the first multiplier of the step length", multiplier.into());
        }
    }

    /// After a step; `without`: names of the tensors that never had a gradient.
    pub(super) fn after_step<'a>(&mut self, without: impl FnOnce() -> Vec<&'a str>) {
        self.steps = self.steps.saturating_add(1);
        if self.steps == NOTICED {
            let names = without();
            if !names.is_empty() {
                static FIRST: Once = Once::new();
                tell(&FIRST, &no_gradient(&names));
            }
        }
    }
}

/// When an optimizer is made: that steps will be slow, or far too short.
pub(super) fn at_creation(settings: &[TensorSettings], schedule: &Schedule) {
    static SLOW: Once = Once::new();
    if let Some(advice) = advice(env!("LOPT_OPT_LEVEL")) {
        SLOW.call_once(|| tell(&Once::new(), advice));
    }
    let multipliers = settings.iter().filter(|own| !own.frozen).map(|own| own.multiplier);
    let largest = multipliers.fold(0.0_f32, f32::max);
    warn_of_rate("the largest step multiplier of all groups", largest.into());
    if let Some(rate) = schedule.exponential_rate() {
        warn_of_rate("the rate of the exponential schedule, a factor per step,", rate);
    }
}

fn advice(opt_level: &str) -> Option<&'static str> {
    (opt_level == "0").then_some(
        "lopt-core is compiled without optimization, which makes steps some 100 times as slow; \
         add these two lines to your Cargo.toml, or build with --release:\n\
         [profile.dev.package.lopt-core]\n\
         opt-level = 3",
    )
}

fn warn_of_rate(what: &str, value: f64) {
    if value > 0.0 && value < LEAST_MULTIPLIER {
        static FIRST: Once = Once::new();
        let sentence = format!(
            "{what} is {value}: it multiplies steps that the optimizer chooses itself and is 1 by \
             default, not a learning rate as AdamW's; with {value} training is {:.0} times as slow, \
             unless a warm-up begins here",
            1.0 / value
        );
        tell(&FIRST, &sentence);
    }
}

fn no_gradient(names: &[&str]) -> String {
    let (count, shown) = (names.len(), names[..names.len().min(SHOWN)].join("`, `"));
    let more = if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
    let them = if count == 1 { "tensor has" } else { "tensors have" };
    format!(
        "{count} {them} had no gradient in {NOTICED} steps: `{shown}`{more}; if the loss should depend on \
         them, something on the way to it lets no gradient through; if not, as with running \
         statistics, all is well"
    )
}

const UNATTENDED: &str = "steps are taken, but nobody asks for `attended`: if the gradients are \
     taken at the parameters, training is worse than it could be; take them at \
     `optimizer.attended(&params)`, or use `minimize`, which does";

/// Steps in a row without the attended point after which that is told.
const UNASKED: u8 = 10;
/// Step after which tensors that never had a gradient are told of, and how many of them by name.
const NOTICED: u64 = 100;
const SHOWN: usize = 5;
/// Multipliers below are taken for learning rates.
const LEAST_MULTIPLIER: f64 = 0.05;

fn tell(first: &Once, what: &str) {
    tracing::warn!(target: "lopt", "{what}");
    print_first(first, what);
}

/// The first of a kind also goes to standard error, as long as nobody listens to `tracing`.
#[allow(clippy::print_stderr, reason = "a mistake is to be seen where it is made")]
pub(super) fn print_first(first: &Once, what: &str) {
    if !tracing::dispatcher::has_been_set() {
        first.call_once(|| eprintln!("warning from lopt: {what}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_without_optimization_are_told_what_to_do() {
        assert!(advice("0").unwrap().ends_with("[profile.dev.package.lopt-core]\nopt-level = 3"));
        for level in ["1", "2", "3", "s", "z"] {
            assert_eq!(advice(level), None);
        }
        assert!(["0", "1", "2", "3", "s", "z"].contains(&env!("LOPT_OPT_LEVEL")));
    }

    #[test]
    fn at_most_five_names_are_given() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        assert!(no_gradient(&names).contains("steps: `a`, `b`, `c`, `d`, `e` and 2 more; if"));
        assert!(
            no_gradient(&names[..1])
                .starts_with("1 tensor has had no gradient in 100 steps: `a`; if")
        );
    }
}
