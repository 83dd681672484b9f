//! What the runs of one job say; the definitions are in `docs/evaluation.md`.
//!
//! Every comparison is between two runs of one seed. Losses are validation losses.

use std::collections::BTreeMap;

use lopt_problems::{FieldSuite, FieldTask};
use serde::{Deserialize, Serialize};

use super::{ADAMW, COSINE, FACTORS, GUARDED, LEARNED, RIVALS, factor_text};
use crate::record::TimedRun;
use crate::score::distinct;
use crate::tuning::mean;

/// What the scores need to know of a job besides its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFacts {
    /// Name.
    pub name: String,
    /// `field` or `field-test`.
    pub suite: String,
    /// Architecture and data.
    pub family: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Steps `N` of every run.
    pub steps: usize,
    /// Loss of the best answer that does not look at the input.
    pub guessing: f64,
    /// A loss that no model can go below.
    pub least: f64,
    /// Whether the least loss of a run counts, not the last.
    pub early_stopping: bool,
}

impl JobFacts {
    /// Of a task of a suite whose runs have so many steps.
    pub fn new(suite: FieldSuite, task: &FieldTask, steps: usize) -> Self {
        Self {
            name: task.name.to_owned(),
            suite: suite.name().to_owned(),
            family: task.family.to_string(),
            parameters: task.job.layout().len(),
            steps,
            guessing: task.job.guessing(),
            least: task.job.least(),
            early_stopping: task.job.early_stopping(),
        }
    }
}

/// The scores of one job. Lists have one value per seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobScore {
    /// Name.
    pub job: String,
    /// Architecture and data.
    pub family: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Steps of every run.
    pub steps: usize,
    /// Mean over seeds of the final loss of every contender with its best setting; none if one diverged.
    pub losses: BTreeMap<String, Option<f64>>,
    /// Processor seconds per step of every contender, median over seeds.
    pub seconds_per_step: BTreeMap<String, f64>,
    /// The setting of AdamW with a cosine that is best on this job.
    pub tuned_adamw: String,
    /// The best of the contenders that need no tuning.
    pub best_untuned: String,
    /// Whether ours ends below AdamW(1e-3).
    pub wins_vs_adamw_1e3: Vec<f64>,
    /// Whether ours ends below the best contender that needs no tuning.
    pub wins_vs_best_untuned: Vec<f64>,
    /// Whether ours ends below tuned AdamW.
    pub wins_vs_tuned_adamw: Vec<f64>,
    /// Loss of each contender over ours, above the least loss; by contender, then seed.
    pub loss_ratios: BTreeMap<String, Vec<f64>>,
    /// Steps of tuned AdamW over the steps in which ours first has its final loss.
    pub speedup_vs_tuned_adamw: Vec<f64>,
    /// The same in processor seconds.
    pub speedup_seconds_vs_tuned_adamw: Vec<f64>,
    /// Steps to the final loss of factor 1 with the best factor, over those with factor 1.
    pub regret: f64,
    /// The factor that is first there.
    pub best_factor: f64,
    /// Whether the gain of the last quarter is at least half of tuned AdamW's.
    pub late_progress: Vec<f64>,
    /// Whether the run with factor 1 failed.
    pub failures: Vec<f64>,
    /// Every factor.
    pub factors: Vec<FactorScore>,
}

/// All steps of ours times a factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactorScore {
    /// The factor.
    pub factor: f64,
    /// Seeds on which it ran.
    pub runs: usize,
    /// Mean over seeds of the final loss; none if a run diverged.
    pub loss: Option<f64>,
    /// Failed runs.
    pub failures: usize,
    /// The same with the guard.
    pub guarded_loss: Option<f64>,
    /// Failed runs with the guard.
    pub guarded_failures: usize,
    /// What the guard did, seed by seed.
    pub guard: Vec<String>,
    /// Steps to the final loss of factor 1 over those with factor 1; none if never reached.
    pub steps_to_factor_1: Option<f64>,
}

