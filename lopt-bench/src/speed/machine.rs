//! The machine in words and numbers.

use std::path::Path;
use std::{fmt, fs};

use lopt_core::simd::Level;
use serde::{Deserialize, Serialize};

/// What the figures were measured on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Caches, smallest first, such as `L1d 32K`.
    pub caches: Vec<String>,
}

impl Machine {
    /// Describes this machine.
    pub fn describe() -> Self {
        Self {
            cpu: cpu().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, {}", self.cpu, self.cores, self.caches.join(", "))
    }
}

/// The levels this CPU can run, narrowest first.
pub fn levels() -> Vec<Level> {
    let all = Level::ALL;
    all.into_iter().filter(|level| level.available()).collect()
}

/// The level's name as the library reads it.
pub fn level_name(level: Level) -> String {
    format!("{level:?}").to_lowercase()
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(found, _)| found.trim() == key).map(|(_, value)| value.trim())
    };
    let model = value("model name")?;
    // Virtual machines hide the model; family and number tell it.
    Some(match (value("cpu family"), value("model")) {
        (Some(family), Some(id)) => format!("{model} (family {family}, model {id})"),
        _ => model.to_owned(),
    })
}

/// The caches of one core as Linux describes them; empty elsewhere.
fn caches(folder: &Path) -> Vec<String> {
    let read = |index: usize, what: &str| {
        let text = fs::read_to_string(folder.join(format!("index{index}/{what}"))).ok()?;
        Some(text.trim().to_owned())
    };
    let cache = |index| {
        let kind = match read(index, "type")?.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some(format!("L{}{kind} {}", read(index, "level")?, read(index, "size")?))
    };
    (0..8).map_while(cache).collect()
}
