//! Who can take part in an experiment, by name.
//!
//! `lopt` and `paper` are the weights that are built in, other names the weights that the experiment
//! trains, and those of [`Hand`] the optimizers designed by hand. `NAME@RATE` fixes the learning rate,
//! for learned optimizers the initial one. Without it, optimizers with a learning rate choose from
//! nine, those that claim to need none run once.

use std::collections::BTreeMap;
use std::sync::Arc;

use lopt_core::baselines::{
    Adam, AdamW, DAdaptAdam, Lion, Momentum, Muon, NAdamW, Prodigy, RmsProp, ScheduleFreeAdamW, Sgd,
};
use lopt_core::l2l::{L2l, L2lWeights};
use lopt_core::{HierarchicalRnn, Layout, Optimizer, Schedule, Weights};

use crate::error::CliError;
use crate::learned::LearnedSource;
use crate::report::number::rate_text;

/// Weights by name: those that are built in, and those of the experiment.
#[derive(Debug, Clone, Default)]
pub struct Library {
    weights: BTreeMap<String, LearnedWeights>,
}

/// Weights of either learned optimizer.
#[derive(Debug, Clone)]
pub enum LearnedWeights {
    /// Of the hierarchical RNN.
    Hierarchical(Arc<Weights>),
    /// Of the coordinatewise LSTM.
    L2l(Arc<L2lWeights>),
}

impl Library {
    /// The weights that are built in.
    ///
    /// # Errors
    ///
    /// If they are damaged.
    pub fn built_in() -> Result<Self, CliError> {
        let mut library = Self::default();
        for (name, embedded) in [("lopt", None), ("paper", Some("paper"))] {
            let weights = LearnedSource::load(embedded)?.weights;
            library.add(name, LearnedWeights::Hierarchical(weights));
        }
        Ok(library)
    }

    /// Adds weights under a name.
    pub fn add(&mut self, name: &str, weights: LearnedWeights) {
        self.weights.insert(name.to_owned(), weights);
    }

    /// The contender of a name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn entrant(&self, name: &str) -> Result<Entrant, CliError> {
        let (base, rate) = match name.split_once('@') {
            None => (name, None),
            Some((base, text)) => {
                let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0 && rate.is_finite());
                let wrong =
                    || CliError::Bench(format!("`{name}`: expected a learning rate after the @"));
                (base, Some(rate.ok_or_else(wrong)?))
            }
        };
        let settings = match (self.weights.get(base), Hand::named(base)) {
            (Some(weights), _) => vec![Setting::Learned { weights: weights.clone(), rate }],
            (None, Some(hand)) => {
                let grid = hand.rates();
                let rates = match rate {
                    Some(_) if grid.is_empty() => {
                        return Err(CliError::Bench(format!("`{base}` takes no learning rate")));
                    }
                    Some(_) => vec![rate],
                    None if grid.is_empty() => vec![None],
                    None => grid.into_iter().map(Some).collect(),
                };
                rates.into_iter().map(|rate| Setting::Hand { hand, rate }).collect()
            }
            (None, None) => {
                return Err(CliError::Bench(format!("no contender is called `{base}`")));
            }
        };
        Ok(Entrant { name: name.to_owned(), settings })
    }
}

/// A contender with the settings that it may choose from.
#[derive(Debug, Clone)]
pub struct Entrant {
    /// Its name in the record.
    pub name: String,
    /// One, or a grid.
    pub settings: Vec<Setting>,
}

/// One optimizer with all its hyper-parameters.
#[derive(Debug, Clone)]
pub enum Setting {
    /// A learned optimizer.
    Learned {
        /// Its weights.
        weights: LearnedWeights,
        /// The initial rate, if not that of the weights.
        rate: Option<f64>,
    },
    /// One designed by hand.
    Hand {
        /// Which.
        hand: Hand,
        /// Learning rate; `None` for those that are meant to be used without a choice.
        rate: Option<f64>,
    },
}

impl Setting {
    /// All that distinguishes it from the others of its contender.
    pub fn describe(&self) -> String {
        match self {
            Self::Learned { rate: None, .. } | Self::Hand { rate: None, .. } => {
                "nothing to tune".to_owned()
            }
            Self::Learned { rate: Some(rate), .. } => format!("initial rate {}", rate_text(*rate)),
            Self::Hand { rate: Some(rate), .. } => format!("rate {}", rate_text(*rate)),
        }
    }

    /// A fresh optimizer for a run of so many steps.
    ///
    /// # Errors
    ///
    /// If the weights do not fit.
    pub fn build(&self, layout: &Layout, steps: usize) -> Result<Box<dyn Optimizer>, CliError> {
        Ok(match self {
            Self::Learned { weights: LearnedWeights::Hierarchical(weights), rate } => {
                let optimizer = HierarchicalRnn::from_weights(weights, layout);
                Box::new(match rate {
                    Some(rate) => optimizer.with_initial_rate(*rate as f32),
                    None => optimizer,
                })
            }
            Self::Learned { weights: LearnedWeights::L2l(weights), .. } => {
                let optimizer = L2l::new(layout, weights);
                Box::new(optimizer.map_err(|error| CliError::Weights(error.to_string()))?)
            }
            Self::Hand { hand, rate } => {
                let rate = rate.unwrap_or(1.0);
                hand.build(layout, rate, steps)
            }
        })
    }
}

