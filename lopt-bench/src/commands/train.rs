//! `lopt train`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_meta::config::RECOMMENDED;
use lopt_meta::{Checkpoint, Learner, Recipe, Trainer, UpdateReport};

#[cfg(not(feature = "mpi"))]
use crate::args::Distributed;
use crate::args::TrainArgs;
#[cfg(feature = "mpi")]
use crate::commands::train_distributed::run as distributed;
use crate::error::CliError;
use crate::input::read_text;
use crate::interrupt;
use crate::output::OutputFolder;
use crate::parallel::pool;
use crate::progress::Progress;
use crate::record::COMMIT;
use crate::report::number::{count_text, short_count_text};
use crate::weights_source::WeightsSource;

/// Meta-trains, with a live line on standard error; ends with a line about the weights.
pub(super) fn run(args: &TrainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(how) = args.distributed {
        return distributed(args, how, out);
    }
    let recipe = recipe(args)?;
    let folder = OutputFolder::open(&args.out)?;
    let _lock = folder.lock()?;
    interrupt::leave_notes()?;
    let pool = pool(args.threads.unwrap_or(0))?;
    let trainer = pool.install(|| match beginning(args, recipe, &folder)? {
        Beginning::Fresh(recipe) => Trainer::new(recipe, Level::detect()).map_err(CliError::failed),
        Beginning::Weights(recipe, weights) => {
            Trainer::from_weights(recipe, &weights, Level::detect()).map_err(CliError::failed)
        }
        Beginning::Checkpoint(saved) => {
            Trainer::resume(&saved, Level::detect()).map_err(CliError::failed)
        }
    })?;
    let mut session = Session::new(trainer, &folder);
    pool.install(|| session.run(!args.unscored))?;
    session.report(out)
}

#[cfg(not(feature = "mpi"))]
fn distributed(_: &TrainArgs, _: Distributed, _: &mut dyn Write) -> Result<(), CliError> {
    let needs = "--distributed needs MPI: install Open MPI and libclang, and build with `cargo build --release \
                 -p lopt-bench --features mpi`";
    Err(CliError::Usage(needs.to_owned()))
}

/// The recipe that the arguments name.
pub(super) fn recipe(args: &TrainArgs) -> Result<Recipe, CliError> {
    let (text, name) = match &args.config {
        None => (RECOMMENDED.to_owned(), "the built-in recipe".to_owned()),
        Some(path) => (read_text(path)?, format!("`{}`", path.display())),
    };
    let mut recipe =
        Recipe::parse(&text).map_err(|error| CliError::Failed(format!("{name}: {error}")))?;
    recipe.updates = args.updates.unwrap_or(recipe.updates);
    Ok(recipe)
}

/// What a run begins with.
pub(super) enum Beginning {
    /// Random weights.
    Fresh(Recipe),
    /// Weights to start from.
    Weights(Recipe, Arc<Weights>),
    /// The run in the folder.
    Checkpoint(Box<Checkpoint>),
}

/// A new run, or the one in the folder, of which no file is overwritten by a new one.
pub(super) fn beginning(
    args: &TrainArgs,
    recipe: Recipe,
    folder: &OutputFolder,
) -> Result<Beginning, CliError> {
    if args.resume {
        let path = folder.path().join(CHECKPOINT);
        return Ok(Beginning::Checkpoint(Box::new(resumed(args, &recipe, &path)?)));
    }
    // a link that leads nowhere is there, too
    let there = |name: &&str| folder.path().join(name).symlink_metadata().is_ok();
    if let Some(name) = [CHECKPOINT, PREVIOUS, LIGHT, WEIGHTS].into_iter().find(there) {
        return Err(CliError::Failed(format!(
            "`{}` holds a run already ({name}), add --resume or choose another folder",
            folder.path().display()
        )));
    }
    Ok(match &args.from {
        None => Beginning::Fresh(recipe),
        Some(from) => Beginning::Weights(recipe, WeightsSource::load(Some(from))?.weights),
    })
}

/// The checkpoint to go on from, of the length that `--updates` names if it does.
fn resumed(args: &TrainArgs, recipe: &Recipe, path: &Path) -> Result<Checkpoint, CliError> {
    let previous = path.with_file_name(PREVIOUS);
    let mut saved = Checkpoint::read(path).map_err(|error| match previous.is_file() {
        true => CliError::failed(format!(
            "{error}; `{}` is the one before: give it that name to go on from there",
            previous.display()
        )),
        false => CliError::failed(error),
    })?;
    let pinned = |recipe: Recipe| recipe.pinned().map_err(CliError::failed);
    let mut of = pinned(Recipe::parse(&saved.recipe).map_err(CliError::failed)?)?;
    let length = of.updates;
    of.updates = recipe.updates;
    let (path, done) = (path.display(), saved.counters.updates);
    let refusal = if of != pinned(recipe.clone())? {
        let name = args.config.as_ref().map_or_else(
            || "the built-in one".to_owned(),
            |config| format!("`{}`", config.display()),
        );
        format!("`{path}` was written by another recipe than {name}")
    } else if args.updates.is_none() && length != recipe.updates {
        format!(
            "`{path}` is a run of {length} updates, the recipe says {}: name one with --updates",
            recipe.updates
        )
    } else if args.updates.is_some_and(|updates| updates < done) {
        format!("`{path}` has done {done} updates, more than --updates {}", recipe.updates)
    } else {
        saved.recipe = of.to_toml();
        return Ok(saved);
    };
    Err(CliError::Failed(refusal))
}

