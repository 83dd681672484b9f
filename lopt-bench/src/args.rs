//! The command line as data (clap).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report::number::parse_rate;

/// A pretrained learned optimizer: compare it with others, inspect its weights, or train your own.
///
/// Without a command it runs `lopt race digits-mlp`.
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
    /// Train one model by the learned optimizer and by tuned Adam, RMSProp and SGD, and compare them
    Race(RaceArgs),
    /// List the problems that `lopt race` can train on, with their sizes
    Problems {
        /// Show only names that contain this text
        #[arg(value_name = "TEXT", default_value = "")]
        filter: String,
        /// Folder with the files of the MNIST or CIFAR-10 data
        #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
        data: Option<PathBuf>,
    },
    /// Inspect, copy, average or extract the weights of learned optimizers
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Train new weights for the learned optimizer (meta-training)
    Train(TrainArgs),
    /// Measure the time of a step, of meta-training, of Adam and of a memory copy on this machine
    Speed(SpeedArgs),
    /// Score weights on a suite of tasks, beside tuned baselines
    Evaluate(EvaluateArgs),
    /// Run an experiment: a figure of the paper, or a comparison with other optimizers
    Bench(BenchArgs),
    /// Make an HTML page with plots from the records of `lopt bench`
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
    /// Experiment to run, such as field, fig5 or contenders, or `all`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Run a small version that takes minutes and needs no data files
    #[arg(long)]
    pub quick: bool,
    /// Folder for the records, one folder inside for each experiment
    #[arg(long, value_name = "DIR", default_value = "bench")]
    pub out: PathBuf,
    /// Folder with the files of the MNIST and CIFAR-10 data
    #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
    pub data: Option<PathBuf>,
    /// Folder with the results of the field suite's baselines; missing ones are computed and kept there
    #[arg(long, value_name = "DIR", default_value = "benchmarks/baselines")]
    pub cache: PathBuf,
    /// Number of runs at the same time; it does not change the record [default: the cores of the machine]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
}

/// Arguments of `lopt race`.
#[derive(Debug, Clone, Args)]
pub struct RaceArgs {
    /// What to train; `lopt problems` lists the names
    #[arg(default_value = DEFAULT_PROBLEM)]
    pub problem: String,
    /// Number of optimizer steps in each run [default: depends on the problem]
    #[arg(long, value_name = "N", value_parser = count::<1_000_000_000>)]
    pub steps: Option<usize>,
    /// Number of runs for each contender, with different starts and batches; results are their means
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
    /// Number of runs at the same time, each on one thread [default: the cores of the machine]
    #[arg(long, value_name = "T", value_parser = count::<1024>)]
    pub threads: Option<usize>,
}

/// Commands about weights.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// Print configuration, size and training record of weights
    Inspect {
        /// A file of weights, or the name of built-in ones
        #[arg(value_name = "FILE|NAME")]
        weights: PathBuf,
    },
    /// Copy weights of a hierarchical RNN with another initial learning rate
    SetRate(SetRateArgs),
    /// Write the averaged weights of a training checkpoint to a file
    Extract(ExtractArgs),
    /// Average several weights of the same network; weights that are named twice count twice
    Average(AverageArgs),
}

/// Arguments of `lopt weights extract`.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// A checkpoint of `lopt train`
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Take initial rate, step schedule and gradient floor from these weights of the same network,
    /// not from the checkpoint
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
    /// Take initial rate, step schedule and gradient floor from these weights of the same network;
    /// the averaged weights may then differ in them
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
    /// What and how to train: a built-in recipe (recommended, hierarchical-rnn, paper or quadratic20)
    /// or a TOML file [default: recommended]
    #[arg(long, value_name = "NAME|FILE")]
    pub config: Option<PathBuf>,
    /// Number of meta-updates, in place of the recipe's; with --resume the run gets this new length,
    /// and its schedules are stretched to it
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
    /// With async: skip gradients that are older than this many updates [default: 4 times the workers]
    #[arg(long, value_name = "N", requires = "distributed")]
    pub staleness: Option<u64>,
    /// With async: number of processes that only add up the gradients of others for the server
    #[arg(long, value_name = "N", default_value_t = 0, requires = "distributed")]
    pub aggregators: usize,
    /// With --distributed: seconds of silence after which a process counts as lost
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
    /// Every process sends its gradients when they are ready; processes may fail
    Async,
    /// All processes make each update together; the result is that of one process, bit for bit
    Sync,
}

