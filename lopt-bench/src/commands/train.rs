//! `lopt train`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lopt_core::Weights;
use lopt_core::simd::Level;
use lopt_core::weights::WeightsError;
use lopt_meta::checkpoint::Counters;
use lopt_meta::config::{HIERARCHICAL_RNN, PAPER, QUADRATIC20};
use lopt_meta::evolution::RECOMMENDED;
use lopt_meta::{
    Checkpoint, EvolutionRecipe, EvolutionTrainer, Recipe, RecipeError, Trainer, UpdateReport,
};

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
use crate::suggest::unknown_or_missing;
use crate::timing::{Clock, Stopwatch};
use crate::weights_source::WeightsSource;

/// Meta-trains, with a live line on standard error; ends with a line about the weights.
pub(super) fn run(args: &TrainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(how) = args.distributed {
        return distributed(args, how, out);
    }
    let (text, _) = recipe_text(args)?;
    if EvolutionRecipe::is_meant_by(&text) {
        return sitting(args, out, |beginning| match beginning {
            Beginning::Fresh(recipe) => Ok(EvolutionTrainer::new(recipe)),
            Beginning::Weights(recipe, from) => Ok(EvolutionTrainer::from_weights(recipe, &from)?),
            Beginning::Checkpoint(saved) => Ok(EvolutionTrainer::resume(&saved)?),
        });
    }
    let level = Level::detect();
    sitting(args, out, |beginning| match beginning {
        Beginning::Fresh(recipe) => Ok(Trainer::new(recipe, level)?),
        Beginning::Weights(recipe, from) => Ok(Trainer::from_weights(recipe, &from, level)?),
        Beginning::Checkpoint(saved) => Ok(Trainer::resume(&saved, level)?),
    })
}

