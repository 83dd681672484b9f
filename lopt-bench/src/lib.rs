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
//! A race flows **workload -> measure -> score -> record -> report**:
//!
//! * [`workload`]: the problem, its seeds, batches and checkpoints; equal for all contenders.
//! * [`contender`]: who runs, and with which [settings](setting) each of them may try its luck.
//! * [`measure`]: one run of one setting on one seed; [`race`] does all of them on all cores.
//! * [`score`]: means over seeds, and the choice of the best setting.
//! * [`record`]: the result as data, `race.json`.
//! * [`report`]: the result for people, a table and `race.html`.
//!
//! [`speed`], [`evaluate`] and [`mod@bench`] have flows of their own, see there.
//!
//! Around them: [`commands`] and [`args`] (the command line), [`error`], [`progress`] and
//! [`train_progress`] (what moves on the screen), [`output`] (files that are written in full or
//! not at all), [`parallel`] (jobs on all cores).

pub mod args;
pub mod bench;
pub mod commands;
pub mod contender;
pub mod error;
pub mod evaluate;
pub mod field;
pub mod interrupt;
pub mod learned;
pub mod measure;
pub mod output;
pub mod parallel;
pub mod progress;
pub mod race;
pub mod record;
pub mod report;
pub mod run_lock;
pub mod score;
pub mod setting;
pub mod speed;
pub mod suggest;
pub mod timing;
pub mod train_progress;
pub mod workload;
