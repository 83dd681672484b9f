//! Lengths of the runs on which meta-training learns (section 5.2 and appendix C.1 of the paper).

use lopt_core::rng::{Rng, stream, unit};
use lopt_meta::Recipe;
use lopt_meta::config::HIERARCHICAL_RNN;

use crate::error::CliError;
use crate::record::Row;

/// Histogram and quantiles of the number of inner steps of a run: by the law of the paper, one partial
/// unroll more than an exponential number with mean 40, each 50 steps and an exponential number with
/// mean 200; and by the recipe of the built-in weights, halfway through its schedule.
///
/// # Errors
///
/// If the built-in recipe is damaged.
pub fn rows(draws: usize) -> Result<Vec<Row>, CliError> {
    let recipe = Recipe::parse(HIERARCHICAL_RNN)?;
    let lengths = &recipe.lengths;
    let mut rng = stream(SEED, &[]);
    let paper = (0..draws).map(|_| paper_run(&mut rng)).collect();
    let life = (lengths.life_start * lengths.life_end).sqrt();
    let ours = (0..draws).map(|_| {
        let life = 1.0 + exponential(&mut rng, life);
        let mut steps = 0;
        while (steps as f64) < life {
            steps += lengths.unroll(unit(&mut rng));
        }
        steps
    });
    let mut rows = summary("paper", paper);
    rows.extend(summary("recommended", ours.collect()));
    Ok(rows)
}

fn paper_run(rng: &mut Rng) -> usize {
    let unrolls = 1 + exponential(rng, 40.0).round() as usize;
    (0..unrolls).map(|_| 50 + exponential(rng, 200.0).round() as usize).sum()
}

fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - unit(rng)).ln()
}

/// Mean and quantiles, then the part of the runs in each quarter of a decade.
fn summary(law: &str, mut steps: Vec<usize>) -> Vec<Row> {
    steps.sort_unstable();
    let figures = format!("steps of a run, {law}");
    let mean = steps.iter().sum::<usize>() as f64 / steps.len() as f64;
    let mut rows = vec![Row::bar(&figures, "mean", mean)];
    for (name, part) in [("5 %", 0.05), ("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)] {
        let value = steps[(part * (steps.len() - 1) as f64) as usize] as f64;
        rows.push(Row::bar(&figures, name, value));
    }
    let edge = |quarter: i32| 10_f64.powf(f64::from(quarter) / 4.0).round() as usize;
    for quarter in FIRST_QUARTER..LAST_QUARTER {
        let (from, to) = (edge(quarter), edge(quarter + 1));
        let inside = steps.partition_point(|&s| s < to) - steps.partition_point(|&s| s < from);
        let part = inside as f64 / steps.len() as f64;
        let (group, name) = (format!("histogram, {law}"), format!("{from} to {}", to - 1));
        rows.push(Row::bar(&group, &name, part));
    }
    rows
}

/// The histogram reaches from 10 to the 7/4 to 10 to the 5.
const FIRST_QUARTER: i32 = 7;
const LAST_QUARTER: i32 = 20;

/// Seed of the draws.
const SEED: u64 = 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_of_the_paper_has_its_known_figures() {
        let rows = rows(40_000).unwrap();
        let value = |name: &str| {
            rows.iter().find_map(|row| match row {
                Row::Bar(bar) if bar.group == "steps of a run, paper" && bar.name == name => {
                    Some(bar.value)
                }
                _ => None,
            })
        };
        // spec 5.2: mean 10,200, median 7,130, 5 % 673, 95 % 30,100, 99 % 46,000
        for (name, known) in [("mean", 10_200.0), ("median", 7_130.0), ("95 %", 30_100.0)] {
            let value = value(name).unwrap();
            assert!((value / known - 1.0).abs() < 0.04, "{name}: {value}");
        }
        let histogram = rows.iter().filter_map(|row| match row {
            Row::Bar(bar) if bar.group == "histogram, paper" => Some(bar.value),
            _ => None,
        });
        assert!((histogram.sum::<f64>() - 1.0).abs() < 0.02);
    }
}
