//! The one constant rate of Adam that does best on the other families.

use lopt_problems::Family;

use super::baselines::{RATES, TaskBaselines};
use crate::setting::RateSchedule;

/// For each task the rate, by index, of the least mean rank over all tasks of other families;
/// `None` if there are none.
///
/// On a task the rates are ranked by the mean logarithm of their final losses over seeds. Those
/// that diverged on a seed share the last ranks.
pub fn cross_family_rates(families: &[Family], baselines: &[TaskBaselines]) -> Vec<Option<usize>> {
    let ranks: Vec<Vec<f64>> = baselines.iter().map(|task| ranks(&mean_logs(task, 1))).collect();
    let best = |own: &Family| {
        let others: Vec<&Vec<f64>> =
            families.iter().zip(&ranks).filter(|(family, _)| *family != own).map(|x| x.1).collect();
        let total = |rate: usize| others.iter().map(|ranks| ranks[rate]).sum::<f64>();
        (0..RATES).min_by(|&a, &b| total(a).total_cmp(&total(b))).filter(|_| !others.is_empty())
    };
    families.iter().map(best).collect()
}

/// Mean logarithm of the final loss by constant rate; infinite where a seed diverged.
fn mean_logs(task: &TaskBaselines, multiple: usize) -> Vec<f64> {
    mean_log_losses(task, multiple, RateSchedule::Constant, task.seeds.len())
}

/// Mean logarithm of the loss after a multiple of the horizon, by rate, over the first seeds;
/// infinite where one of them diverged or was not run.
pub fn mean_log_losses(
    task: &TaskBaselines,
    multiple: usize,
    schedule: RateSchedule,
    seeds: usize,
) -> Vec<f64> {
    let mut sums = vec![0.0; RATES];
    for seed in task.seeds.iter().take(seeds) {
        for (sum, loss) in sums.iter_mut().zip(seed.finals(multiple, schedule)) {
            *sum += loss.map_or(f64::INFINITY, f64::ln);
        }
    }
    sums.iter_mut().for_each(|sum| *sum /= task.seeds.len().min(seeds).max(1) as f64);
    sums
}

/// Ranks from 1; equals share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + 0.5 * (equal + 1) as f64
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::super::baselines::SeedBaselines;
    use super::*;

    /// One seed whose losses are least at `best` and where the rates from `broken` on diverge.
    fn task(best: usize, broken: usize) -> TaskBaselines {
        let loss = |rate: usize| (rate < broken).then(|| 1.0 + rate.abs_diff(best) as f64);
        let constant: Vec<Option<f64>> = (0..RATES).map(loss).collect();
        let seed = SeedBaselines {
            cosine: constant.clone(),
            constant,
            best_curve: vec![],
            usual_curve: vec![],
            longer: vec![],
        };
        TaskBaselines {
            task: "toy".to_owned(),
            version: 1,
            horizon: 10,
            longest: 1,
            core_seconds: 0.0,
            steps: 0,
            first_seed: 0,
            seeds: vec![seed],
        }
    }

    #[test]
    fn a_family_has_no_say_in_its_own_rate() {
        let family = |architecture| Family { architecture, data: "toy" };
        let families = [family("a"), family("b"), family("b"), family("c")];
        let baselines = [task(3, 15), task(9, 15), task(9, 12), task(5, 15)];
        let rates = cross_family_rates(&families, &baselines);
        assert_eq!(rates[1], rates[2]);
        assert!(rates[1].is_some_and(|rate| (3..=5).contains(&rate)), "{rates:?}");
        assert_eq!(rates[0], Some(9));
        assert_eq!(cross_family_rates(&families[1..3], &baselines[1..3]), [None, None]);
    }

    #[test]
    fn equals_share_ranks() {
        let inf = f64::INFINITY;
        assert_eq!(ranks(&[2.0, 1.0, inf, inf]), [2.0, 1.0, 3.5, 3.5]);
    }
}