/// Arguments of `lopt speed`.
#[derive(Debug, Clone, Args)]
pub struct SpeedArgs {
    /// File for the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Measure smaller models in fewer rounds, in a few seconds
    #[arg(long)]
    pub quick: bool,
    /// Measure only these rows of the table, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Also measure the step at every SIMD level of this CPU
    #[arg(long)]
    pub levels: bool,
    /// Configuration of the hierarchical RNN to measure
    #[arg(long, value_name = "NAME", value_parser = CONFIGS, default_value = "recommended")]
    pub config: String,
    /// Measure the step on a GPU instead, beside a copy and Adam there: gpu (the first that is found),
    /// cuda or wgpu; needs a build with `--features gpu`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["only", "levels", "overhead"])]
    pub device: Option<String>,
    /// Measure instead how much a step costs beside the gradient, by batch size
    #[arg(long, conflicts_with_all = ["only", "levels", "config"])]
    pub overhead: bool,
    /// With --overhead: folder with the files of MNIST and CIFAR-10; without it images are generated
    #[arg(long, value_name = "DIR", requires = "overhead")]
    pub data: Option<PathBuf>,
}

/// Arguments of `lopt evaluate`.
#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    /// A file of weights, or the name of built-in ones (recommended, hierarchical-rnn, paper); for the
    /// field suite also another optimizer, such as prodigy or adamw@1e-3
    #[arg(value_name = "FILE|NAME")]
    pub weights: PathBuf,
    /// Which tasks: field and field-test are ordinary training jobs, quick, validation and test small
    /// networks
    #[arg(long, value_name = "NAME", required_unless_present = "ensemble")]
    pub suite: Option<String>,
    /// In place of a suite, an ensemble of training problems (paper, released, wide-paper, wide-paper-large,
    /// recommended, broad, deep, uncertain, large, scaled), beside Adam and RMSProp with their best single rates
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    pub ensemble: Option<String>,
    /// With --ensemble: leave out problems of more parameters than this
    #[arg(long, value_name = "P", requires = "ensemble", default_value_t = 2000, value_parser = count::<1_000_000_000>)]
    pub most_parameters: usize,
    /// File to write the whole result to, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Most seeds of a task [default: as many as the task has, 1 to 5]
    #[arg(long, value_name = "K", value_parser = count::<10_000>)]
    pub seeds: Option<usize>,
    /// Number of the first seed, to score on seeds that no choice was made by
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with = "ensemble")]
    pub first_seed: u32,
    /// Folder with the MNIST and CIFAR-10 files, itself or in folders inside
    #[arg(long, value_name = "DIR", env = "LOPT_DATA")]
    pub data: Option<PathBuf>,
    /// Folder with the results of the baselines; missing ones are computed and kept there
    #[arg(long, value_name = "DIR", default_value = "benchmarks/baselines")]
    pub cache: PathBuf,
    /// Initial rates to try beside that of the weights, separated by commas; hierarchical RNNs only
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "1e-6,1e-4,1e-2,1", value_parser = parse_rate)]
    pub rates: Vec<f64>,
    /// Only these tasks, separated by commas
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Cut every task to at most this many steps, for a trial
    #[arg(long, value_name = "N", value_parser = count::<1_000_000_000>)]
    pub steps: Option<usize>,
    /// Run with the guard on, as users do; scores are otherwise those of the weights alone
    #[arg(long)]
    pub guard: bool,
    /// Only compute the baselines and list the tasks, without running the weights
    #[arg(long)]
    pub baselines_only: bool,
    /// Number of runs at the same time [default: the cores of the machine]
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
