//! From the scores of jobs to the figures of a suite: one object of JSON, and the same as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::score::JobScore;
use crate::evaluate::statistics::{Estimate, estimate, interquartile_mean, mean};
use crate::report::number::loss_text;

/// All figures of a suite. The plain figures are means over jobs, of which each weighs the same
/// however many seeds it has; `intervals` has their 95 % intervals from resampled jobs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldFigures {
    /// `field` or `field-test`.
    pub suite: String,
    /// The weights.
    pub weights: String,
    /// Seeds of every job.
    pub seeds: usize,
    /// Part of the runs that end below AdamW(1e-3).
    pub wins_vs_adamw_1e3: f64,
    /// Part that ends below the best contender of the job that needs no tuning.
    pub wins_vs_best_untuned: f64,
    /// Part that ends below AdamW with the best cosine of the job.
    pub wins_vs_tuned_adamw: f64,
    /// Geometric mean of tuned AdamW's loss over ours, above the least loss.
    pub loss_ratio_geomean_vs_tuned_adamw: f64,
    /// Geometric mean of the steps of tuned AdamW over those in which ours has its final loss.
    pub speedup_geomean_vs_tuned_adamw: f64,
    /// Interquartile mean of the same.
    pub speedup_iqm_vs_tuned_adamw: f64,
    /// The geometric mean in processor seconds.
    pub speedup_seconds_geomean_vs_tuned_adamw: f64,
    /// Mean over jobs of the multiplier regret; 1: nothing to gain by a factor.
    pub regret_mean: f64,
    /// The same of the worst job.
    pub regret_min: f64,
    /// Part of the runs whose last quarter gains at least half of what tuned AdamW's does.
    pub late_progress: f64,
    /// Part of the runs with factor 1, without guard, that failed.
    pub failure_rate: f64,
    /// Part of the runs of all factors that failed, without guard.
    pub failure_rate_all_factors: f64,
    /// The same with the guard.
    pub failure_rate_all_factors_guarded: f64,
    /// Against every contender with its best setting: win rate and geometric mean of loss ratios.
    pub contenders: BTreeMap<String, Versus>,
    /// Intervals of the figures, by their names.
    pub intervals: BTreeMap<&'static str, Option<Estimate>>,
    /// The jobs.
    pub jobs: Vec<JobScore>,
    /// Jobs left out, as their data were not found.
    pub skipped: Vec<String>,
}

/// Ours beside one contender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Versus {
    /// Part of the runs that end below it.
    pub wins: f64,
    /// Geometric mean of its loss over ours, above the least loss.
    pub loss_ratio_geomean: f64,
}