/// The runs of one job.
#[derive(Debug, Clone, Copy)]
pub struct JobRuns<'r> {
    facts: &'r JobFacts,
    runs: &'r [TimedRun],
}

impl<'r> JobRuns<'r> {
    /// All runs of a job, in any order.
    pub fn new(facts: &'r JobFacts, runs: &'r [TimedRun]) -> Self {
        Self { facts, runs }
    }

    /// The seeds on which ours ran with this factor.
    pub fn seeds(&self, factor: f64) -> Vec<usize> {
        let setting = factor_text(factor);
        let runs = self.of(LEARNED, Some(&setting));
        let mut seeds: Vec<usize> = runs.map(|timed| timed.run.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }

    fn of<'a>(
        &'a self,
        contender: &'a str,
        setting: Option<&'a str>,
    ) -> impl Iterator<Item = &'r TimedRun> + 'a {
        self.runs.iter().filter(move |timed| {
            timed.run.contender == contender && setting.is_none_or(|s| timed.run.setting == s)
        })
    }

    /// The run of a seed.
    pub fn one(&self, contender: &str, setting: Option<&str>, seed: usize) -> Option<&'r TimedRun> {
        self.of(contender, setting).find(|timed| timed.run.seed == seed)
    }

    /// What a run is worth; `None` if it diverged.
    pub fn loss(&self, timed: &TimedRun) -> Option<f64> {
        let run = &timed.run;
        let last = run.validation.last()?.0;
        if last == self.facts.steps && run.finished() { self.end(&run.validation) } else { None }
    }

    /// The loss of a whole curve: the least where users keep the best parameters, else the last.
    fn end(&self, curve: &[(usize, f64)]) -> Option<f64> {
        let mut losses = curve.iter().map(|point| point.1);
        if self.facts.early_stopping { losses.reduce(f64::min) } else { losses.next_back() }
    }

    /// Mean over seeds; `None` if a run is missing or diverged.
    fn mean_loss(&self, contender: &str, setting: &str, seeds: &[usize]) -> Option<f64> {
        let loss = |&seed: &usize| self.loss(self.one(contender, Some(setting), seed)?);
        mean(seeds.iter().map(loss))
    }

    /// The setting with the least mean loss among those that ran on all seeds of ours.
    fn best_setting(&self, contender: &str) -> Option<&'r str> {
        let seeds = self.seeds(1.0);
        let settings = distinct(self.of(contender, None).map(|timed| timed.run.setting.as_str()));
        let loss = |setting| Some((setting, self.mean_loss(contender, setting, &seeds)?));
        let all = settings.into_iter().filter_map(loss);
        all.min_by(|a, b| a.1.total_cmp(&b.1)).map(|best| best.0)
    }

    /// Names of the contenders designed by hand, in the order in which they first appear.
    fn rivals(&self) -> Vec<&'r str> {
        let names = self.runs.iter().map(|timed| timed.run.contender.as_str());
        distinct(names.filter(|&name| name != LEARNED && name != GUARDED))
    }

    /// Median processor seconds per step.
    fn seconds_per_step(&self, contender: &str, setting: Option<&str>) -> f64 {
        let mut all: Vec<f64> = self
            .of(contender, setting)
            .filter(|timed| timed.run.finished())
            .map(|timed| timed.seconds / self.facts.steps as f64)
            .collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Not finite, above the start, or within a twentieth of guessing on the way to the best loss.
    fn failed(&self, timed: &TimedRun, best: Option<f64>) -> bool {
        let Some(loss) = self.loss(timed) else { return true };
        let start = timed.run.validation.first().map_or(f64::INFINITY, |point| point.1);
        let guessing = self.facts.guessing;
        let level = best.map_or(guessing, |best| guessing - 0.05 * (guessing - best).max(0.0));
        loss > start || loss >= level
    }

    /// Mean validation curve over these seeds; `None` if one diverged.
    pub fn mean_curve(
        &self,
        contender: &str,
        setting: Option<&str>,
        seeds: &[usize],
    ) -> Option<Vec<(usize, f64)>> {
        let curve = |&seed: &usize| {
            let timed = self.one(contender, setting, seed)?;
            self.loss(timed).map(|_| &timed.run.validation)
        };
        let curves: Vec<&Vec<(usize, f64)>> = seeds.iter().map(curve).collect::<Option<_>>()?;
        let mean = |place: usize| {
            let sum: f64 = curves.iter().map(|curve| curve[place].1).sum();
            (curves[0][place].0, sum / curves.len() as f64)
        };
        let places = curves.iter().map(|curve| curve.len()).min()?;
        Some((0..places).map(mean).collect())
    }

    /// All scores; `None` if ours did not run.
    pub fn score(&self) -> Option<JobScore> {
        let seeds = self.seeds(1.0);
        if seeds.is_empty() {
            return None;
        }
        let one = factor_text(1.0);
        let tuned = self.best_setting(COSINE);
        let best = tuned.and_then(|setting| self.mean_loss(COSINE, setting, &seeds));
        let rivals = self.rivals();
        let best_of: BTreeMap<&str, Option<&str>> =
            rivals.iter().map(|&name| (name, self.best_setting(name))).collect();
        let (mut losses, mut seconds) = (BTreeMap::new(), BTreeMap::new());
        let ours = [LEARNED, GUARDED].map(|name| (name, Some(one.as_str())));
        for (name, setting) in best_of.clone().into_iter().chain(ours) {
            let loss = setting.and_then(|setting| self.mean_loss(name, setting, &seeds));
            losses.insert(name.to_owned(), loss);
            seconds.insert(name.to_owned(), self.seconds_per_step(name, setting));
        }
        let rival_loss =
            |name: &&str| losses.get(*name).copied().flatten().unwrap_or(f64::INFINITY);
        let best_untuned = RIVALS
            .into_iter()
            .filter(|name| rivals.contains(name))
            .min_by(|a, b| rival_loss(a).total_cmp(&rival_loss(b)));
        let pairs = |rival: &str, setting: Option<&str>| -> Vec<(&'r TimedRun, &'r TimedRun)> {
            let pair = |&seed: &usize| {
                Some((self.one(LEARNED, Some(&one), seed)?, self.one(rival, setting, seed)?))
            };
            seeds.iter().filter_map(pair).collect()
        };
        let wins = |rival: &str, setting: Option<&str>| -> Vec<f64> {
            let won = |(ours, theirs): (&TimedRun, &TimedRun)| {
                let theirs = self.loss(theirs).unwrap_or(f64::INFINITY);
                f64::from(self.loss(ours).is_some_and(|ours| ours < theirs))
            };
            pairs(rival, setting).into_iter().map(won).collect()
        };
        let ratios = |(&name, &setting): (&&str, &Option<&str>)| {
            let ratio = |(ours, theirs): (&TimedRun, &TimedRun)| self.ratio(ours, theirs);
            (name.to_owned(), pairs(name, setting).into_iter().map(ratio).collect())
        };
        let against = pairs(COSINE, tuned);
        let speedups: Vec<f64> =
            against.iter().map(|&(a, b)| self.speedup(a, b, [1.0; 2])).collect();
        let costs = [seconds[LEARNED], seconds.get(COSINE).copied().unwrap_or(f64::NAN)];
        let in_seconds = against.iter().map(|&(a, b)| self.speedup(a, b, costs)).collect();
        let late = against.iter().map(|&(a, b)| self.late_progress(a, b)).collect();
        let failures = seeds.iter().filter_map(|&seed| self.one(LEARNED, Some(&one), seed));
        let factors = self.factors(best);
        let (regret, best_factor) = regret(&factors);
        Some(JobScore {
            job: self.facts.name.clone(),
            family: self.facts.family.clone(),
            parameters: self.facts.parameters,
            steps: self.facts.steps,
            tuned_adamw: tuned.unwrap_or("-").to_owned(),
            best_untuned: best_untuned.unwrap_or("-").to_owned(),
            wins_vs_adamw_1e3: wins(ADAMW, None),
            wins_vs_best_untuned: best_untuned.map_or_else(Vec::new, |name| wins(name, None)),
            wins_vs_tuned_adamw: wins(COSINE, tuned),
            loss_ratios: best_of.iter().map(ratios).collect(),
            speedup_vs_tuned_adamw: speedups,
            speedup_seconds_vs_tuned_adamw: in_seconds,
            regret,
            best_factor,
            late_progress: late,
            failures: failures.map(|run| f64::from(self.failed(run, best))).collect(),
            factors,
            losses,
            seconds_per_step: seconds,
        })
    }

    /// Their loss over ours, both above the least loss, within a hundredth and a hundred.
    fn ratio(&self, ours: &TimedRun, theirs: &TimedRun) -> f64 {
        let above = |run| self.loss(run).map(|loss| (loss - self.facts.least).max(1e-12));
        match (above(ours), above(theirs)) {
            (None, _) => 1.0 / MOST_RATIO,
            (_, None) => MOST_RATIO,
            (Some(ours), Some(theirs)) => (theirs / ours).clamp(1.0 / MOST_RATIO, MOST_RATIO),
        }
    }

    /// How much sooner ours is where the other ends, or how much later it ends where the other was.
    ///
    /// * `costs`: of one of our steps, and of one of theirs.
    fn speedup(&self, ours: &TimedRun, theirs: &TimedRun, costs: [f64; 2]) -> f64 {
        let steps = self.facts.steps as f64;
        let per_step = costs[1] / costs[0];
        let first = steps / MARKS_MOST;
        match (self.loss(ours), self.loss(theirs)) {
            (None, _) => per_step * first / steps,
            (_, None) => per_step * steps / first,
            (Some(our_end), Some(their_end)) => {
                let reached = reach(&ours.run.validation, their_end).map(|n| steps / n.max(first));
                let behind = || reach(&theirs.run.validation, our_end).unwrap_or(steps).max(first);
                per_step * reached.unwrap_or_else(|| behind() / steps)
            }
        }
    }

    /// Whether the gain of the last quarter is at least half of theirs.
    fn late_progress(&self, ours: &TimedRun, theirs: &TimedRun) -> f64 {
        let gain = |timed: &TimedRun| {
            let curve = &timed.run.validation;
            let from = curve.iter().find(|point| 4 * point.0 >= 3 * self.facts.steps)?.1;
            self.loss(timed).map(|_| from - curve[curve.len() - 1].1)
        };
        let kept = match (gain(ours), gain(theirs)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(ours), Some(theirs)) => ours >= 0.5 * theirs,
        };
        f64::from(kept)
    }

    fn factors(&self, best: Option<f64>) -> Vec<FactorScore> {
        let score = |factor: f64| {
            let (setting, seeds) = (factor_text(factor), self.seeds(factor));
            // factor 1 on the same seeds
            let one = self.mean_curve(LEARNED, Some(&factor_text(1.0)), &seeds);
            let aim = one.and_then(|curve| {
                let target = self.end(&curve)?;
                Some((target, reach(&curve, target)?))
            });
            let own = self.mean_curve(LEARNED, Some(&setting), &seeds);
            let reached = own.zip(aim).and_then(|(curve, (target, steps_of_one))| {
                Some(reach(&curve, target)? / steps_of_one.max(1.0))
            });
            let failures =
                |name| self.of(name, Some(&setting)).filter(|run| self.failed(run, best)).count();
            let guarded = self.of(GUARDED, Some(&setting));
            let told = guarded
                .filter(|timed| !timed.run.guard.is_empty())
                .map(|timed| format!("seed {}: {}", timed.run.seed, timed.run.guard.join("; ")));
            FactorScore {
                factor,
                runs: seeds.len(),
                loss: self.mean_loss(LEARNED, &setting, &seeds),
                failures: failures(LEARNED),
                guarded_loss: self.mean_loss(GUARDED, &setting, &seeds),
                guarded_failures: failures(GUARDED),
                guard: told.collect(),
                steps_to_factor_1: reached,
            }
        };
        FACTORS.into_iter().map(score).collect()
    }
}

