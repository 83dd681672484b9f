//! From the scores of jobs to the figures of a suite: one object of JSON, and the same as text.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::score::JobScore;
use crate::evaluate::statistics::{Estimate, estimate, interquartile_mean, mean};
use crate::report::number::{end_text, loss_text};

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
    /// The plain figures by their names, in the order of [`new`](Self::new).
    #[serde(flatten, serialize_with = "as_map")]
    pub plain: Vec<(&'static str, f64)>,
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
        let lists = |of: fn(&JobScore) -> Vec<f64>| -> Lists { jobs.iter().map(of).collect() };
        let ratios = |name: &str| -> Lists {
            jobs.iter().filter_map(|job| job.loss_ratios.get(name).cloned()).collect()
        };
        let names: Vec<&String> = jobs.iter().flat_map(|job| job.loss_ratios.keys()).collect();
        let versus = |name: &str| {
            let ratios = ratios(name);
            let of = |figure: Figure, value: fn(f64) -> f64| {
                let lists = ratios.iter().filter(|list| !list.is_empty());
                figure_of(
                    &lists.map(|list| list.iter().copied().map(value).collect()).collect(),
                    figure,
                )
            };
            let won = of(mean, |ratio| f64::from(ratio > 1.0));
            Versus { wins: won, loss_ratio_geomean: of(geometric_mean, |ratio| ratio) }
        };
        let speedups = lists(|job| job.speedup_vs_tuned_adamw.clone());
        let in_seconds = lists(|job| job.speedup_seconds_vs_tuned_adamw.clone());
        let regrets = lists(|job| vec![job.regret]);
        let figures: [(&str, Lists, Figure); 11] = [
            // part of the runs that end below AdamW(1e-3)
            ("wins_vs_adamw_1e3", lists(|job| job.wins_vs_adamw_1e3.clone()), mean),
            // part that ends below the best contender of the job that needs no tuning
            ("wins_vs_best_untuned", lists(|job| job.wins_vs_best_untuned.clone()), mean),
            // part that ends below AdamW with the best cosine of the job
            ("wins_vs_tuned_adamw", lists(|job| job.wins_vs_tuned_adamw.clone()), mean),
            // tuned AdamW's loss over ours, above the least loss
            ("loss_ratio_geomean_vs_tuned_adamw", ratios(super::COSINE), geometric_mean),
            // steps of tuned AdamW over those in which ours has its final loss
            ("speedup_geomean_vs_tuned_adamw", speedups.clone(), geometric_mean),
            ("speedup_iqm_vs_tuned_adamw", speedups, interquartile_mean),
            // the same in processor seconds
            ("speedup_seconds_geomean_vs_tuned_adamw", in_seconds, geometric_mean),
            // the multiplier regret; 1: nothing to gain by a factor
            ("regret_mean", regrets.clone(), mean),
            ("regret_min", regrets, least),
            // part of the runs whose last quarter gains at least half of what tuned AdamW's does
            ("late_progress", lists(|job| job.late_progress.clone()), mean),
            // part of the runs with factor 1, without guard, that failed
            ("failure_rate", lists(|job| job.failures.clone()), mean),
        ];
        let intervals: BTreeMap<_, _> = figures
            .iter()
            .map(|(name, values, figure)| (*name, estimate(values, *figure)))
            .collect();
        let value = |name| intervals[name].map_or(f64::NAN, |estimate: Estimate| estimate.value);
        let mut plain: Vec<(&str, f64)> =
            figures.iter().map(|(name, ..)| (*name, value(*name))).collect();
        let factors = || jobs.iter().flat_map(|job| &job.factors);
        let runs: usize = factors().map(|factor| factor.runs).sum();
        let failed: usize = factors().map(|factor| factor.failures).sum();
        let guarded: usize = factors().map(|factor| factor.guarded_failures).sum();
        // part of the runs of all factors that failed, without the guard and with it
        plain.push(("failure_rate_all_factors", failed as f64 / runs as f64));
        plain.push(("failure_rate_all_factors_guarded", guarded as f64 / runs as f64));
        Self {
            suite: suite.to_owned(),
            weights: weights.to_owned(),
            seeds: jobs.iter().map(|job| job.failures.len()).max().unwrap_or(0),
            plain,
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
            text += &format!("  {name:40} {value}\n");
        }
        text += &format!("\n  {:24} {:>7} {:>10}\n", "against", "wins", "loss ratio");
        for (name, versus) in &self.contenders {
            let (wins, ratio) = (100.0 * versus.wins, versus.loss_ratio_geomean);
            text += &format!("  {name:24} {wins:>5.0} % {ratio:>10.3}\n");
        }
        for job in &self.jobs {
            text += &format!("\n{}\n", job_text(job));
        }
        for name in &self.skipped {
            text += &format!("\nskipped {name}: its data were not found, see --data\n");
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
        text += &format!("  {name:24} {loss:>10}  {milliseconds:>8.3} ms a step\n");
    }
    let factors =
        job.factors.iter().map(|factor| format!("x{} {}", factor.factor, end_text(factor.loss)));
    text += &format!("  factors: {}\n", factors.collect::<Vec<_>>().join(", "));
    text += &format!("  regret {:.2}, first at x{}\n", job.regret, job.best_factor);
    for factor in job.factors.iter().filter(|factor| !factor.guard.is_empty()) {
        let told = factor.guard.join(" | ");
        text += &format!("  guard at x{}: {told}\n", factor.factor);
    }
    text
}

/// Geometric mean over jobs of the geometric mean of their values.
fn geometric_mean(jobs: &[&[f64]]) -> f64 {
    let logs = jobs.iter().map(|job| job.iter().map(|value| value.ln()).collect()).collect();
    figure_of(&logs, mean).exp()
}

fn least(jobs: &[&[f64]]) -> f64 {
    jobs.iter().flat_map(|job| job.iter().copied()).fold(f64::INFINITY, f64::min)
}

/// A figure of the values of jobs, as they are without an interval.
fn figure_of(jobs: &Lists, figure: Figure) -> f64 {
    figure(&jobs.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The values of each job, seed by seed.
type Lists = Vec<Vec<f64>>;

/// A figure of the values of jobs.
type Figure = fn(&[&[f64]]) -> f64;

fn as_map<S: Serializer>(pairs: &[(&str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
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
        let plain: BTreeMap<_, _> = figures.plain.iter().copied().collect();
        assert_eq!((plain["wins_vs_tuned_adamw"], plain["failure_rate"]), (0.5, 0.5));
        assert!((plain["loss_ratio_geomean_vs_tuned_adamw"] - 0.5).abs() < 1e-12);
        assert_eq!((plain["regret_min"], plain["regret_mean"]), (0.5, 11.0 / 16.0));
        assert_eq!(figures.contenders[crate::field::COSINE].wins, 0.5);
        // with the factor 8 both runs of both jobs fail, of fourteen each
        assert!((plain["failure_rate_all_factors"] - 4.0 / 28.0).abs() < 1e-12);
        assert_eq!(plain["failure_rate_all_factors_guarded"], 1.0);
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
