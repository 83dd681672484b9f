//! Who takes part in a comparison, by name, and from which settings each of them may choose.
//!
//! `lopt` and `paper` are the weights that are built in, other names the weights that an experiment
//! trains, and those of [`Baseline`] the optimizers designed by hand. `NAME@RATE` fixes the learning
//! rate, for learned optimizers the initial one. Without it, optimizers with a learning rate choose
//! from nine, judged by the very number that is reported: that favours them, on purpose. Those that
//! claim to need none run once.

use std::collections::BTreeMap;
use std::path::Path;

use crate::baseline::{Baseline, RateSchedule, half_decades};
use crate::error::CliError;
use crate::report::number::parse_rate;
use crate::setting::{Learned, LearnedWeights, Setting};
use crate::suggest::{refuse_strangers, unknown};
use crate::weights_source::WeightsSource;

/// Name of the learned optimizer in every comparison.
pub const LEARNED: &str = "lopt";

/// AdamW with warm-up and cosine, which chooses from seven rates.
pub const COSINE: &str = "adamw-cosine";

/// A name with the settings that it may choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Name in table and record.
    pub name: String,
    /// One setting, or a grid from which the best is taken.
    pub settings: Vec<Setting>,
}

impl Contender {
    /// A contender of this name with at least one setting.
    pub fn new(name: &str, settings: Vec<Setting>) -> Self {
        Self { name: name.to_owned(), settings }
    }

    /// Whether the setting is chosen by its result.
    pub fn tuned(&self) -> bool {
        self.settings.len() > 1
    }
}

/// The five contenders of every race, in the order of the table.
pub fn of_race(learned: Learned) -> Vec<Contender> {
    let adam = Setting::constant(Baseline::Adam, 1e-3);
    vec![
        Contender::new(LEARNED, vec![Setting::Learned(learned)]),
        Contender::new("adam-1e-3", vec![adam]),
        Contender::new("adam-tuned", grid(Baseline::Adam)),
        Contender::new("rmsprop", grid(Baseline::RmsProp)),
        Contender::new("sgd-momentum", grid(Baseline::Momentum)),
    ]
}

/// Those contenders that have one of these names, in their own order; all for an empty list.
///
/// # Errors
///
/// If there is no contender of a name.
pub fn only(all: Vec<Contender>, names: &[String]) -> Result<Vec<Contender>, CliError> {
    refuse_strangers("contender", names, all.iter().map(|known| known.name.as_str()))?;
    let chosen = |contender: &Contender| names.is_empty() || names.contains(&contender.name);
    Ok(all.into_iter().filter(chosen).collect())
}

/// Contenders by name: learned ones with their weights, and the baselines.
#[derive(Debug, Clone, Default)]
pub struct Contenders {
    weights: BTreeMap<String, LearnedWeights>,
}

impl Contenders {
    /// The weights that are built in, and the baselines. Here `lopt` is a hierarchical RNN, of which the
    /// experiments on the paper's claims are; the field suite and races have the weights for use.
    ///
    /// # Errors
    ///
    /// If the weights are damaged.
    pub fn built_in() -> Result<Self, CliError> {
        let mut contenders = Self::default();
        for (name, embedded) in [(LEARNED, "hierarchical-rnn"), ("paper", "paper")] {
            let weights = WeightsSource::load(Some(Path::new(embedded)))?.weights;
            contenders.add(name, LearnedWeights::Lopt(weights));
        }
        Ok(contenders)
    }

    /// Adds weights under a name.
    pub fn add(&mut self, name: &str, weights: LearnedWeights) {
        self.weights.insert(name.to_owned(), weights);
    }

