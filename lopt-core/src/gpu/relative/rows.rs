//! What a device keeps of a tensor: a row of floats for each.

use crate::RelativeRnn;
use crate::relative_rnn::tensor::NUMBERS;

/// The numbers of a tensor in their order (`Tensor::memory`), with gains `1 - d` for decays: of a decay near
/// one single precision keeps little of what is new.
pub(super) const STEPS: usize = 0;
pub(super) const FIRST_SIZE: usize = 1;
pub(super) const SIZE: usize = 2;
pub(super) const WEIGHTS: usize = 3;
pub(super) const SEEN: usize = 5;
pub(super) const DRIFT: usize = 13;
pub(super) const LENGTH: usize = 14;
pub(super) const POWER: usize = 15;
pub(super) const MIX: usize = 16;
pub(super) const WEIGHT_DECAY: usize = 17;
pub(super) const MOVED: usize = 18;
pub(super) const GAINS: usize = 19;
/// What the weights lack of one, for the same reason.
pub(super) const LACKING: usize = NUMBERS;
pub(super) const INFLUENCE: usize = LACKING + 2;
/// What a shape tells (`Kind`).
pub(super) const TOLD: usize = INFLUENCE + 1;
pub(super) const ELEMENTS: usize = TOLD + 3;
pub(super) const NORMAL: usize = ELEMENTS + 1;
pub(super) const LEAST_SIZE: usize = NORMAL + 1;
pub(super) const AGREEMENT: usize = LEAST_SIZE + 1;
pub(super) const TRUST: usize = AGREEMENT + 1;
pub(super) const WARM_UP: usize = TRUST + 1;
pub(super) const POWER_IN_NOISE: usize = WARM_UP + 1;
pub(super) const MOST_DECAY: usize = POWER_IN_NOISE + 1;
/// Of the Tensor RNN.
pub(super) const HIDDEN: usize = MOST_DECAY + 1;

/// Rows of all tensors, `hidden` units each.
pub(super) fn rows_of(host: &RelativeRnn, numbers: &[f64], hidden: usize) -> Vec<f32> {
    let count = host.layout().tensor_count();
    let (of_tensors, states) = numbers.split_at(count * NUMBERS);
    let mut rows = Vec::with_capacity(count * (HIDDEN + hidden));
    for (t, numbers) in of_tensors.chunks_exact(NUMBERS).enumerate() {
        let kept = numbers.iter().enumerate();
        rows.extend(kept.map(|(i, &x)| if i < GAINS { x } else { 1.0 - x } as f32));
        rows.extend(numbers[WEIGHTS..SEEN].iter().map(|x| (1.0 - x) as f32));
        rows.push(0.0);
        rows.extend(host.tensors[t].kind().map(|x| x as f32));
        rows.extend(states[t * hidden..][..hidden].iter().map(|&x| x as f32));
    }
    rows
}

/// A number of a tensor.
pub(super) fn number(row: &[f32], i: usize) -> f64 {
    let lacking = row[LACKING + usize::from(i == WEIGHTS + 1)];
    match i {
        GAINS.. => 1.0 - f64::from(row[i]),
        WEIGHTS..SEEN if lacking < 0.5 => 1.0 - f64::from(lacking),
        _ => f64::from(row[i]),
    }
}
