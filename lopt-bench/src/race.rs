//! All runs of a race, several at a time.

use crate::contender::Contender;
use crate::error::CliError;
use crate::measure::{self, Run};
use crate::parallel::parallel;
use crate::progress::RaceProgress;
use crate::record::RaceRecord;
use crate::score::score;
use crate::setting::Setting;
use crate::workload::{Start, Workload};

/// Which settings must run, each once, and whom they serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The different settings of all contenders.
    pub settings: Vec<Setting>,
    /// For every setting, the contenders that it belongs to.
    pub served: Vec<Vec<usize>>,
}

impl Plan {
    /// Collects the settings; Adam at 1e-3 runs once although two contenders have it.
    pub fn new(contenders: &[Contender]) -> Self {
        let mut plan = Self { settings: Vec::new(), served: Vec::new() };
        for (index, contender) in contenders.iter().enumerate() {
            for setting in &contender.settings {
                match plan.settings.iter().position(|known| known == setting) {
                    Some(known) => plan.served[known].push(index),
                    None => {
                        plan.settings.push(setting.clone());
                        plan.served.push(vec![index]);
                    }
                }
            }
        }
        plan
    }

    /// Runs of the whole race.
    pub fn runs(&self, seeds: usize) -> usize {
        self.settings.len() * seeds
    }
}

/// Runs everything and scores it.
///
/// Every run has one thread, also inside the optimizer, so `seconds` mean the same for all; the
/// results do not depend on `threads`.
///
/// # Errors
///
/// If threads cannot be started.
pub fn race(
    workload: &Workload,
    contenders: &[Contender],
    threads: usize,
    progress: &RaceProgress,
) -> Result<RaceRecord, CliError> {
    let plan = Plan::new(contenders);
    let starts: Vec<Start> = (0..workload.seeds).map(|seed| workload.start(seed)).collect();
    let course = Course { workload, progress, plan: &plan, starts: &starts };
    let runs = course.run_all(threads)?;
    let of_setting = |setting: &Setting| {
        let index = plan.settings.iter().position(|known| known == setting).unwrap_or(0);
        &runs[index * workload.seeds..(index + 1) * workload.seeds]
    };
    let scored = contenders.iter().map(|contender| {
        let runs: Vec<&[Run]> = contender.settings.iter().map(of_setting).collect();
        score(contender, &runs, &workload.checkpoints)
    });
    Ok(RaceRecord {
        problem: workload.name.clone(),
        steps: workload.steps,
        seeds: workload.seeds,
        contenders: scored.collect(),
    })
}

/// What the threads share.
struct Course<'r> {
    workload: &'r Workload,
    progress: &'r RaceProgress,
    plan: &'r Plan,
    /// One per seed.
    starts: &'r [Start],
}

impl Course<'_> {
    /// All runs, `[setting][seed]` flattened.
    fn run_all(&self, threads: usize) -> Result<Vec<Run>, CliError> {
        let count = self.plan.runs(self.starts.len());
        parallel(threads, count, |job| self.run(job))?.into_iter().collect()
    }

    fn run(&self, job: usize) -> Result<Run, CliError> {
        let (setting, seed) = (job / self.starts.len(), job % self.starts.len());
        let served = &self.plan.served[setting];
        let layout = self.workload.problem.layout();
        let mut optimizer = self.plan.settings[setting].build(&layout, self.workload.steps)?;
        let advance = |steps| self.progress.advance(served, steps);
        let run = measure::run(self.workload, &self.starts[seed], optimizer.as_mut(), &advance);
        self.progress.finish(served, run.final_loss());
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::of_race;
    use crate::learned::LearnedSource;

    #[test]
    fn equal_settings_run_once() {
        let plan = Plan::new(&of_race(LearnedSource::load(None).unwrap().learned()));
        assert_eq!((plan.settings.len(), plan.runs(3)), (28, 84));
        let shared: Vec<&Vec<usize>> = plan.served.iter().filter(|who| who.len() > 1).collect();
        assert_eq!(shared, [&vec![1, 2]]);
    }
}
