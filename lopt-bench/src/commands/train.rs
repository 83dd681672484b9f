//! `lopt train`.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lopt_core::simd::Level;
use lopt_meta::{Checkpoint, Recipe, TrainError, Trainer};

use crate::args::TrainArgs;
use crate::error::CliError;
use crate::interrupt;
use crate::learned::LearnedSource;
use crate::output::OutputFolder;
use crate::report::number::count_text;
use crate::run_lock::RunLock;
use crate::train_progress::{Progress, TrainProgress};

/// Meta-trains, with a live line on standard error; ends with a line about the weights.
pub(super) fn run(args: &TrainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if args.threads == Some(0) {
        return Err(CliError::Usage("--threads must be at least 1, got 0".to_owned()));
    }
    let recipe = std::fs::read_to_string(&args.config)
        .map_err(|source| CliError::NotReadable { path: args.config.clone(), source })?;
    let recipe = Recipe::parse(&recipe)
        .map_err(|error| CliError::Training(format!("`{}`: {error}", args.config.display())))?;
    let folder = OutputFolder::open(&args.out)?;
    let _lock = RunLock::take(&folder)?;
    interrupt::leave_notes()?;
    // 0 means the cores of the machine.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()
        .map_err(|error| CliError::Threads(error.to_string()))?;
    let trainer = pool.install(|| start(args, recipe, &folder))?;
    let mut session = Session {
        checkpoint: folder.path().join(CHECKPOINT),
        weights: folder.path().join(WEIGHTS),
        first_update: trainer.counters().updates,
        began: Instant::now(),
        unrolling: Duration::ZERO,
        instance_steps: 0,
        validation: None,
        progress: TrainProgress::new(),
        trainer,
    };
    let trained = pool.install(|| session.train());
    session.progress.close();
    trained?;
    session.report(out)
}

/// A new run, or the one in the folder. A run in the folder is never overwritten by a new one.
fn start(args: &TrainArgs, recipe: Recipe, folder: &OutputFolder) -> Result<Trainer, CliError> {
    let path = folder.path().join(CHECKPOINT);
    let fault = |error: TrainError| CliError::Training(error.to_string());
    match (args.resume, path.exists()) {
        (false, false) => match &args.from {
            None => Trainer::new(recipe, Level::detect()).map_err(fault),
            Some(from) => {
                let start = LearnedSource::load(Some(from))?;
                Trainer::from_weights(recipe, &start.weights, Level::detect()).map_err(fault)
            }
        },
        (false, true) => Err(CliError::Training(format!(
            "`{}` holds a run already, add --resume or choose another folder",
            folder.path().display()
        ))),
        (true, _) => {
            let checkpoint =
                Checkpoint::read(&path).map_err(|error| CliError::Training(error.to_string()))?;
            let trainer = Trainer::resume(&checkpoint, Level::detect()).map_err(fault)?;
            if *trainer.recipe() != recipe {
                return Err(CliError::Training(format!(
                    "`{}` was written by another recipe than `{}`",
                    path.display(),
                    args.config.display()
                )));
            }
            Ok(trainer)
        }
    }
}

/// One sitting of a run.
struct Session {
    trainer: Trainer,
    checkpoint: PathBuf,
    weights: PathBuf,
    /// Update at which it began.
    first_update: u64,
    began: Instant,
    /// Time in meta-updates, without validation and files.
    unrolling: Duration,
    /// Of this sitting.
    instance_steps: u64,
    /// Last score.
    validation: Option<f64>,
    progress: TrainProgress,
}

impl Session {
    /// Updates until the recipe is done; validates and saves on the way and at the end.
    fn train(&mut self) -> Result<(), CliError> {
        let recipe = self.trainer.recipe();
        let (validate_every, save_every) = (recipe.validate_every, recipe.checkpoint_every);
        let threads = rayon::current_num_threads() as f64;
        while !self.trainer.finished() {
            let began = Instant::now();
            let update = self.trainer.update();
            self.unrolling += began.elapsed();
            self.instance_steps += update.instance_steps;
            let last = self.trainer.finished();
            if last || is_due(update.update, validate_every) {
                self.validation = Some(self.trainer.validate());
            }
            let interrupted = interrupt::asked() && !last;
            if last || interrupted || is_due(update.update, save_every) {
                self.save()?;
            }
            if interrupted {
                return Err(CliError::Interrupted { update: update.update });
            }
            self.progress.show(&Progress {
                update: update.update,
                updates: self.trainer.recipe().updates,
                meta_loss: update.meta_loss_average,
                validation: self.validation,
                instance_steps_per_second_core: self.instance_steps as f64
                    / self.unrolling.as_secs_f64()
                    / threads,
                elapsed: self.began.elapsed(),
                first_update: self.first_update,
            });
        }
        Ok(())
    }

    /// Writes the checkpoint, from which the run goes on, and the weights, which are used.
    fn save(&self) -> Result<(), CliError> {
        let fault = |error: &dyn std::error::Error| CliError::Training(error.to_string());
        let checkpoint = self.trainer.checkpoint();
        checkpoint.write(&self.checkpoint).map_err(|error| fault(&error))?;
        let light = self.checkpoint.with_file_name(LIGHT);
        checkpoint.light().write(&light).map_err(|error| fault(&error))?;
        let weights = self.trainer.weights(option_env!("LOPT_COMMIT").unwrap_or_default());
        weights.write(&self.weights).map_err(|error| fault(&error))
    }

    /// What came of it.
    fn report(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let counters = self.trainer.counters();
        writeln!(
            out,
            "{} updates, {} instance-steps; best validation {:+.4} at update {}; weights in {}",
            counters.updates,
            count_text(usize::try_from(counters.instance_steps).unwrap_or(usize::MAX)),
            counters.best_score,
            counters.best_update,
            self.weights.display()
        )?;
        Ok(())
    }
}

/// Whether something that happens every so many updates happens now; never for 0.
fn is_due(update: u64, every: u64) -> bool {
    update.checked_rem(every) == Some(0)
}

/// File from which a run goes on.
const CHECKPOINT: &str = "checkpoint.lopt";
/// The same without the inner runs: small enough to be kept in a repository.
const LIGHT: &str = "light.lopt";
/// File with the best weights so far.
const WEIGHTS: &str = "weights.lopt";