impl FieldFigures {
    /// The figures of these jobs.
    pub fn new(suite: &str, weights: &str, jobs: Vec<JobScore>, skipped: Vec<String>) -> Self {
        let mut intervals = BTreeMap::new();
        let mut figure = |name, values: Vec<Vec<f64>>, of: fn(&[&[f64]]) -> f64| {
            let estimated = estimate(&values, of);
            intervals.insert(name, estimated);
            estimated.map_or(f64::NAN, |estimated| estimated.value)
        };
        let lists = |of: fn(&JobScore) -> &[f64]| -> Vec<Vec<f64>> {
            jobs.iter().map(|job| of(job).to_vec()).collect()
        };
        let singles = |of: fn(&JobScore) -> f64| -> Vec<Vec<f64>> {
            jobs.iter().map(|job| vec![of(job)]).collect()
        };
        let ratios = |name: &str| -> Vec<Vec<f64>> {
            jobs.iter().filter_map(|job| job.loss_ratios.get(name).cloned()).collect()
        };
        let names: Vec<&String> = jobs.iter().flat_map(|job| job.loss_ratios.keys()).collect();
        let versus = |name: &str| {
            let ratios = ratios(name);
            let won = |list: &Vec<f64>| {
                list.iter().map(|&ratio| f64::from(u8::from(ratio > 1.0))).collect::<Vec<_>>()
            };
            let won: Vec<Vec<f64>> = ratios.iter().map(won).collect();
            let slices = |lists: &[Vec<f64>]| lists.iter().map(Vec::len).sum::<usize>();
            let of = |lists: &[Vec<f64>], figure: fn(&[&[f64]]) -> f64| {
                let lists: Vec<&[f64]> =
                    lists.iter().map(Vec::as_slice).filter(|list| !list.is_empty()).collect();
                figure(&lists)
            };
            if slices(&ratios) == 0 {
                return Versus { wins: f64::NAN, loss_ratio_geomean: f64::NAN };
            }
            Versus { wins: of(&won, mean), loss_ratio_geomean: of(&ratios, geometric_mean) }
        };
        let all_factors = |failures: fn(&super::score::FactorScore) -> usize| -> f64 {
            let runs: usize =
                jobs.iter().flat_map(|job| &job.factors).map(|factor| factor.runs).sum();
            let failed: usize = jobs.iter().flat_map(|job| &job.factors).map(failures).sum();
            failed as f64 / runs as f64
        };
        Self {
            suite: suite.to_owned(),
            weights: weights.to_owned(),
            seeds: jobs.iter().map(|job| job.failures.len()).max().unwrap_or(0),
            wins_vs_adamw_1e3: figure(
                "wins_vs_adamw_1e3",
                lists(|job| &job.wins_vs_adamw_1e3),
                mean,
            ),
            wins_vs_best_untuned: figure(
                "wins_vs_best_untuned",
                lists(|job| &job.wins_vs_best_untuned),
                mean,
            ),
            wins_vs_tuned_adamw: figure(
                "wins_vs_tuned_adamw",
                lists(|job| &job.wins_vs_tuned_adamw),
                mean,
            ),
            loss_ratio_geomean_vs_tuned_adamw: figure(
                "loss_ratio_geomean_vs_tuned_adamw",
                ratios(super::COSINE),
                geometric_mean,
            ),
            speedup_geomean_vs_tuned_adamw: figure(
                "speedup_geomean_vs_tuned_adamw",
                lists(|job| &job.speedup_vs_tuned_adamw),
                geometric_mean,
            ),
            speedup_iqm_vs_tuned_adamw: figure(
                "speedup_iqm_vs_tuned_adamw",
                lists(|job| &job.speedup_vs_tuned_adamw),
                interquartile_mean,
            ),
            speedup_seconds_geomean_vs_tuned_adamw: figure(
                "speedup_seconds_geomean_vs_tuned_adamw",
                lists(|job| &job.speedup_seconds_vs_tuned_adamw),
                geometric_mean,
            ),
            regret_mean: figure("regret_mean", singles(|job| job.regret), mean),
            regret_min: figure("regret_min", singles(|job| job.regret), least),
            late_progress: figure("late_progress", lists(|job| &job.late_progress), mean),
            failure_rate: figure("failure_rate", lists(|job| &job.failures), mean),
            failure_rate_all_factors: all_factors(|factor| factor.failures),
            failure_rate_all_factors_guarded: all_factors(|factor| factor.guarded_failures),
            contenders: names.into_iter().map(|name| (name.clone(), versus(name))).collect(),
            intervals,
            jobs,
            skipped,
        }
    }

    /// The figures and jobs as text.
    pub fn render(&self) -> String {
        let mut text = format!(
            "{}: {} jobs, {} seeds, weights {}\n\n",
            self.suite,
            self.jobs.len(),
            self.seeds,
            self.weights
        );
        for (name, value) in &self.intervals {
            let value = value.map_or("no data".to_owned(), |e| {
                format!("{:>7.3}  [{:.3}, {:.3}]", e.value, e.low, e.high)
            });
            put(&mut text, format_args!("  {name:40} {value}\n"));
        }
        put(&mut text, format_args!("\n  {:24} {:>7} {:>10}\n", "against", "wins", "loss ratio"));
        for (name, versus) in &self.contenders {
            let (wins, ratio) = (100.0 * versus.wins, versus.loss_ratio_geomean);
            put(&mut text, format_args!("  {name:24} {wins:>5.0} % {ratio:>10.3}\n"));
        }
        for job in &self.jobs {
            put(&mut text, format_args!("\n{}\n", job_text(job)));
        }
        for name in &self.skipped {
            put(&mut text, format_args!("\nskipped {name}: its data were not found, see --data\n"));
        }
        text
    }
}

