//! What an experiment is, as data: read from TOML.

use serde::{Deserialize, Serialize};

use super::claim::Claim;
use crate::error::CliError;
use crate::suggest::refuse_strangers;
use crate::tuning::Choice;

/// One experiment.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name on the command line, and of the folder of its records.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What it is about and what the paper says, in a few sentences.
    pub story: String,
    /// What is measured.
    #[serde(default)]
    pub kind: Kind,
    /// Who runs, by [name](crate::contender).
    #[serde(default)]
    pub contenders: Vec<String>,
    /// How tuned contenders come by their setting.
    #[serde(default)]
    pub choice: Choice,
    /// Weights that are meta-trained for this experiment alone.
    #[serde(default)]
    pub trained: Vec<Trained>,
    /// The size whose record is kept.
    pub full: Scale,
    /// Minutes, for a look and for tests.
    pub quick: Scale,
    /// What the record must show.
    #[serde(default)]
    pub claims: Vec<Claim>,
}

/// What an experiment measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Contenders on workloads.
    #[default]
    Races,
    /// Time of gradient and step against the batch size.
    Overhead,
    /// Lengths of unrolls as meta-training draws them.
    Lengths,
    /// Bytes of state per parameter.
    Memory,
    /// The jobs of the field suite.
    Field,
}

/// How large an experiment is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Problems by name; of the experiment on the field suite its jobs, all if empty.
    #[serde(default)]
    pub workloads: Vec<String>,
    /// Optimizer steps of a run.
    #[serde(default)]
    pub steps: usize,
    /// Repetitions.
    #[serde(default)]
    pub seeds: usize,
    /// Most rows on which the training loss is measured; 2048 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_rows: Option<usize>,
    /// Meta-updates of every recipe in `trained`; runs of an L2L optimizer.
    #[serde(default)]
    pub updates: u64,
}

/// Weights that are meta-trained for an experiment.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// Name of the contender.
    pub name: String,
    /// `paper`, `recommended` or `l2l`.
    pub recipe: String,
    /// Laid over the recipe, table by table.
    #[serde(default)]
    pub changes: toml::Table,
}

impl Definition {
    /// Reads a definition.
    ///
    /// # Errors
    ///
    /// If the text is not TOML of this shape.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        toml::from_str(text).map_err(CliError::failed)
    }

    /// The size that is asked for.
    pub fn scale(&self, quick: bool) -> &Scale {
        if quick { &self.quick } else { &self.full }
    }
}

/// The experiments that are built in, in the order of the report.
///
/// # Errors
///
/// If one does not parse, which a test rules out.
pub fn all() -> Result<Vec<Definition>, CliError> {
    BUILT_IN.iter().map(|text| Definition::parse(text)).collect()
}

/// The experiments of these names; `all` stands for all.
///
/// # Errors
///
/// If there is no experiment of a name.
pub fn named(name: &str) -> Result<Vec<Definition>, CliError> {
    let all = all()?;
    let names = all.iter().map(|known| known.name.as_str()).chain(["all"]);
    refuse_strangers("experiment", &[name.to_owned()], names)?;
    Ok(all.into_iter().filter(|known| name == "all" || known.name == name).collect())
}

const BUILT_IN: [&str; 13] = [
    include_str!("../../definitions/field.toml"),
    include_str!("../../definitions/fig2.toml"),
    include_str!("../../definitions/fig3.toml"),
    include_str!("../../definitions/fig4a.toml"),
    include_str!("../../definitions/fig4b.toml"),
    include_str!("../../definitions/fig5.toml"),
    include_str!("../../definitions/fig6.toml"),
    include_str!("../../definitions/fig7.toml"),
    include_str!("../../definitions/c1.toml"),
    include_str!("../../definitions/sizes.toml"),
    include_str!("../../definitions/memory.toml"),
    include_str!("../../definitions/contenders.toml"),
    include_str!("../../definitions/corpus.toml"),
];
