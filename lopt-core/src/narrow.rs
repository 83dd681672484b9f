//! 16-bit forms of `f32`: bfloat16, which is the upper half of the bits.
//!
//! Plain integer arithmetic without branches, so that the loops over it become vectors.

/// Back to `f32`, exactly.
#[inline(always)]
pub(crate) fn widen(half: u16) -> u32 {
    u32::from(half) << 16
}

/// The bits of an `f32`, rounded to the nearest bfloat16, ties to even.
#[inline(always)]
pub(crate) fn nearest(bits: u32) -> u16 {
    round(bits, 0x7fff + ((bits >> 16) & 1))
}

/// The bits of an `f32`, rounded to one of its two neighbours, to the nearer one more often: with a
/// uniform `noise` below 2^16 the mean is the value itself. What fits stays what it is.
#[inline(always)]
pub(crate) fn stochastic(bits: u32, noise: u32) -> u16 {
    round(bits, noise & 0xffff)
}

/// Adds below the cut and cuts; NaN stays NaN.
#[inline(always)]
fn round(bits: u32, below: u32) -> u16 {
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    let bits = if nan { bits | 0x0040_0000 } else { bits.wrapping_add(below) };
    (bits >> 16) as u16
}

/// A bijection that leaves no pattern (lowbias32 by C. Wellons, <https://nullprogram.com/blog/2018/07/31/>).
#[inline(always)]
pub(crate) fn hash(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(half: u16) -> f32 {
        f32::from_bits(widen(half))
    }

    /// `steps` of `x <- d x + (1 - d) g` from `start`, rounded each time.
    fn average(start: f32, g: f32, d: f32, steps: u32, narrow: impl Fn(u32, u32) -> u16) -> f32 {
        let mut x = start;
        for n in 0..steps {
            x = back(narrow((d * x + (1.0 - d) * g).to_bits(), n));
        }
        x
    }

    #[test]
    fn an_average_stalls_by_nearest_and_not_by_chance() {
        // one step moves by less than half a unit in the last place
        let (d, steps) = (1.0 - 1.0 / 4096.0, 5 * 4096);
        assert_eq!(average(1.0, 2.0, d, steps, |bits, _| nearest(bits)), 1.0);
        let expected = 2.0 - (-5.0_f64).exp();
        let mut total = 0.0;
        for i in 0..200_u32 {
            let noise = |n: u32| hash(hash(n).wrapping_add(i.wrapping_mul(0x9e37_79b9)));
            let x = f64::from(average(1.0, 2.0, d, steps, |bits, n| stochastic(bits, noise(n))));
            assert!((x / expected - 1.0).abs() < 0.3, "{i}: {x}");
            total += x / 200.0;
        }
        assert!((total / expected - 1.0).abs() < 0.02, "{total}");
    }

    #[test]
    fn what_fits_stays_and_signs_and_specials_too() {
        for noise in [0, 1, 0x8000, 0xffff] {
            for x in [0.0_f32, -0.0, 1.0, -1.5, 1e-38, f32::INFINITY, f32::NEG_INFINITY] {
                let x = f32::from_bits(x.to_bits() & 0xffff_0000);
                assert_eq!(back(stochastic(x.to_bits(), noise)).to_bits(), x.to_bits());
                assert_eq!(back(nearest(x.to_bits())).to_bits(), x.to_bits());
            }
            for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
                assert!(back(stochastic(bits, noise)).is_nan() && back(nearest(bits)).is_nan());
            }
        }
        assert_eq!(back(nearest(f32::MAX.to_bits())), f32::INFINITY);
    }

    #[test]
    fn every_noise_once_gives_the_mean() {
        for x in [1.003_f32, -0.777, 3.1e-20, 12_345.678] {
            let mean = |k| f64::from(back(stochastic(x.to_bits(), k))) / 65_536.0;
            let mean: f64 = (0..65_536).map(mean).sum();
            assert!((mean / f64::from(x) - 1.0).abs() < 1e-6, "{x}: {mean}");
        }
    }
}
