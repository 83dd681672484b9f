//! Runs an experiment: trains what must be trained, then every setting on every workload and seed.

use std::path::Path;

use lopt_core::Layout;
use lopt_core::weights::EMBEDDED;
use lopt_problems::FieldSuite;

use super::definition::{Definition, Kind, Scale};
use super::log::{Log, Timing, begun};
use super::{lengths, memory, training};
use crate::contender::{Contender, Contenders};
use crate::error::CliError;
use crate::field::experiment::{Plan, put_rows};
use crate::output::{OutputFolder, json_text};
use crate::parallel::parallel;
use crate::progress::Progress;
use crate::record::{COMMIT, Header, Record, Row, VERSION, fingerprint, trained_key};
use crate::runs::{jobs, run_all};
use crate::setting::{LearnedWeights, Setting};
use crate::speed::machine::Machine;
use crate::speed::overhead::curve::{Curve, Effort};
use crate::speed::overhead::report::OverheadRecord;
use crate::speed::overhead::tasks::tasks;
use crate::timing::{Clock, Stopwatch};
use crate::weights_source::WeightsSource;
use crate::workload::{Size, Workload};

/// What of an experiment its definition leaves open.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Whether the small size is run.
    pub quick: bool,
    /// Folder for the records, one folder inside for each experiment.
    pub out: &'a Path,
    /// Folder with the files of MNIST and CIFAR-10.
    pub data: Option<&'a Path>,
    /// Folder of the baselines of the field suite.
    pub cache: &'a Path,
    /// Runs at a time; the record does not depend on it.
    pub threads: usize,
}

/// Looks at everything that can be wrong with an experiment, before the first step of this one or of those
/// before it; writes nothing. Returns the workloads, and the contenders that need no training.
///
/// # Errors
///
/// If a workload or contender does not exist, data are missing, or the folder holds another record.
pub fn check_experiment(
    definition: &Definition,
    options: &Options<'_>,
) -> Result<(Vec<Workload>, Contenders), CliError> {
    let scale = definition.scale(options.quick);
    let mut workloads = Vec::new();
    match definition.kind {
        Kind::Field => drop(field_plan(definition, options)?),
        Kind::Overhead => drop(tasks(options.data)?),
        _ => {
            let (steps, seeds) = (Some(scale.steps), scale.seeds);
            let size = Size { steps, seeds, batch: None, measured_rows: scale.measured_rows };
            let workload = |name: &String| Workload::new(name, size, options.data);
            workloads = scale.workloads.iter().map(workload).collect::<Result<_, _>>()?;
        }
    }
    let known = Contenders::built_in()?;
    let to_be_trained = |name: &&String| definition.trained.iter().any(|plan| plan.name == **name);
    for name in definition.contenders.iter().filter(|name| !to_be_trained(name)) {
        known.named(name)?;
    }
    begun(&options.out.join(&definition.name), &header(definition, options)?)?;
    Ok((workloads, known))
}

/// Runs an experiment into a folder, from where an earlier call was interrupted; returns its record.
///
/// # Errors
///
/// As [`check_experiment`]; if another process works in the folder, or it refuses, or a training run fails.
pub fn run_experiment(definition: &Definition, options: &Options<'_>) -> Result<Record, CliError> {
    let (workloads, mut known) = check_experiment(definition, options)?;
    let scale = definition.scale(options.quick);
    let folder = OutputFolder::open(&options.out.join(&definition.name))?;
    let _lock = folder.lock()?;
    let log = Log::open(&folder, &header(definition, options)?)?;
    folder.write("machine.json", json_text(&Machine::describe())?.as_bytes())?;
    match definition.kind {
        Kind::Field => {
            let plan = field_plan(definition, options)?;
            put_rows(&plan, &Setting::Learned(WeightsSource::load(None)?.learned()), &log)?;
        }
        Kind::Races => {
            let trained = train(definition, scale, &folder, &log, options.threads)?;
            for (plan, weights) in definition.trained.iter().zip(trained) {
                known.add(&plan.name, weights);
            }
            let contenders = contenders(definition, &known)?;
            race(definition, &workloads, &contenders, &log, options.threads)?;
        }
        Kind::Overhead => {
            let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
            let timed = OverheadRecord::measure(options.data, effort)?;
            folder.write(OVERHEAD, json_text(&timed)?.as_bytes())?;
            let curves = timed.curves.iter();
            let bar = |c: &Curve| Row::bar("parameters", &c.name, c.parameters as f64);
            put_all(&log, curves.map(bar))?;
        }
        Kind::Lengths => {
            put_all(&log, lengths::rows(if options.quick { 20_000 } else { 200_000 })?)?;
        }
        Kind::Memory => {
            let layout = Layout::single(if options.quick { 10_000 } else { 1_000_000 })?;
            put_all(&log, memory::rows(&contenders(definition, &known)?, &layout)?)?;
        }
    }
    log.close()
}

