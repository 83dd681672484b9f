//! The command line as data (clap).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report::number::parse_rate;

/// A pretrained learned optimizer: race it, look into it, train your own.
///
/// Without a command: `lopt race digits-mlp`.
#[derive(Debug, Parser)]
#[command(name = "lopt", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train one model with the learned optimizer and with tuned hand-designed ones
    Race(RaceArgs),
    /// List the problems that can be raced on, with their sizes
    Problems {
        /// Show only names that contain this text
        #[arg(value_name = "TEXT", default_value = "")]
        filter: String,
        /// Folder with the files of the MNIST or CIFAR-10 data
        #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
        data: Option<PathBuf>,
    },
    /// Look into a file of weights
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Meta-train new weights
    Train(TrainArgs),
    /// Measure the step, meta-training, Adam and a copy beside what the machine allows
    Speed(SpeedArgs),
    /// Score weights on a suite of tasks against tuned Adam
    Evaluate(EvaluateArgs),
    /// Run experiments: the figures of the paper, and the contenders of today
    Bench(BenchArgs),
    /// Make one page of all records of experiments
    Report {
        /// Folder with the records of `lopt bench`
        #[arg(long, value_name = "DIR", default_value = "bench")]
        records: PathBuf,
        /// Folder for report.html and the plots
        #[arg(long, value_name = "DIR", default_value = "report")]
        out: PathBuf,
    },
}

/// Arguments of `lopt bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Name of an experiment, or all
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The small size: minutes, other problems where data would be needed
    #[arg(long)]
    pub quick: bool,
    /// Folder for the records, one folder inside for each experiment
    #[arg(long, value_name = "DIR", default_value = "bench")]
    pub out: PathBuf,
    /// Folder with the files of the MNIST and CIFAR-10 data
    #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
    pub data: Option<PathBuf>,
    /// Folder of the baselines of the field suite; those that are missing are computed and kept there
    #[arg(long, value_name = "DIR", default_value = "benchmarks/baselines")]
    pub cache: PathBuf,
    /// Runs at a time; the record does not depend on it [default: the cores of the machine]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
}

/// Arguments of `lopt race`.
#[derive(Debug, Clone, Args)]
pub struct RaceArgs {
    /// What to train; `lopt problems` lists the names
    #[arg(default_value = DEFAULT_PROBLEM)]
    pub problem: String,
    /// Optimizer steps of every run [default: depends on the problem]
    #[arg(long, value_name = "N", value_parser = count::<1_000_000_000>)]
    pub steps: Option<usize>,
    /// Repetitions with other initial parameters and batches; results are their means
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = count::<10_000>)]
    pub seeds: usize,
    /// Rows per batch [default: depends on the problem]
    #[arg(long, value_name = "B", value_parser = count::<1_000_000_000>)]
    pub batch: Option<usize>,
    /// Folder with the files of the MNIST or CIFAR-10 data
    #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
    pub data: Option<PathBuf>,
    /// Folder for race.html and race.json
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Weights of the learned optimizer: a built-in name or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub weights: Option<PathBuf>,
    /// Run the learned optimizer with its guard
    #[arg(long)]
    pub guard: bool,
    /// Only these contenders, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Runs at a time; each run uses one thread [default: the cores of the machine]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
}

/// Commands about weights.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Describe weights: configuration, counts, norms, how they were trained
    Inspect {
        /// A file of weights, or the name of built-in ones
        #[arg(value_name = "FILE|NAME")]
        weights: PathBuf,
    },
    /// Copy weights with another initial learning rate, the one they are used with
    SetRate(SetRateArgs),
    /// Take the averaged weights of this moment out of a checkpoint
    Extract(ExtractArgs),
    /// Average the meta-parameters of weights of one network; a name given twice weighs two
    Average(AverageArgs),
}

/// Arguments of `lopt weights extract`.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// A checkpoint of `lopt train`
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Weights of the same network whose initial rate, pace and fading these get, instead of those
    /// they were trained with
    #[arg(long, value_name = "FILE|NAME")]
    pub like: Option<PathBuf>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `lopt weights average`.
