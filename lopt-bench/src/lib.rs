//! The command `lopt`: race a pretrained learned optimizer against hand-designed ones.
//!
//! ```text
//! lopt                                   the main job: race on the built-in digits
//! lopt race mnist-mlp --data DIR         the same on another problem
//! lopt problems                          what can be raced on
//! lopt weights inspect FILE              what a file of weights holds
//! lopt train --config FILE --out DIR     meta-train new weights
//! lopt speed                             how fast all this is here, and could be
//! lopt evaluate WEIGHTS --suite NAME     scores of weights on a suite of tasks
//! lopt bench NAME                        an experiment: a figure of the paper, or all of them
//! lopt report                            one page of all records of experiments
//! ```
//!
//! Whatever is compared flows **workloads and contenders -> runs -> record -> choice -> report**:
//!
//! * [`workload`]: a problem with its seeds, batches and checkpoints, equal for all contenders.
//! * [`contender`]: who runs, and with which [settings](setting) each of them may try its luck;
//!   [`baseline`]: the optimizers designed by hand.
//! * [`runs`]: every setting on every seed, on all cores; a run is one row of a [`record`].
//! * [`tuning`]: the choice of the best setting; [`score`]: what every contender reached with it.
//! * [`report`]: the result for people.
//!
//! [`race`] is one workload, with `race.json` and `race.html` as its result; [`experiment`] has
//! experiments with records that grow, [`evaluate`] scores on suites of tasks. [`speed`] is about
//! time alone.
//!
//! Around them: [`commands`] and [`args`] (the command line), [`weights_source`] (weights by name or file),
//! [`error`], [`progress`] (what moves on the screen), [`timing`] (clocks), [`input`] and [`output`] (files that
//! are read with care, and written in full or not at all), [`parallel`] (jobs on all cores).

pub mod args;
pub mod baseline;
pub mod commands;
pub mod contender;
pub mod error;
pub mod evaluate;
pub mod experiment;
pub mod field;
pub mod input;
pub mod interrupt;
pub mod output;
pub mod parallel;
pub mod progress;
pub mod race;
pub mod record;
pub mod report;
pub mod runs;
pub mod score;
pub mod setting;
pub mod speed;
pub mod suggest;
pub mod timing;
pub mod tuning;
pub mod weights_source;
pub mod workload;
