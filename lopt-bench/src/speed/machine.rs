//! The machine in words and numbers.

use std::fs;
use std::path::Path;

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

/// The levels this CPU can run, narrowest first.
pub fn levels() -> Vec<Level> {
    let all = [Level::Portable, Level::Avx2, Level::Avx512];
    all.into_iter().filter(|level| level.available()).collect()
}

/// The level's name as the library reads it.
pub fn level_name(level: Level) -> String {
    format!("{level:?}").to_lowercase()
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let model = line.split_once(':')?.1.trim().to_owned();
    // Virtual machines hide the model; family and number tell it.
    let number = |key: &str| {
        let line = text.lines().find(|line| line.split(':').next().map(str::trim) == Some(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    match (number("cpu family"), number("model")) {
        (Some(family), Some(id)) => Some(format!("{model} (family {family}, model {id})")),
        _ => Some(model),
    }
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