#[derive(Debug, Clone, Args)]
pub struct AverageArgs {
    /// Files of weights, or names of built-in ones
    #[arg(value_name = "FILE|NAME", required = true)]
    pub weights: Vec<PathBuf>,
    /// Weights of the same network whose initial rate, pace and fading the mean gets; those that are
    /// averaged may then differ in these
    #[arg(long, value_name = "FILE|NAME")]
    pub like: Option<PathBuf>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `lopt weights set-rate`.
#[derive(Debug, Clone, Args)]
pub struct SetRateArgs {
    /// A file of weights, or the name of built-in ones
    #[arg(value_name = "FILE|NAME")]
    pub weights: PathBuf,
    /// Initial rate of every parameter
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub rate: f64,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `lopt train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Recipe (TOML) [default: that of the built-in weights]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Meta-updates, instead of the recipe's number; with --resume the run gets a new length, and
    /// the schedules of rate and lives bend to it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub updates: Option<u64>,
    /// Folder for checkpoints and weights
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Continue from the last checkpoint in the folder
    #[arg(long)]
    pub resume: bool,
    /// Start from existing weights instead of random ones: a built-in name or a file
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    /// Worker threads [default: the cores of the machine; 1 per process with --distributed]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
    /// Train with all processes that mpirun started (needs a build with --features mpi)
    #[arg(long, value_name = "HOW", value_enum)]
    pub distributed: Option<Distributed>,
    /// Asynchronous: skip gradients more updates old than this [default: 4 times the workers]
    #[arg(long, value_name = "N", requires = "distributed")]
    pub staleness: Option<u64>,
    /// Asynchronous: so many ranks sum for the root what the others push
    #[arg(long, value_name = "N", default_value_t = 0, requires = "distributed")]
    pub aggregators: usize,
    /// Distributed: seconds of silence after which a process counts as lost
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "distributed", value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub patience: u64,
    /// Never validate, not even at the end: for tests that look at something else
    #[arg(long, hide = true)]
    pub unscored: bool,
    /// What befalls a worker, for tests: `RANK:kill-after=N`, or hang, nan, garbage
    #[arg(long, hide = true, requires = "distributed")]
    pub fault: Option<String>,
}

/// How processes work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distributed {
    /// Workers push gradients whenever they have one; some may fail
    Async,
    /// All processes do every update together: the same bits as one process
    Sync,
}

/// Arguments of `lopt speed`.
#[derive(Debug, Clone, Args)]
pub struct SpeedArgs {
    /// File for the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Smaller models and fewer rounds: a few seconds
    #[arg(long)]
    pub quick: bool,
    /// Only these rows, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The step at every SIMD level of this CPU, too
    #[arg(long)]
    pub levels: bool,
    /// The optimizer that is measured
    #[arg(long, value_name = "NAME", value_parser = CONFIGS, default_value = "recommended")]
    pub config: String,
    /// Instead: the step on a GPU beside a copy and Adam there; gpu (the first there is), cuda or
    /// wgpu, in builds with the feature `gpu`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["only", "levels", "overhead"])]
    pub device: Option<String>,
    /// Instead: cost of the learned step beside the gradient, by batch size
    #[arg(long, conflicts_with_all = ["only", "levels", "config"])]
    pub overhead: bool,
    /// With --overhead: folder with the files of MNIST and CIFAR-10, instead of generated images
    #[arg(long, value_name = "DIR", requires = "overhead")]
    pub data: Option<PathBuf>,
}

/// Arguments of `lopt evaluate`.
#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    /// A file of weights, or the name of built-in ones; for the field suite also an optimizer designed by
    /// hand, such as prodigy or adamw@1e-3
    #[arg(value_name = "FILE|NAME")]
    pub weights: PathBuf,
    /// Which tasks: quick, validation, test, field or field-test
    #[arg(long, value_name = "NAME", required_unless_present = "ensemble")]
    pub suite: Option<String>,
    /// Instead: a training ensemble (paper, released, wide-paper, wide-paper-large, recommended, broad, deep,
    /// uncertain, large, scaled), beside Adam and RMSProp with their best single rates
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    pub ensemble: Option<String>,
    /// With --ensemble: leave larger problems out
    #[arg(long, value_name = "P", requires = "ensemble", default_value_t = 2000, value_parser = count::<1_000_000_000>)]
    pub most_parameters: usize,
    /// File for the whole result
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Seeds of a task, at most [default: as many as the task has, 1 to 5]
    #[arg(long, value_name = "K", value_parser = count::<10_000>)]
    pub seeds: Option<usize>,
    /// Number of the first seed: others than 0 for a word from seeds that have chosen nothing yet
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with = "ensemble")]
    pub first_seed: u32,
    /// Folder with the MNIST and CIFAR-10 files, itself or in folders inside
    #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
    pub data: Option<PathBuf>,
    /// Folder of the baselines; those that are missing are computed and kept there
    #[arg(long, value_name = "DIR", default_value = "benchmarks/baselines")]
    pub cache: PathBuf,
    /// Initial rates to try beside that of the weights, separated by commas
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1e-6,1e-4,1e-2,1", value_parser = parse_rate)]
    pub rates: Vec<f64>,
    /// Only these tasks, separated by commas
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Shorten every horizon to at most so many steps, for a trial
    #[arg(long, value_name = "N", value_parser = count::<1_000_000_000>)]
    pub steps: Option<usize>,
    /// Run the weights with the guard on; the figures are those of a user, not of the weights alone
    #[arg(long)]
    pub guard: bool,
    /// Only make the baselines and list the tasks; the weights are not run
    #[arg(long)]
    pub baselines_only: bool,
    /// Runs at a time [default: the cores of the machine]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
}

/// The problem of the main job: needs no download.
const DEFAULT_PROBLEM: &str = "digits-mlp";

/// The optimizers that `lopt speed` measures, by the names that recipes know.
const CONFIGS: [&str; 3] = ["released", "paper", "recommended"];

/// A whole number from 1 to `MOST`, more than anybody has time or memory for.
fn count<const MOST: usize>(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
