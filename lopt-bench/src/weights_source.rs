//! Where weights come from: built in, or a file.

use std::path::Path;
use std::sync::Arc;

use lopt_core::weights::EMBEDDED;
use lopt_core::{Weights, WeightsError};

use crate::error::CliError;
use crate::setting::{Learned, LearnedWeights};
use crate::suggest::unknown_or_missing;

/// Weights, loaded once and used for every run.
#[derive(Debug, Clone)]
pub struct WeightsSource {
    /// The built-in name or the path.
    pub label: String,
    /// The weights.
    pub weights: Arc<Weights>,
}

impl WeightsSource {
    /// The built-in default weights, or those of a built-in name or a file.
    ///
    /// # Errors
    ///
    /// If there are no such weights or the file is damaged.
    pub fn load(asked: Option<&Path>) -> Result<Self, CliError> {
        let path = asked.unwrap_or(Path::new(EMBEDDED[0]));
        let label = path.display().to_string();
        let weights = if EMBEDDED.contains(&label.as_str()) {
            Weights::embedded(&label)
        } else if path.exists() {
            Weights::read(path)
        } else {
            return Err(unknown_or_missing("weights", &label, EMBEDDED));
        };
        let weights = weights.map_err(|error| match error {
            // These name the file themselves.
            WeightsError::Read { .. } | WeightsError::TooLarge { .. } => CliError::failed(error),
            _ => CliError::Failed(format!("`{label}`: {error}")),
        })?;
        Ok(Self { label, weights: Arc::new(weights) })
    }

    /// The optimizer with these weights, as they are.
    pub fn learned(&self) -> Learned {
        Learned::new(&self.label, LearnedWeights::Lopt(Arc::clone(&self.weights)))
    }
}
