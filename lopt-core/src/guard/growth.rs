//! The size of the parameters, by which a run is judged that gives no loss.

use super::Shown;

/// Root mean squares, before their first steps and now, of the tensors that take part and have done so
/// before.
///
/// * `first`: sum of the squares of every tensor before its first step, `[T]`.
pub(super) fn sizes(shown: &Shown<'_>, first: &[Option<f64>]) -> [f64; 2] {
    let (mut sums, mut parameters) = ([0.0; 2], 0);
    for (t, (range, first)) in shown.layout.ranges().zip(first).enumerate() {
        let Some(first) = first.filter(|_| (shown.counts)(t)) else { continue };
        parameters += range.len();
        sums[0] += first;
        sums[1] += sum_of_squares(&shown.params[range]);
    }
    sums.map(|sum| (sum / parameters.max(1) as f64).sqrt())
}

/// Sum of the squares.
pub(super) fn sum_of_squares(params: &[f32]) -> f64 {
    // lanes let the compiler vectorise
    const LANES: usize = 16;
    let (chunks, rest) = params.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    let mut total = 0.0_f64;
    for block in chunks.chunks(1024) {
        for chunk in block {
            for lane in 0..LANES {
                sums[lane] += chunk[lane] * chunk[lane];
            }
        }
        total += sums.iter().map(|&s| f64::from(s)).sum::<f64>();
        sums = [0.0; LANES];
    }
    total + rest.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
}