/// Name of the file with the overhead curves, which are all about the clock.
pub const OVERHEAD: &str = "timing-overhead.json";

/// The jobs of the field suite that a definition names.
fn field_plan(definition: &Definition, options: &Options<'_>) -> Result<Plan, CliError> {
    let scale = definition.scale(options.quick);
    let (suites, data) = ([FieldSuite::Choose, FieldSuite::Test], options.data);
    let mut plan = Plan::new(&suites, data, &scale.workloads, options.cache, options.threads)?;
    if let Some(name) = plan.skipped.first() {
        let sentence =
            format!("`{name}` needs MNIST and CIFAR-10; say where with --data DIR or LOPT_DATA");
        return Err(CliError::Failed(sentence));
    }
    plan.seeds = scale.seeds;
    if scale.steps > 0 {
        plan.most_steps = scale.steps;
    }
    Ok(plan)
}

fn contenders(definition: &Definition, known: &Contenders) -> Result<Vec<Contender>, CliError> {
    definition.contenders.iter().map(|name| known.named(name)).collect()
}

fn header(definition: &Definition, options: &Options<'_>) -> Result<Header, CliError> {
    let mut bytes = serde_json::to_vec(definition)?;
    for name in EMBEDDED {
        let weights = WeightsSource::load(Some(Path::new(name)))?.weights;
        bytes.extend(weights.to_bytes()?);
    }
    let quick = if options.quick { " --quick" } else { "" };
    Ok(Header {
        lopt_record: VERSION,
        experiment: definition.name.clone(),
        quick: options.quick,
        definition: fingerprint(&bytes),
        command: format!("lopt bench {}{quick}", definition.name),
        commit: COMMIT.to_owned(),
        machine: "machine.json".to_owned(),
    })
}

/// Meta-trains what the record does not hold yet; all weights in the order of the definition.
fn train(
    definition: &Definition,
    scale: &Scale,
    folder: &OutputFolder,
    log: &Log,
    threads: usize,
) -> Result<Vec<LearnedWeights>, CliError> {
    let count = definition.trained.len();
    let progress = Progress::new(format!("{}, trainings", definition.name), 0, count as u64);
    let job = |index: usize| {
        let plan = &definition.trained[index];
        let path = folder.path().join(format!("{}.weights", plan.name));
        log.has(index, &trained_key(&plan.name))?;
        if let Some(Row::Trained(row)) = log.begun.get(index)
            && let Some(weights) = training::reread(plan, row, &path)
        {
            progress.advance();
            return Ok(weights);
        }
        let watch = Stopwatch::start(Clock::Thread);
        let (weights, row) = training::train(plan, scale.updates, &path)?;
        let seconds = watch.seconds();
        if index >= log.begun.len() {
            log.put(Timing { row: index, seconds, optimizer_seconds: None }, &Row::Trained(row))?;
        }
        progress.advance();
        Ok(weights)
    };
    let trained = parallel(threads, count, job);
    progress.close();
    trained
}

/// Makes the runs that the record does not hold yet.
fn race(
    definition: &Definition,
    workloads: &[Workload],
    contenders: &[Contender],
    log: &Log,
    threads: usize,
) -> Result<(), CliError> {
    let jobs = jobs(workloads, contenders);
    let first = definition.trained.len();
    let done = log.begun.len().saturating_sub(first).min(jobs.len());
    for (place, job) in jobs[..done].iter().enumerate() {
        log.has(first + place, &job.row().in_words())?;
    }
    run_all(&definition.name, &jobs[done..], threads, |place, run| {
        log.put(Timing::of(first + done + place, &run), &Row::Run(run.run.rounded()))
    })?;
    Ok(())
}

/// Rows that are there all at once.
fn put_all(log: &Log, rows: impl IntoIterator<Item = Row>) -> Result<(), CliError> {
    for (index, row) in rows.into_iter().enumerate() {
        log.complete(index, &row)?;
    }
    Ok(())
}