/// Trains on this machine.
fn sitting<R: AnyRecipe, T: Training + Send>(
    args: &TrainArgs,
    out: &mut dyn Write,
    trainer: impl FnOnce(Beginning<R>) -> Result<T, CliError> + Send,
) -> Result<(), CliError> {
    let recipe = recipe(args)?;
    let folder = OutputFolder::open(&args.out)?;
    let _lock = folder.lock()?;
    interrupt::leave_notes()?;
    let pool = pool(args.threads.unwrap_or(0))?;
    let trainer = pool.install(|| trainer(beginning(args, recipe, &folder)?))?;
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

/// The text of the recipe that the arguments name, and what to call it.
fn recipe_text(args: &TrainArgs) -> Result<(String, String), CliError> {
    let path = args.config.as_deref().unwrap_or(Path::new(BUILT_IN[0].0));
    let built_in = BUILT_IN.into_iter().find(|(name, _)| path == Path::new(name));
    // a word without a folder or an ending is meant as a name
    let is_word = path.components().count() == 1 && path.extension().is_none();
    if built_in.is_none() && is_word && !path.exists() {
        let name = path.to_string_lossy();
        return Err(unknown_or_missing("recipe", &name, &BUILT_IN.map(|(name, _)| name)));
    }
    Ok(match built_in.filter(|_| !path.exists()) {
        Some((name, text)) => (text.to_owned(), format!("the built-in recipe `{name}`")),
        None => (read_text(path)?, format!("`{}`", path.display())),
    })
}

/// The recipe that the arguments name.
pub(super) fn recipe<R: AnyRecipe>(args: &TrainArgs) -> Result<R, CliError> {
    let (text, name) = recipe_text(args)?;
    let mut recipe =
        R::parse(&text).map_err(|error| CliError::Failed(format!("{name}: {error}")))?;
    if let Some(updates) = args.updates {
        *recipe.updates() = updates;
    }
    Ok(recipe)
}

/// What all recipes have.
pub(super) trait AnyRecipe: Clone + PartialEq + Send {
    fn parse(text: &str) -> Result<Self, RecipeError>;
    fn updates(&mut self) -> &mut u64;
    /// Updates of the whole run, between two validations, and between two checkpoints.
    fn lengths(&self) -> [u64; 3];
    /// In words that keep their meaning.
    fn pinned(self) -> Result<Self, RecipeError>;
    fn to_toml(&self) -> String;
}

/// What a run begins with.
pub(super) enum Beginning<R> {
    /// Random weights.
    Fresh(R),
    /// Weights to start from.
    Weights(R, Arc<Weights>),
    /// The run in the folder.
    Checkpoint(Box<Checkpoint>),
}

/// A new run, or the one in the folder, of which no file is overwritten by a new one.
pub(super) fn beginning<R: AnyRecipe>(
    args: &TrainArgs,
    recipe: R,
    folder: &OutputFolder,
) -> Result<Beginning<R>, CliError> {
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
fn resumed<R: AnyRecipe>(
    args: &TrainArgs,
    recipe: &R,
    path: &Path,
) -> Result<Checkpoint, CliError> {
    let previous = path.with_file_name(PREVIOUS);
    let mut saved = Checkpoint::read(path).map_err(|error| match previous.is_file() {
        true => CliError::failed(format!(
            "{error}; `{}` is the one before: give it that name to go on from there",
            previous.display()
        )),
        false => CliError::failed(error),
    })?;
    let asked = *recipe.clone().updates();
    let mut of = R::parse(&saved.recipe).and_then(R::pinned).map_err(|_| {
        CliError::Failed(format!("`{}` was written by another kind of recipe", path.display()))
    })?;
    let length = std::mem::replace(of.updates(), asked);
    let (path, done) = (path.display(), saved.counters.updates);
    let refusal = if of != recipe.clone().pinned()? {
        let name = args.config.as_ref().map_or_else(
            || format!("the built-in one, `{}`", BUILT_IN[0].0),
            |config| format!("`{}`", config.display()),
        );
        format!("`{path}` was written by another recipe than {name}")
    } else if args.updates.is_none() && length != asked {
        format!(
            "`{path}` is a run of {length} updates, the recipe says {asked}: name one with --updates"
        )
    } else if args.updates.is_some_and(|updates| updates < done) {
        format!("`{path}` has done {done} updates, more than --updates {asked}")
    } else {
        saved.recipe = of.to_toml();
        return Ok(saved);
    };
    Err(CliError::Failed(refusal))
}

/// Training by one process or many, as a [`Session`] sees it.
pub(super) trait Training {
    fn course(&self) -> Course<'_>;
    fn weights(&self) -> Result<Weights, WeightsError>;
    /// The next update, or `None` if none has happened for a moment.
    fn update(&mut self) -> Result<Option<UpdateReport>, CliError>;
    fn validate(&mut self) -> f64;
    fn checkpoint(&mut self) -> Result<Checkpoint, CliError>;
}

/// How far a run is and how far it goes.
pub(super) struct Course<'a> {
    counters: &'a Counters,
    psi: &'a [f64],
    updates: u64,
    validate_every: u64,
    checkpoint_every: u64,
}

impl<'a> Course<'a> {
    pub(super) fn new(recipe: &impl AnyRecipe, counters: &'a Counters, psi: &'a [f64]) -> Self {
        let [updates, validate_every, checkpoint_every] = recipe.lengths();
        Self { counters, psi, updates, validate_every, checkpoint_every }
    }
}

/// Both kinds of training in one process have the same methods.
macro_rules! in_one_process {
    ($($trainer:ty, $recipe:ty, $pinned:expr;)*) => {$(
        impl AnyRecipe for $recipe {
            fn parse(text: &str) -> Result<Self, RecipeError> {
                Self::parse(text)
            }

            fn updates(&mut self) -> &mut u64 {
                &mut self.updates
            }

            fn lengths(&self) -> [u64; 3] {
                [self.updates, self.validate_every, self.checkpoint_every]
            }

            fn pinned(self) -> Result<Self, RecipeError> {
                $pinned(self)
            }

            fn to_toml(&self) -> String {
                self.to_toml()
            }
        }

        impl Training for $trainer {
            fn course(&self) -> Course<'_> {
                Course::new(self.recipe(), self.counters(), &self.meta().psi)
            }

            fn weights(&self) -> Result<Weights, WeightsError> {
                self.weights(COMMIT)
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
    )*};
}

in_one_process! {
    Trainer, Recipe, Recipe::pinned;
    EvolutionTrainer, EvolutionRecipe, Ok;
}

/// One sitting of a run.
pub(super) struct Session<T> {
    pub(super) trainer: T,
    checkpoint: PathBuf,
    weights: PathBuf,
    /// Seconds in meta-updates, without validation and files.
    unrolling: f64,
    /// Of this sitting.
    instance_steps: u64,
    /// Last score.
    validation: Option<f64>,
    progress: Progress,
}

impl<T: Training> Session<T> {
    pub(super) fn new(trainer: T, folder: &OutputFolder) -> Self {
        let Course { counters, updates, .. } = trainer.course();
        Self {
            progress: Progress::new("update", counters.updates, updates),
            checkpoint: folder.path().join(CHECKPOINT),
            weights: folder.path().join(WEIGHTS),
            unrolling: 0.0,
            instance_steps: 0,
            validation: None,
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
        let Course { updates, validate_every, checkpoint_every, .. } = self.trainer.course();
        let threads = rayon::current_num_threads() as f64;
        while self.trainer.course().counters.updates < updates {
            let watch = Stopwatch::start(Clock::Wall);
            let update = self.trainer.update();
            self.unrolling += watch.seconds();
            let update = match update {
                Ok(update) => update,
                Err(error) => {
                    // an asynchronous run loses nothing; where slots are missing, this fails, too
                    let _ = self.save();
                    return Err(error);
                }
            };
            let Course { psi, counters, .. } = self.trainer.course();
            let done = counters.updates;
            if !psi.iter().all(|&x| (x as f32).is_finite()) {
                return Err(CliError::Failed(format!(
                    "the meta-parameters are not finite after update {done}: lower meta_optimizer.rate"
                )));
            }
            let last = done >= updates;
            let interrupted = interrupt::asked() && !last;
            if let Some(update) = &update {
                self.instance_steps += update.instance_steps;
                if scored && (last || is_due(done, validate_every)) {
                    self.validation = Some(self.trainer.validate());
                }
            }
            if interrupted || update.is_some() && (last || is_due(done, checkpoint_every)) {
                self.save()?;
            }
            if interrupted {
                return Err(CliError::Interrupted { update: done });
            }
            let Some(update) = update else { continue };
            let speed = self.instance_steps as f64 / self.unrolling / threads;
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
        checkpoint.write(&self.checkpoint)?;
        checkpoint.light().write(&self.checkpoint.with_file_name(LIGHT))?;
        Ok(self.trainer.weights()?.write(&self.weights)?)
    }

    /// What came of it.
    pub(super) fn report(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let counters = self.trainer.course().counters;
        let Counters { best_score, best_update, .. } = counters;
        let score = if counters.best_psi.is_empty() {
            "not validated".to_owned()
        } else {
            format!("best validation {best_score:+.4} at update {best_update}")
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

/// Recipes by name; the first is that of the embedded weights for use.
const BUILT_IN: [(&str, &str); 4] = [
    ("recommended", RECOMMENDED),
    ("hierarchical-rnn", HIERARCHICAL_RNN),
    ("paper", PAPER),
    ("quadratic20", QUADRATIC20),
];

/// File from which a run goes on.
const CHECKPOINT: &str = "checkpoint.lopt";
/// The one before, which [`Checkpoint::write`] keeps.
const PREVIOUS: &str = "checkpoint.lopt.previous";
/// The same without the inner runs: small enough to be kept in a repository.
const LIGHT: &str = "light.lopt";
/// File with the best weights so far.
const WEIGHTS: &str = "weights.lopt";
