//! `lopt evaluate`.

use std::io::Write;
use std::path::Path;

use lopt_core::weights::EMBEDDED;
use lopt_problems::{FieldSuite, ProblemError, Suite, SuiteTasks, Task, field_tasks, suite};

use crate::args::EvaluateArgs;
use crate::baseline::Baseline;
use crate::contender::{Contender, Contenders};
use crate::error::CliError;
use crate::evaluate::baselines::TaskBaselines;
use crate::evaluate::cache::cached;
use crate::evaluate::ensemble::{self, Effort};
use crate::evaluate::learned_runs::{LearnedRun, run_task};
use crate::evaluate::record::record;
use crate::field::experiment::Plan;
use crate::output::{check_writable, write_json};
use crate::parallel::threads;
use crate::progress::Progress;
use crate::report::evaluation;
use crate::setting::{Learned, Setting};
use crate::suggest::{refuse_strangers, unknown, unknown_or_missing};
use crate::weights_source::WeightsSource;

/// Runs what the cache does not have, then the weights; prints the figures, writes the record.
pub(super) fn run(args: &EvaluateArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let threads = threads(args.threads);
    args.json.as_deref().map_or(Ok(()), check_writable)?;
    let suite = args.suite.as_deref().unwrap_or_default();
    if let Some(suite) = FieldSuite::named(suite) {
        return run_field(args, suite, &judged(&args.weights)?, out);
    }
    let source = WeightsSource::load(Some(&args.weights))?;
    let learned = Learned { guard: args.guard, ..source.learned() };
    if let Some(name) = &args.ensemble {
        return run_ensemble(args, name, &learned, out);
    }
    let tasks = tasks(args, suite)?;
    // a relative RNN has no initial rate
    let rates = if source.weights.hierarchical_rnn().is_ok() { &args.rates[..] } else { &[] };
    for task in &tasks.skipped {
        writeln!(out, "skipped {}: no {} files, see --data", task.name, task.needs)?;
    }
    let first = args.first_seed as usize;
    let seeds = |task: &Task| first..first + args.seeds.unwrap_or(task.seeds).min(task.seeds);
    let known = |task| cached(&args.cache, task, seeds(task), threads);
    let baselines: Vec<TaskBaselines> = tasks.tasks.iter().map(known).collect::<Result<_, _>>()?;
    if args.baselines_only {
        write!(out, "{}", evaluation::baselines(&tasks.tasks, &baselines))?;
        return Ok(());
    }
    let mut runs: Vec<Vec<LearnedRun>> = Vec::new();
    let progress = Progress::new("evaluate, tasks", 0, tasks.tasks.len() as u64);
    for task in &tasks.tasks {
        runs.push(run_task(task, &learned, rates, seeds(task), threads)?);
        progress.advance();
    }
    progress.close();
    let names = (learned.label.as_str(), suite);
    let record = record(names, &tasks, first, &baselines, &runs, rates);
    write!(out, "{}", evaluation::render(&record))?;
    write_json(args.json.as_deref(), &record, out)
}

/// Weights, or an optimizer designed by hand, where needed with its rate, such as `adamw@1e-3`.
fn judged(asked: &Path) -> Result<Contender, CliError> {
    let name = asked.to_string_lossy();
    let base = name.split_once('@').map_or(&*name, |(base, _)| base);
    if Baseline::named(base).is_none() || asked.exists() {
        if !asked.exists() && !EMBEDDED.contains(&&*name) {
            let names: Vec<&str> = EMBEDDED.iter().copied().chain(Baseline::names()).collect();
            return Err(unknown_or_missing("weights or optimizer", &name, &names));
        }
        let learned = WeightsSource::load(Some(asked))?.learned();
        return Ok(Contender::new(&name, vec![Setting::Learned(learned)]));
    }
    let contender = Contenders::default().named(&name)?;
    if contender.tuned() {
        let sentence = format!("`{name}` needs a learning rate, such as {name}@1e-3");
        return Err(CliError::Usage(sentence));
    }
    Ok(contender)
}

/// An optimizer on a half of the field suite.
fn run_field(
    args: &EvaluateArgs,
    suite: FieldSuite,
    judged: &Contender,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (data, threads) = (args.data.as_deref(), threads(args.threads));
    let mut plan = Plan::new(&[suite], data, &args.only, &args.cache, threads)?;
    if !args.only.is_empty() {
        let all = field_tasks(suite, data)?;
        check_only(args, "job", all.tasks.iter().map(|task| task.name), |name| {
            plan.skipped.iter().any(|skipped| skipped == name).then_some("MNIST or CIFAR-10")
        })?;
    }
    plan.seeds = args.seeds.unwrap_or(plan.seeds);
    plan.most_steps = args.steps.unwrap_or(plan.most_steps);
    let figures = plan.evaluate(suite, judged, args.baselines_only)?;
    write!(out, "{}", figures.render())?;
    write_json(args.json.as_deref(), &figures, out)
}

/// Refuses names after `--only` that no task has, or whose data are missing.
///
/// * `known`: names of the tasks that can run; `needs`: the data that a task lacks.
fn check_only<'a>(
    args: &EvaluateArgs,
    kind: &str,
    known: impl Iterator<Item = &'a str>,
    needs: impl Fn(&str) -> Option<&'static str>,
) -> Result<(), CliError> {
    if let Some((name, data)) = args.only.iter().find_map(|name| Some((name, needs(name)?))) {
        return Err(ProblemError::NeedsData { name: name.clone(), data }.into());
    }
    refuse_strangers(kind, &args.only, known)
}

/// Weights on the problems that they were trained on.
fn run_ensemble(
    args: &EvaluateArgs,
    name: &str,
    learned: &Learned,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let effort = Effort {
        steps: args.steps.unwrap_or(ENSEMBLE_STEPS),
        seeds: args.seeds.unwrap_or(ENSEMBLE_SEEDS),
        most_parameters: args.most_parameters,
        threads: threads(args.threads),
    };
    let record = ensemble::run(learned, name, effort)?;
    write!(out, "{}", evaluation::ensemble(&record))?;
    write_json(args.json.as_deref(), &record, out)
}

/// Steps of a run on an ensemble.
const ENSEMBLE_STEPS: usize = 1000;
/// Seeds of an entry.
const ENSEMBLE_SEEDS: usize = 3;

/// The tasks that the command line asks for.
fn tasks(args: &EvaluateArgs, name: &str) -> Result<SuiteTasks, CliError> {
    let names = Suite::ALL.map(Suite::name).into_iter().chain(["field", "field-test"]);
    let kind: Suite = name.parse().map_err(|_| unknown("suite", name, names))?;
    let mut tasks = suite(kind, args.data.as_deref())?;
    check_only(args, "task", tasks.tasks.iter().map(|task| task.name), |name| {
        tasks.skipped.iter().find(|task| task.name == name).map(|task| task.needs)
    })?;
    if !args.only.is_empty() {
        tasks.tasks.retain(|task| args.only.iter().any(|name| name == task.name));
        tasks.skipped.clear();
    }
    for task in &mut tasks.tasks {
        task.steps = task.steps.min(args.steps.unwrap_or(usize::MAX));
    }
    Ok(tasks)
}
