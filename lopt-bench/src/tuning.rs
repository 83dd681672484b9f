//! Choosing among settings by their results: the only place where anything is chosen.

use serde::{Deserialize, Serialize};

/// How tuned contenders come by their setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The best for each workload, judged by what is reported: this favours them.
    #[default]
    PerWorkload,
    /// One for all workloads, the best on average.
    Overall,
}

/// Place of the least score, the first of equals; `None` without scores.
pub fn best(scores: impl IntoIterator<Item = f64>) -> Option<usize> {
    let scores = scores.into_iter().enumerate();
    scores.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
}

/// Places by score, the least first.
pub fn order(scores: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    places
}

/// Mean of values, each `None` for a run that diverged; `None` if one is, or there are none.
pub fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// For each workload the setting of the least mean rank over the workloads of other families; `None`
/// where there are none.
///
/// * `scores`: of every workload, one per setting; equals share the mean of their ranks.
pub fn best_elsewhere<F: PartialEq>(families: &[F], scores: &[Vec<f64>]) -> Vec<Option<usize>> {
    let ranks: Vec<Vec<f64>> = scores.iter().map(|scores| ranks(scores)).collect();
    let of = |own: &F| {
        let others: Vec<&Vec<f64>> =
            families.iter().zip(&ranks).filter(|(family, _)| *family != own).map(|x| x.1).collect();
        let settings = others.first()?.len();
        best((0..settings).map(|setting| others.iter().map(|ranks| ranks[setting]).sum()))
    };
    families.iter().map(of).collect()
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
    use super::*;

    #[test]
    fn the_first_of_the_best_is_chosen() {
        assert_eq!(best([3.0, 1.0, f64::INFINITY, 1.0]), Some(1));
        assert_eq!(best([f64::NAN, f64::INFINITY]), Some(1));
        assert_eq!(best([]), None);
        assert_eq!(order(&[3.0, 1.0, f64::INFINITY, 1.0]), [1, 3, 0, 2]);
    }

    #[test]
    fn divergence_spoils_a_mean() {
        assert_eq!(mean([Some(1.0), Some(4.0)].into_iter()), Some(2.5));
        assert_eq!(mean([Some(1.0), None].into_iter()), None);
        assert_eq!(mean(std::iter::empty()), None);
    }

    #[test]
    fn equals_share_ranks() {
        let inf = f64::INFINITY;
        assert_eq!(ranks(&[2.0, 1.0, inf, inf]), [2.0, 1.0, 3.5, 3.5]);
    }

    #[test]
    fn a_family_has_no_say_in_its_own_setting() {
        // scores that are least at `best` and infinite from `broken` on
        let scores = |best: usize, broken: usize| -> Vec<f64> {
            let score = |setting: usize| (1.0 + setting.abs_diff(best) as f64).ln();
            (0..15).map(|s| if s < broken { score(s) } else { f64::INFINITY }).collect()
        };
        let all = [scores(3, 15), scores(9, 15), scores(9, 12), scores(5, 15)];
        let chosen = best_elsewhere(&["a", "b", "b", "c"], &all);
        assert_eq!(chosen[1], chosen[2]);
        assert!(chosen[1].is_some_and(|setting| (3..=5).contains(&setting)), "{chosen:?}");
        assert_eq!(chosen[0], Some(9));
        assert_eq!(best_elsewhere(&["b", "b"], &all[1..3]), [None, None]);
    }
}
