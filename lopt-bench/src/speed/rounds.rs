//! Timing: several rounds over all rows, so that noise on the machine hits all of them alike.

use lopt_simd::throughput::FUNCTIONS;

use super::floor::{LevelSpeeds, Speeds};
use super::operations::ADAM_BYTES;
use super::rows::{COPY, IN_PLACE, Row};
use crate::error::CliError;
use crate::progress::Progress;
use crate::timing::sample;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Rounds over all rows.
    pub rounds: usize,
    /// CPU seconds of one sample of a row.
    pub sample: f64,
    /// CPU seconds of one sample of a peak or a function.
    pub probe: f64,
}

impl Effort {
    /// A minute or so.
    pub const FULL: Self = Self { rounds: 9, sample: 0.12, probe: 0.01 };
    /// A few seconds.
    pub const QUICK: Self = Self { rounds: 3, sample: 0.01, probe: 0.001 };
}

/// Medians over the rounds.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Per row, nanoseconds of CPU time per parameter.
    pub cpu_ns: Vec<f64>,
    /// Per row, the same on the wall.
    pub wall_ns: Vec<f64>,
    /// What the floor is made of.
    pub speeds: Speeds,
}

/// Measures all rows and the speeds of the levels they use.
///
/// # Errors
///
/// If a step is refused.
pub fn measure(rows: &mut [Row], effort: Effort) -> Result<Measured, CliError> {
    let mut levels: Vec<_> = rows.iter().map(|row| row.needs.level).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut probes: Vec<Vec<LevelSpeeds>> = vec![Vec::new(); levels.len()];
    let mut samples: Vec<Vec<[f64; 2]>> = vec![Vec::new(); rows.len()];
    let progress = Progress::new("speed, rounds", 0, effort.rounds as u64);
    for row in rows.iter_mut() {
        // Touches the memory and lets a trainer fill its buffers.
        (row.case)()?;
    }
    for _ in 0..effort.rounds {
        for (&level, probes) in levels.iter().zip(&mut probes) {
            probes.push(LevelSpeeds::measure(level, effort.probe));
        }
        for (row, samples) in rows.iter_mut().zip(&mut samples) {
            samples.push(sample(effort.sample, &mut row.case)?);
        }
        progress.advance();
    }
    progress.close();
    let of = |which: usize| -> Vec<f64> {
        samples.iter().map(|samples| median(samples.iter().map(|s| s[which]))).collect()
    };
    let (cpu_ns, wall_ns) = (of(0), of(1));
    let per_byte = |name| {
        let row = rows.iter().position(|row| row.name == name);
        row.map_or(f64::INFINITY, |row| cpu_ns[row] / ADAM_BYTES)
    };
    let (copied_byte_ns, updated_byte_ns) = (per_byte(COPY), per_byte(IN_PLACE));
    let levels = probes.iter().map(|probes| middle(probes)).collect();
    let speeds = Speeds { copied_byte_ns, updated_byte_ns, levels };
    Ok(Measured { cpu_ns, wall_ns, speeds })
}

/// The median of each speed; there is at least one measurement.
fn middle(probes: &[LevelSpeeds]) -> LevelSpeeds {
    LevelSpeeds {
        level: probes[0].level,
        multiply_add: median(probes.iter().map(|p| p.multiply_add)),
        functions: std::array::from_fn::<_, { FUNCTIONS.len() }, _>(|i| {
            median(probes.iter().map(|p| p.functions[i]))
        }),
    }
}

/// The middle value; the mean of the middle two; NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
