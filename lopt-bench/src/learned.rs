//! Where the learned optimizer of a race comes from.

use std::path::Path;
use std::sync::Arc;

use lopt_core::weights::EMBEDDED;
use lopt_core::{
    HierarchicalRnn, Layout, LearnedOptimizerConfig, Optimizer, Weights, WeightsError,
};

use crate::error::CliError;

/// Weights, loaded once and used for every run.
#[derive(Debug, Clone)]
pub struct LearnedSource {
    /// The built-in name or the path.
    pub label: String,
    /// The weights.
    pub weights: Arc<Weights>,
    /// Whether the guard is on.
    pub guard: bool,
}

impl LearnedSource {
    /// The built-in default weights, or those of a built-in name or a file.
    ///
    /// # Errors
    ///
    /// If there are no such weights or the file is damaged.
    pub fn load(asked: Option<&str>) -> Result<Self, CliError> {
        let label = asked.unwrap_or(EMBEDDED[0]);
        let path = Path::new(label);
        let weights = if EMBEDDED.contains(&label) {
            Weights::embedded(label)
        } else if path.exists() {
            Weights::read(path)
        } else {
            return Err(CliError::Weights(format!(
                "there is no file `{label}` and no built-in weights of that name, only {}",
                EMBEDDED.join(", ")
            )));
        };
        let weights = weights.map_err(|error| match error {
            // These name the file themselves.
            WeightsError::Read { .. } | WeightsError::TooLarge { .. } => {
                CliError::Weights(error.to_string())
            }
            _ => CliError::Weights(format!("`{label}`: {error}")),
        })?;
        Ok(Self { label: label.to_owned(), weights: Arc::new(weights), guard: false })
    }

    /// The same with or without the guard.
    #[must_use]
    pub fn guarded(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// The setting in words.
    pub fn describe(&self) -> String {
        let guard = if self.guard { ", guarded" } else { "" };
        format!("weights {}{guard}, nothing to tune", self.label)
    }

    /// A fresh optimizer; `rate`: an initial rate other than that of the weights.
    ///
    /// # Errors
    ///
    /// If the rate is no rate.
    pub fn build(
        &self,
        layout: &Layout,
        rate: Option<f64>,
    ) -> Result<Box<dyn Optimizer>, CliError> {
        let rate = rate.map(|rate| rate as f32);
        if self.guard {
            let mut config = LearnedOptimizerConfig::new().with_weights((*self.weights).clone());
            if let Some(rate) = rate {
                config = config.with_initial_rate(rate);
            }
            let optimizer = config.init(layout);
            return Ok(Box::new(optimizer.map_err(|error| CliError::Weights(error.to_string()))?));
        }
        let mut optimizer = HierarchicalRnn::from_weights(&self.weights, layout);
        if let Some(rate) = rate {
            optimizer = optimizer.with_initial_rate(rate);
        }
        Ok(Box::new(optimizer))
    }
}