fn job_text(job: &JobScore) -> String {
    let mut text = format!(
        "{} ({}, {} parameters, {} steps); tuned AdamW: {}; best untuned: {}\n",
        job.job, job.family, job.parameters, job.steps, job.tuned_adamw, job.best_untuned
    );
    let mut order: Vec<(&String, f64)> =
        job.losses.iter().map(|(name, loss)| (name, loss.unwrap_or(f64::INFINITY))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (name, loss) in order {
        let milliseconds = 1e3 * job.seconds_per_step.get(name).copied().unwrap_or(f64::NAN);
        let loss = loss_text(loss);
        put(&mut text, format_args!("  {name:24} {loss:>10}  {milliseconds:>8.3} ms a step\n"));
    }
    let factors = job.factors.iter().map(|factor| {
        let loss = factor.loss.map_or("diverged".to_owned(), loss_text);
        format!("x{} {loss}", factor.factor)
    });
    put(&mut text, format_args!("  factors: {}\n", factors.collect::<Vec<_>>().join(", ")));
    put(&mut text, format_args!("  regret {:.2}, first at x{}\n", job.regret, job.best_factor));
    for factor in job.factors.iter().filter(|factor| !factor.guard.is_empty()) {
        let told = factor.guard.join(" | ");
        put(&mut text, format_args!("  guard at x{}: {told}\n", factor.factor));
    }
    text
}

/// Geometric mean over jobs of the geometric mean of their values.
fn geometric_mean(jobs: &[&[f64]]) -> f64 {
    let logs: Vec<Vec<f64>> =
        jobs.iter().map(|job| job.iter().map(|value| value.ln()).collect()).collect();
    mean(&logs.iter().map(Vec::as_slice).collect::<Vec<_>>()).exp()
}

fn least(jobs: &[&[f64]]) -> f64 {
    jobs.iter().flat_map(|job| job.iter().copied()).fold(f64::INFINITY, f64::min)
}

/// Appends; writing to a string cannot fail.
fn put(text: &mut String, piece: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::score::JobRuns;
    use crate::field::score::tests::{facts, runs};

    #[test]
    fn every_job_weighs_the_same() {
        let score = JobRuns::new(&facts(), &runs()).score().unwrap();
        let lost = JobScore {
            wins_vs_tuned_adamw: vec![0.0],
            loss_ratios: BTreeMap::from([(crate::field::COSINE.to_owned(), vec![0.125])]),
            regret: 0.5,
            failures: vec![1.0],
            ..score.clone()
        };
        let figures = FieldFigures::new("field", "w", vec![score, lost], vec!["x".to_owned()]);
        assert_eq!((figures.wins_vs_tuned_adamw, figures.failure_rate), (0.5, 0.5));
        assert!((figures.loss_ratio_geomean_vs_tuned_adamw - 0.5).abs() < 1e-12);
        assert_eq!((figures.regret_min, figures.regret_mean), (0.5, 11.0 / 16.0));
        assert_eq!(figures.contenders[crate::field::COSINE].wins, 0.5);
        // with the factor 8 both runs of both jobs fail, of fourteen each
        assert!((figures.failure_rate_all_factors - 4.0 / 28.0).abs() < 1e-12);
        assert_eq!(figures.failure_rate_all_factors_guarded, 1.0);
        let text = figures.render();
        for part in ["field: 2 jobs", "wins_vs_tuned_adamw", "x8 diverged", "skipped x"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        let json = serde_json::to_value(&figures).unwrap();
        for key in [
            "wins_vs_adamw_1e3",
            "wins_vs_best_untuned",
            "wins_vs_tuned_adamw",
            "loss_ratio_geomean_vs_tuned_adamw",
            "speedup_geomean_vs_tuned_adamw",
            "speedup_seconds_geomean_vs_tuned_adamw",
            "regret_mean",
            "regret_min",
            "late_progress",
            "failure_rate",
        ] {
            assert!(json[key].is_f64(), "{key}");
        }
        assert_eq!(json["jobs"].as_array().map(Vec::len), Some(2));
    }
}