/// Training by one process or many, as a [`Session`] sees it.
pub(super) trait Training {
    fn learner(&self) -> &Learner;
    /// The next update, or `None` if none has happened for a moment.
    fn update(&mut self) -> Result<Option<UpdateReport>, CliError>;
    fn validate(&mut self) -> f64;
    fn checkpoint(&mut self) -> Result<Checkpoint, CliError>;
}

impl Training for Trainer {
    fn learner(&self) -> &Learner {
        self.learner()
    }

    fn update(&mut self) -> Result<Option<UpdateReport>, CliError> {
        Ok(Some(self.update()))
    }

    fn validate(&mut self) -> f64 {
        self.validate()
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, CliError> {
        Ok((*self).checkpoint())
    }
}

/// One sitting of a run.
pub(super) struct Session<T> {
    pub(super) trainer: T,
    checkpoint: PathBuf,
    weights: PathBuf,
    /// Time in meta-updates, without validation and files.
    unrolling: Duration,
    /// Of this sitting.
    instance_steps: u64,
    /// Last score.
    validation: Option<f64>,
    progress: Progress,
}

impl<T: Training> Session<T> {
    pub(super) fn new(trainer: T, folder: &OutputFolder) -> Self {
        Self {
            checkpoint: folder.path().join(CHECKPOINT),
            weights: folder.path().join(WEIGHTS),
            unrolling: Duration::ZERO,
            instance_steps: 0,
            validation: None,
            progress: Progress::new(
                "update",
                trainer.learner().counters().updates,
                trainer.learner().recipe().updates,
            ),
            trainer,
        }
    }

    /// Updates until the recipe is done; validates, if `scored`, and saves on the way and at the end.
    pub(super) fn run(&mut self, scored: bool) -> Result<(), CliError> {
        let trained = self.train(scored);
        self.progress.close();
        trained
    }

    fn train(&mut self, scored: bool) -> Result<(), CliError> {
        let recipe = self.trainer.learner().recipe();
        let (validate_every, save_every) = (recipe.validate_every, recipe.checkpoint_every);
        let threads = rayon::current_num_threads() as f64;
        while !self.trainer.learner().finished() {
            let began = Instant::now();
            let update = self.trainer.update();
            self.unrolling += began.elapsed();
            let update = match update {
                Ok(update) => update,
                Err(error) => {
                    // an asynchronous run loses nothing; where slots are missing, this fails, too
                    let _ = self.save();
                    return Err(error);
                }
            };
            let psi = &self.trainer.learner().meta().psi;
            if !psi.iter().all(|&x| (x as f32).is_finite()) {
                let done = self.trainer.learner().counters().updates;
                return Err(CliError::Failed(format!(
                    "the meta-parameters are not finite after update {done}: lower meta_optimizer.rate"
                )));
            }
            let last = self.trainer.learner().finished();
            let interrupted = interrupt::asked() && !last;
            let done = self.trainer.learner().counters().updates;
            if let Some(update) = &update {
                self.instance_steps += update.instance_steps;
                if scored && (last || is_due(done, validate_every)) {
                    self.validation = Some(self.trainer.validate());
                }
            }
            if interrupted || update.is_some() && (last || is_due(done, save_every)) {
                self.save()?;
            }
            if interrupted {
                return Err(CliError::Interrupted { update: done });
            }
            let Some(update) = update else { continue };
            let speed = self.instance_steps as f64 / self.unrolling.as_secs_f64() / threads;
            let validation = self.validation.map_or("-".to_owned(), |score| format!("{score:+.3}"));
            let extra = format!(
                "  meta-loss {:+.3}  validation {validation}  {} instance-steps/s/core",
                update.meta_loss_average,
                short_count_text(speed)
            );
            self.progress.reach(done, &extra);
        }
        Ok(())
    }

    /// Writes the checkpoint, from which the run goes on, and the weights, which are used.
    fn save(&mut self) -> Result<(), CliError> {
        let checkpoint = self.trainer.checkpoint()?;
        checkpoint.write(&self.checkpoint).map_err(CliError::failed)?;
        let light = self.checkpoint.with_file_name(LIGHT);
        checkpoint.light().write(&light).map_err(CliError::failed)?;
        let weights = self.trainer.learner().weights(COMMIT);
        weights.write(&self.weights).map_err(CliError::failed)
    }

    /// What came of it.
    pub(super) fn report(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let counters = self.trainer.learner().counters();
        let score = if counters.best_psi.is_empty() {
            "not validated".to_owned()
        } else {
            format!(
                "best validation {:+.4} at update {}",
                counters.best_score, counters.best_update
            )
        };
        writeln!(
            out,
            "{} updates, {} instance-steps; {score}; weights in {}",
            counters.updates,
            count_text(usize::try_from(counters.instance_steps).unwrap_or(usize::MAX)),
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
/// The one before, which [`Checkpoint::write`] keeps.
const PREVIOUS: &str = "checkpoint.lopt.previous";
/// The same without the inner runs: small enough to be kept in a repository.
const LIGHT: &str = "light.lopt";
/// File with the best weights so far.
const WEIGHTS: &str = "weights.lopt";
