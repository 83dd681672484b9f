//! What all levels of 16 lanes share.

/// Sum of 16 lanes by halving, the same order everywhere.
#[inline(always)]
pub(super) fn sum(a: [f32; 16]) -> f32 {
    let mut v = a;
    let mut half = 8;
    while half > 0 {
        for i in 0..half {
            v[i] += v[i + half];
        }
        half /= 2;
    }
    v[0]
}
