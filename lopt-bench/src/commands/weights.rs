//! `lopt weights`.

use std::io::Write;
use std::path::Path;

use lopt_core::meta_params::MetaLayout;
use lopt_core::weights::{OptimizerConfig, TrainingRecord};
use lopt_core::{HierarchicalRnnConfig, Weights};
use lopt_meta::Checkpoint;

use crate::args::{AverageArgs, ExtractArgs, SetRateArgs};
use crate::error::CliError;
use crate::output::write_file;
use crate::report::number::count_text;
use crate::weights_source::WeightsSource;

/// Describes weights: where from, which optimizer, how large each block is.
pub(super) fn inspect(weights: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    let source = WeightsSource::load(Some(weights))?;
    let (weights, record) = (&source.weights, source.weights.record());
    writeln!(out, "weights          {}", source.label)?;
    writeln!(out, "meta-parameters  {}", count_text(weights.psi().len()))?;
    writeln!(out, "norm             {:.4}", norm(weights.psi()))?;

    writeln!(out, "\ntrained by")?;
    writeln!(out, "  meta-updates    {}", record.updates)?;
    writeln!(out, "  instance-steps  {}", record.instance_steps)?;
    writeln!(out, "  seed            {}", record.seed)?;
    writeln!(out, "  validation      {}", record.validation)?;
    let commit = if record.commit.is_empty() { "-" } else { &record.commit };
    writeln!(out, "  commit          {commit}")?;

    writeln!(out, "\nconfiguration")?;
    let described = format!("{:#?}", weights.config());
    for line in described.lines().filter(|line| line.starts_with("        ")) {
        writeln!(out, "{}", line.replacen("      ", "", 1).trim_end_matches(','))?;
    }
    // the meta-parameters of a relative RNN have no blocks with names
    let blocks = weights.hierarchical_rnn().map(|config| MetaLayout::new(&config).blocks);
    let blocks = blocks.unwrap_or_default();

    writeln!(out, "\nblocks")?;
    writeln!(
        out,
        "  name                                     shape     count        rms    largest"
    )?;
    for block in blocks {
        let values = &weights.psi()[block.range.clone()];
        let shape: Vec<String> = block.shape.iter().map(usize::to_string).collect();
        let rms = norm(values) / (values.len().max(1) as f64).sqrt();
        let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        writeln!(
            out,
            "  {:32}  {:>12}  {:>8}  {rms:>9.4}  {largest:>9.4}",
            block.name,
            shape.join(" x "),
            values.len(),
        )?;
    }

    if !record.recipe.is_empty() {
        writeln!(out, "\nrecipe\n{}", record.recipe.trim_end())?;
    }
    Ok(())
}

/// Copies weights with another initial rate; the recipe and the meta-parameters stay.
pub(super) fn set_rate(args: &SetRateArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let source = WeightsSource::load(Some(&args.weights))?;
    let config = source.weights.hierarchical_rnn()?;
    let config = HierarchicalRnnConfig { initial_rate: (args.rate, args.rate), ..config };
    let (_, psi, record) = (*source.weights).clone().into_parts();
    let weights = Weights::new(config, psi, record)?;
    write(&weights, &args.out)?;
    writeln!(out, "wrote {}, to be used from rate {}", args.out.display(), args.rate)?;
    Ok(())
}

/// Writes the averaged psi of a checkpoint as weights.
pub(super) fn extract(args: &ExtractArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let weights = Checkpoint::read(&args.checkpoint)?.averaged()?;
    let weights = pace(weights, &args.checkpoint.display().to_string(), args.like.as_deref())?;
    write(&weights, &args.out)?;
    writeln!(out, "wrote {}, update {}", args.out.display(), weights.record().updates)?;
    Ok(())
}

/// Writes the mean of the meta-parameters, with the record of the first and a line on each.
pub(super) fn average(args: &AverageArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let sources = args.weights.iter().map(|name| WeightsSource::load(Some(name)));
    let sources: Vec<WeightsSource> = sources.collect::<Result<_, _>>()?;
    let first = (*sources[0].weights).clone();
    let (config, mut mean, mut record) =
        pace(first, &sources[0].label, args.like.as_deref())?.into_parts();
    for other in &sources[1..] {
        let paced = paced_as(other.weights.config(), &config);
        let (a, b) = (&sources[0].label, &other.label);
        if paced != config {
            return Err(CliError::Failed(format!("`{a}` and `{b}` are other networks")));
        }
        if args.like.is_none() && paced != *other.weights.config() {
            let why = "differ in initial rate, pace or fading: say whose the mean gets by --like";
            return Err(CliError::Failed(format!("`{a}` and `{b}` {why}")));
        }
    }
    for (i, x) in mean.iter_mut().enumerate() {
        let sum: f64 = sources.iter().map(|source| f64::from(source.weights.psi()[i])).sum();
        *x = (sum / sources.len() as f64) as f32;
    }
    let labels: Vec<&str> = sources.iter().map(|source| source.label.as_str()).collect();
    record.recipe += "\n# psi: the mean of\n";
    for source in &sources {
        let TrainingRecord { seed, updates, instance_steps, .. } = source.weights.record();
        let what = format!("seed {seed}, {updates} updates, {instance_steps} instance-steps");
        record.recipe += &format!("# - {}: {what}\n", source.label);
    }
    write(&Weights::new(config, mean, record)?, &args.out)?;
    writeln!(out, "wrote {}, the mean of {}", args.out.display(), labels.join(", "))?;
    Ok(())
}

/// `config` with the initial rate, pace and fading of `like`, where both are the paper's optimizer.
fn paced_as(config: &OptimizerConfig, like: &OptimizerConfig) -> OptimizerConfig {
    match (config.hierarchical_rnn(), like.hierarchical_rnn()) {
        (Some(config), Some(like)) => config.paced_as(&like).into(),
        _ => *config,
    }
}

fn write(weights: &Weights, path: &Path) -> Result<(), CliError> {
    write_file(path, &weights.to_bytes()?)
}

/// Gives weights the initial rate, pace and fading of others of the same network.
fn pace(weights: Weights, label: &str, like: Option<&Path>) -> Result<Weights, CliError> {
    let Some(like) = like else { return Ok(weights) };
    let like = WeightsSource::load(Some(like))?;
    let (config, psi, mut record) = weights.into_parts();
    let config = paced_as(&config, like.weights.config());
    if config != *like.weights.config() {
        let text = format!("`{label}` and `{}` are other networks", like.label);
        return Err(CliError::Failed(text));
    }
    record.recipe += &format!("\n# initial rate, pace and fading: of {}\n", like.label);
    Ok(Weights::new(config, psi, record)?)
}

/// Euclidean norm.
fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}