    /// The contender that `NAME` or `NAME@RATE` stands for.
    ///
    /// # Errors
    ///
    /// If there is none, or it takes no rate.
    pub fn named(&self, name: &str) -> Result<Contender, CliError> {
        if name == COSINE {
            let (kind, schedule) = (Baseline::AdamW, RateSchedule::WarmupCosine);
            let setting = |rate| Setting::Baseline { kind, rate: Some(rate), schedule };
            let rates = half_decades(1e-4, 7);
            return Ok(Contender::new(name, rates.into_iter().map(setting).collect()));
        }
        let unclear =
            |_| CliError::Usage(format!("`{name}`: expected a learning rate after the @"));
        let (base, rate) = match name.split_once('@') {
            None => (name, None),
            Some((base, text)) => (base, Some(parse_rate(text).map_err(unclear)?)),
        };
        let takes_none = || CliError::Usage(format!("`{base}` takes no learning rate"));
        let settings = match (self.weights.get(base), Baseline::named(base)) {
            (Some(LearnedWeights::L2l(_)), _) if rate.is_some() => return Err(takes_none()),
            (Some(weights), _) => {
                vec![Setting::Learned(Learned { rate, ..Learned::new(base, weights.clone()) })]
            }
            (None, Some(kind)) => match (rate, grid(kind)) {
                (None, grid) => grid,
                (Some(_), grid) if grid.len() == 1 => return Err(takes_none()),
                (Some(rate), _) => vec![Setting::constant(kind, rate)],
            },
            (None, None) => {
                let mut known: Vec<&str> = self.weights.keys().map(String::as_str).collect();
                Baseline::names().for_each(|name| known.push(name));
                return Err(unknown("contender", base, known));
            }
        };
        Ok(Contender::new(name, settings))
    }
}

/// The settings that a baseline may choose from: its rates, or the one without a rate.
pub fn grid(kind: Baseline) -> Vec<Setting> {
    let rates = kind.rates();
    if rates.is_empty() {
        return vec![Setting::Baseline { kind, rate: None, schedule: RateSchedule::Constant }];
    }
    rates.into_iter().map(|rate| Setting::constant(kind, rate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopt_core::Layout;

    fn race() -> Vec<Contender> {
        let source = WeightsSource::load(None).unwrap();
        of_race(source.learned())
    }

    #[test]
    fn names_of_a_race_are_those_of_its_record() {
        let race = race();
        let names: Vec<&str> = race.iter().map(|contender| contender.name.as_str()).collect();
        assert_eq!(names, ["lopt", "adam-1e-3", "adam-tuned", "rmsprop", "sgd-momentum"]);
        let tuned: Vec<bool> = race.iter().map(Contender::tuned).collect();
        assert_eq!(tuned, [false, false, true, true, true]);
    }

    #[test]
    fn a_choice_keeps_the_order_and_refuses_strangers() {
        let pick =
            |names: &[&str]| only(race(), &names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        let chosen = pick(&["rmsprop", "lopt"]).unwrap();
        let names: Vec<&str> = chosen.iter().map(|contender| contender.name.as_str()).collect();
        assert_eq!(names, ["lopt", "rmsprop"]);
        let error = pick(&["adam-tune"]).unwrap_err().to_string();
        assert_eq!(error, "no contender is called `adam-tune`; did you mean adam-tuned?");
    }

    #[test]
    fn every_name_builds_and_is_called_so() {
        let contenders = Contenders::built_in().unwrap();
        let layout = Layout::single(5).unwrap();
        for name in Baseline::names() {
            let contender = contenders.named(name).unwrap();
            let mut optimizer = contender.settings[0].build(&layout, 10).unwrap();
            let mut params = [1.0_f32; 5];
            optimizer.observe(1.0);
            optimizer.step(&mut params, &[0.5; 5]).unwrap();
            assert!(params.iter().all(|p| p.is_finite()), "{name}");
            assert!([1, 9].contains(&contender.settings.len()), "{name}");
        }
        assert_eq!(contenders.named("lopt").unwrap().settings.len(), 1);
    }

    #[test]
    fn rates_are_fixed_by_an_at() {
        let contenders = Contenders::built_in().unwrap();
        let describe = |name| contenders.named(name).unwrap().settings[0].describe();
        assert_eq!(describe("adam@1e-3"), "rate 1e-3");
        assert_eq!(describe("lopt@1e-2"), "initial rate 1e-2");
        for name in ["adam@fast", "adam@-1", "prodigy@1", "nobody"] {
            assert!(contenders.named(name).is_err(), "{name}");
        }
        let error = contenders.named("adamww@1e-3").unwrap_err().to_string();
        assert!(
            error.starts_with("no contender is called `adamww`; did you mean adamw"),
            "{error}"
        );
    }
}