/// The least part of the steps with which some factor is where factor 1 ends; 0 if factor 1 diverged.
fn regret(factors: &[FactorScore]) -> (f64, f64) {
    let reached = factors.iter().filter_map(|f| Some((f.steps_to_factor_1?, f.factor)));
    reached.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, f64::NAN))
}

/// The step, between measurements by a straight line, at which a curve is first at or below a loss.
pub fn reach(curve: &[(usize, f64)], loss: f64) -> Option<f64> {
    let place = curve.iter().position(|point| point.1 <= loss)?;
    let (step, below) = curve[place];
    let Some(&(before, above)) = place.checked_sub(1).and_then(|before| curve.get(before)) else {
        return Some(step as f64);
    };
    let part = (above - loss) / (above - below);
    Some(before as f64 + part * (step - before) as f64)
}

/// Ratios of losses are held within this and its inverse.
const MOST_RATIO: f64 = 100.0;

/// A run that is at the aim from its start counts as reaching it after this part of its steps.
const MARKS_MOST: f64 = super::run::MARKS as f64;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::{FINISHED, RunRow};

    pub(crate) fn facts() -> JobFacts {
        JobFacts {
            name: "toy".to_owned(),
            suite: "field".to_owned(),
            family: "mlp/toy".to_owned(),
            parameters: 10,
            steps: 40,
            guessing: 4.0,
            least: 0.0,
            early_stopping: false,
        }
    }

    /// A run whose loss falls along a straight line from 8 to `last`, `None` for one that diverges.
    pub(crate) fn run(contender: &str, setting: &str, seed: usize, last: Option<f64>) -> TimedRun {
        let curve = |last: f64| (0..=40).map(move |n| (n, 8.0 + (last - 8.0) * n as f64 / 40.0));
        TimedRun {
            seconds: if contender == LEARNED { 8.0 } else { 4.0 },
            optimizer_seconds: 1.0,
            run: RunRow {
                workload: "toy".to_owned(),
                contender: contender.to_owned(),
                setting: setting.to_owned(),
                seed,
                outcome: if last.is_some() { FINISHED } else { "lost at step 9" }.to_owned(),
                curve: vec![(40, 1.0)],
                accuracy: None,
                validation: last.map_or(vec![(0, 8.0)], |last| curve(last).collect()),
                guard: Vec::new(),
            },
        }
    }

    pub(crate) fn runs() -> Vec<TimedRun> {
        let mut runs = Vec::new();
        for seed in 0..2 {
            runs.push(run(ADAMW, "rate 1e-3", seed, Some(3.0)));
            runs.push(run(COSINE, "rate 1e-3", seed, Some(2.0)));
            runs.push(run(COSINE, "rate 1e-1", seed, None));
            runs.push(run("prodigy", "nothing to tune", seed, Some(0.5)));
            for factor in FACTORS {
                let last = if factor == 2.0 { Some(0.0) } else { Some(1.0) };
                let last = last.filter(|_| factor < 8.0);
                runs.push(run(LEARNED, &factor_text(factor), seed, last));
                runs.push(run(GUARDED, &factor_text(factor), seed, Some(7.0)));
            }
        }
        // one rate ran on the first seed only, where it was the best
        runs.push(run(COSINE, "rate 1e-2", 0, Some(0.1)));
        runs
    }

    #[test]
    fn a_job_is_scored_by_the_definitions() {
        let (facts, runs) = (facts(), runs());
        let score = JobRuns::new(&facts, &runs).score().unwrap();
        assert_eq!(score.tuned_adamw, "rate 1e-3");
        assert_eq!(score.best_untuned, "prodigy");
        assert_eq!(score.wins_vs_adamw_1e3, [1.0, 1.0]);
        assert_eq!(score.wins_vs_best_untuned, [0.0, 0.0]);
        assert_eq!(score.wins_vs_tuned_adamw, [1.0, 1.0]);
        assert_eq!(score.loss_ratios[COSINE], [2.0, 2.0]);
        // from 8 to 1 in 40 steps a loss of 2 is reached after 6/7 of them
        let close = |list: &[f64], value: f64| list.iter().all(|x| (x - value).abs() < 1e-9);
        assert!(close(&score.speedup_vs_tuned_adamw, 7.0 / 6.0), "{score:?}");
        // a step of ours costs twice as much
        assert!(close(&score.speedup_seconds_vs_tuned_adamw, 7.0 / 12.0), "{score:?}");
        // with the factor 2 the loss falls from 8 to 0, so that 1 is reached after 7/8 of the steps
        assert!((score.regret - 7.0 / 8.0).abs() < 1e-9 && score.best_factor == 2.0, "{score:?}");
        // ours gains 7/4 in the last quarter, the other 6/4
        assert_eq!(score.late_progress, [1.0, 1.0]);
        assert_eq!(score.failures, [0.0, 0.0]);
        let failures: Vec<usize> = score.factors.iter().map(|factor| factor.failures).collect();
        assert_eq!(failures, [0, 0, 0, 0, 0, 0, 2]);
        assert!(score.factors.iter().all(|factor| factor.guarded_failures == 2));
        assert_eq!(score.losses[LEARNED], Some(1.0));
        assert_eq!(score.seconds_per_step[COSINE], 0.1);
    }

    #[test]
    fn who_ends_behind_is_slower() {
        let facts = facts();
        let one = factor_text(1.0);
        let runs = vec![run(COSINE, "rate 1e-3", 0, Some(0.0)), run(LEARNED, &one, 0, Some(4.0))];
        let score = JobRuns::new(&facts, &runs).score().unwrap();
        // tuned AdamW has our loss of 4 after half of its steps
        assert_eq!(score.speedup_vs_tuned_adamw, [0.5]);
        assert_eq!(score.late_progress, [1.0]);
        // 4 is the level of guessing
        assert_eq!(score.failures, [1.0]);
        let lost = vec![run(COSINE, "rate 1e-3", 0, Some(2.0)), run(LEARNED, &one, 0, None)];
        let score = JobRuns::new(&facts, &lost).score().unwrap();
        assert_eq!((score.speedup_vs_tuned_adamw[0], score.regret), (1.0 / 40.0, 0.0));
        assert_eq!(score.loss_ratios[COSINE], [0.01]);
        assert_eq!((score.wins_vs_tuned_adamw[0], score.failures[0]), (0.0, 1.0));
        assert_eq!(JobRuns::new(&facts, &[]).score(), None);
    }

    #[test]
    fn the_least_loss_counts_where_training_stops_early() {
        let facts = JobFacts { early_stopping: true, ..facts() };
        let mut early = run(LEARNED, &factor_text(1.0), 0, Some(1.0));
        early.run.validation[40].1 = 6.0;
        let all = [early];
        let job = JobRuns::new(&facts, &all);
        assert_eq!(job.loss(&all[0]), Some(8.0 - 7.0 * 39.0 / 40.0));
        assert_eq!(job.score().unwrap().regret, 1.0);
    }

    #[test]
    fn losses_below_zero_are_compared_above_the_least() {
        let facts = JobFacts { least: -10.0, guessing: 4.0, ..facts() };
        let all = [
            run(COSINE, "rate 1e-3", 0, Some(-4.0)),
            run(LEARNED, &factor_text(1.0), 0, Some(-7.0)),
        ];
        let score = JobRuns::new(&facts, &all).score().unwrap();
        assert_eq!(score.loss_ratios[COSINE], [2.0]);
    }

    #[test]
    fn curves_are_crossed_between_measurements() {
        let curve = [(0, 4.0), (10, 2.0), (20, 3.0)];
        assert_eq!(reach(&curve, 3.0), Some(5.0));
        assert_eq!(reach(&curve, 5.0), Some(0.0));
        assert_eq!(reach(&curve, 1.0), None);
    }
}
