//! The size of parameters, by which a run is judged that gives no loss.

use crate::layout::Layout;

/// Root mean square of the tensors for which `counts` says so.
pub(super) fn size(layout: &Layout, params: &[f32], counts: impl Fn(usize) -> bool) -> f64 {
    let (mut squares, mut parameters, mut run) = (0.0, 0, 0..0);
    for (_, range) in layout.ranges().enumerate().filter(|(t, _)| counts(*t)) {
        parameters += range.len();
        if range.start == run.end {
            run.end = range.end;
        } else {
            squares += sum_of_squares(&params[std::mem::replace(&mut run, range)]);
        }
    }
    squares += sum_of_squares(&params[run]);
    (squares / parameters.max(1) as f64).sqrt()
}

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