/// Optimizers designed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Kingma & Ba 2015.
    Adam,
    /// Loshchilov & Hutter 2019, decay 0.01.
    AdamW,
    /// The same with a linear warm-up over a twentieth of the run, then a cosine down to 0.
    AdamWCosine,
    /// As in TensorFlow.
    RmsProp,
    /// Plain.
    Sgd,
    /// SGD with classical momentum 0.9.
    Momentum,
    /// SGD with Nesterov's momentum 0.9.
    Nesterov,
    /// Defazio et al. 2024.
    ScheduleFree,
    /// The same with the authors' default rate.
    ScheduleFreeDefault,
    /// Mishchenko & Defazio 2023.
    Prodigy,
    /// Defazio & Mishchenko 2023.
    DAdaptAdam,
    /// Chen et al. 2023.
    Lion,
    /// Jordan et al. 2024.
    Muon,
    /// The same with steps as large as AdamW's (Liu et al. 2025), at AdamW's usual rate.
    MuonRms,
    /// Dozat 2016 with decoupled decay, the fixed default of AlgoPerf.
    NAdamW,
}

impl Hand {
    const NAMES: [(&'static str, Self); 15] = [
        ("adam", Self::Adam),
        ("adamw", Self::AdamW),
        ("adamw-cosine", Self::AdamWCosine),
        ("rmsprop", Self::RmsProp),
        ("sgd", Self::Sgd),
        ("momentum", Self::Momentum),
        ("nesterov", Self::Nesterov),
        ("schedule-free", Self::ScheduleFree),
        ("schedule-free-default", Self::ScheduleFreeDefault),
        ("prodigy", Self::Prodigy),
        ("d-adapt-adam", Self::DAdaptAdam),
        ("lion", Self::Lion),
        ("muon", Self::Muon),
        ("muon-rms", Self::MuonRms),
        ("nadamw", Self::NAdamW),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|known| known.0 == name).map(|known| known.1)
    }

    /// The rates it may choose from: nine half decades, or none.
    fn rates(self) -> Vec<f64> {
        let first = match self {
            Self::Prodigy
            | Self::DAdaptAdam
            | Self::NAdamW
            | Self::ScheduleFreeDefault
            | Self::MuonRms => return Vec::new(),
            Self::AdamWCosine => return (-8..=-2).map(half_decade).collect(),
            Self::Sgd | Self::Momentum | Self::Nesterov | Self::ScheduleFree | Self::Muon => -8,
            Self::Lion => -12,
            Self::Adam | Self::AdamW | Self::RmsProp => -10,
        };
        (first..first + 9).map(half_decade).collect()
    }

    fn build(self, layout: &Layout, rate: f64, steps: usize) -> Box<dyn Optimizer> {
        match self {
            Self::Adam => Box::new(Adam::new(layout, rate)),
            Self::AdamW => Box::new(AdamW::new(layout, rate, DECAY)),
            Self::AdamWCosine => {
                let warmup = steps as u64 / 20;
                let cosine = Schedule::Cosine { steps: (steps as u64 - warmup).max(1), floor: 0.0 };
                let schedule = cosine.after_warmup(warmup);
                Box::new(AdamW::new(layout, rate, DECAY).with_schedule(schedule))
            }
            Self::RmsProp => Box::new(RmsProp::new(layout, rate)),
            Self::Sgd => Box::new(Sgd::new(layout, rate)),
            Self::Momentum => Box::new(Momentum::new(layout, rate, MOMENTUM, false)),
            Self::Nesterov => Box::new(Momentum::new(layout, rate, MOMENTUM, true)),
            Self::ScheduleFree => Box::new(ScheduleFreeAdamW::new(layout, rate)),
            Self::ScheduleFreeDefault => Box::new(ScheduleFreeAdamW::new(layout, 0.0025)),
            Self::Prodigy => Box::new(Prodigy::new(layout)),
            Self::DAdaptAdam => Box::new(DAdaptAdam::new(layout)),
            Self::Lion => Box::new(Lion::new(layout, rate)),
            Self::Muon => Box::new(Muon::new(layout, rate)),
            Self::MuonRms => Box::new(Muon::new(layout, 1e-3).with_adam_rate(1e-3)),
            Self::NAdamW => Box::new(NAdamW::algoperf_default(layout, steps as u64)),
        }
    }
}

/// `10^(halves / 2)`; whole decades are parsed, so that 1e-3 is the number 1e-3.
fn half_decade(halves: i32) -> f64 {
    match halves % 2 {
        0 => format!("1e{}", halves / 2).parse().unwrap_or(f64::NAN),
        _ => 10_f64.powf(f64::from(halves) / 2.0),
    }
}

/// Decoupled weight decay where an optimizer has it and nobody tunes it.
const DECAY: f64 = 0.01;

/// Averaging factor of the momentum optimizers.
const MOMENTUM: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_builds_and_is_called_so() {
        let library = Library::built_in().unwrap();
        let layout = Layout::single(5).unwrap();
        for (name, _) in Hand::NAMES {
            let entrant = library.entrant(name).unwrap();
            let mut optimizer = entrant.settings[0].build(&layout, 10).unwrap();
            let mut params = [1.0_f32; 5];
            optimizer.step(&mut params, &[0.5; 5]).unwrap();
            assert!(params.iter().all(|p| p.is_finite()), "{name}");
            assert!([1, 9].contains(&entrant.settings.len()), "{name}");
        }
        assert_eq!(library.entrant("lopt").unwrap().settings.len(), 1);
    }

    #[test]
    fn rates_are_fixed_by_an_at() {
        let library = Library::built_in().unwrap();
        let describe = |name| library.entrant(name).unwrap().settings[0].describe();
        assert_eq!(describe("adam@1e-3"), "rate 1e-3");
        assert_eq!(describe("lopt@1e-2"), "initial rate 1e-2");
        for name in ["adam@fast", "adam@-1", "prodigy@1", "nobody"] {
            assert!(library.entrant(name).is_err(), "{name}");
        }
    }
}
