//! 16-bit forms of `f32`, rounded by chance so that sums of small steps come out right.
//!
//! Two of them: bfloat16, the upper half of the bits, for what may have any size, and fixed point
//! for what is bounded. Both take noise, uniform below 2^16, and the mean over it is the value
//! itself; what fits stays what it is. Plain arithmetic without branches, so that loops over it
//! become vectors.

/// Bits of an `f32` to one of its two neighbours in bfloat16; NaN stays NaN.
#[inline(always)]
pub(crate) fn to_bfloat(bits: u32, noise: u32) -> u16 {
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    let bits = if nan { bits | 0x0040_0000 } else { bits.wrapping_add(noise & 0xffff) };
    (bits >> 16) as u16
}

/// Back to the bits of an `f32`.
#[inline(always)]
pub(crate) fn from_bfloat(half: u16) -> u32 {
    u32::from(half) << 16
}

/// Largest fixed-point number: units of 2^-14 up to nearly 2.
const LIMIT: f32 = 32_767.0 / 16_384.0;
/// The fixed-point number that means NaN.
const NAN: i16 = i16::MIN;

/// Bits of an `f32` to one of its two neighbours in fixed point; what is too large is cut to just
/// below 2, NaN stays NaN.
#[inline(always)]
pub(crate) fn to_fixed(bits: u32, noise: u32) -> u16 {
    let x = f32::from_bits(bits);
    let in_2_30 = (x.clamp(-LIMIT, LIMIT) * 1_073_741_824.0) as i32;
    let number = (in_2_30.wrapping_add((noise & 0xffff) as i32) >> 16) as i16;
    (if x.is_nan() { NAN } else { number }) as u16
}

/// Back to the bits of an `f32`.
#[inline(always)]
pub(crate) fn from_fixed(half: u16) -> u32 {
    let number = half as i16;
    let x = f32::from(number) * (1.0 / 16_384.0);
    (if number == NAN { f32::NAN } else { x }).to_bits()
}

/// A bijection that leaves no pattern: lowbias32 by C. Wellons,
/// <https://nullprogram.com/blog/2018/07/31/>.
#[inline(always)]
pub(crate) fn hash(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Narrow = fn(f32, u32) -> f32;

    fn bfloat(x: f32, noise: u32) -> f32 {
        f32::from_bits(from_bfloat(to_bfloat(x.to_bits(), noise)))
    }

    fn fixed(x: f32, noise: u32) -> f32 {
        f32::from_bits(from_fixed(to_fixed(x.to_bits(), noise)))
    }

    /// What is not used: bfloat16 to the nearest, ties up.
    fn nearest(x: f32, _: u32) -> f32 {
        bfloat(x, 0x8000)
    }

    /// An average over 4096 steps of `goal`, from half of it, after five times as many steps.
    fn average(goal: f32, path: u32, narrow: Narrow) -> f64 {
        let (d, mut x) = (1.0 - 1.0 / 4096.0, goal / 2.0);
        for n in 0..5 * 4096 {
            let noise = hash(hash(n) ^ path.wrapping_mul(0x9e37_79b9));
            x = narrow(d * x + (1.0 - d) * goal, noise);
        }
        f64::from(x) / f64::from(goal)
    }

    #[test]
    fn averages_stall_by_the_nearest_number_and_not_by_chance() {
        let exact = 1.0 - 0.5 * (-5.0_f64).exp();
        let cases = [(3e-9, bfloat as Narrow, 0.02), (2e4, bfloat, 0.02), (0.9, fixed, 0.001)];
        for (goal, narrow, tolerance) in cases {
            assert!((average(goal, 0, nearest) - 0.5).abs() < 1e-2, "no stall to be avoided");
            let mean = (0..200).map(|path| average(goal, path, narrow)).sum::<f64>() / 200.0;
            assert!((mean / exact - 1.0).abs() < tolerance, "{goal}: {mean} not {exact}");
        }
    }

    #[test]
    fn what_fits_stays_and_specials_too() {
        for noise in [0, 1, 0x8000, 0xffff] {
            for x in [0.0_f32, -0.0, 1.0, -1.5, 1.5e-38, f32::INFINITY, f32::NEG_INFINITY] {
                let x = f32::from_bits(x.to_bits() & 0xffff_0000);
                assert_eq!(bfloat(x, noise).to_bits(), x.to_bits());
            }
            for k in -32_767_i16..=32_767 {
                let x = f32::from(k) / 16_384.0;
                assert_eq!(fixed(x, noise), x);
            }
            for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff] {
                let x = f32::from_bits(bits);
                assert!(bfloat(x, noise).is_nan() && fixed(x, noise).is_nan());
            }
            assert_eq!([f32::INFINITY, -7.0].map(|x| fixed(x, noise)), [LIMIT, -LIMIT]);
        }
    }

    #[test]
    fn every_noise_once_gives_the_mean() {
        let mean_of = |x: f32, narrow: Narrow| -> f64 {
            (0..65_536).map(|noise| f64::from(narrow(x, noise))).sum::<f64>() / 65_536.0
        };
        for x in [1.003_f32, -0.777, 3.1e-20, 12_345.678] {
            assert!((mean_of(x, bfloat) / f64::from(x) - 1.0).abs() < 1e-6, "{x}");
        }
        for x in [1.003_f32, -0.777, 3.1e-5, -1.9e-6] {
            assert!((mean_of(x, fixed) - f64::from(x)).abs() < 2e-9, "{x}");
        }
    }
}
