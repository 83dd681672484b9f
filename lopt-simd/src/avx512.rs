//! exp, ln and tanh by instructions that only AVX-512 has: tables in registers, powers of two.

use super::Simd as _;
use super::math::{self, Bits, polynomial};
use super::x86::{Avx512, Register512};

/// Points about 0.29 apart whose tanh is (nearly) an `f32`.
#[rustfmt::skip]
const TANH_KNOTS: [f32; 32] = [
    0.0, 0.2894945, 0.5799713, 0.87005675,
    1.1599538, 1.4499624, 1.7399931, 2.0303004,
    2.320275, 2.610301, 2.900016, 3.189644,
    3.4802392, 3.7699516, 4.060072, 4.350426,
    4.6403785, 4.930057, 5.220039, 5.5102825,
    5.7992854, 6.09059, 6.382164, 6.669847,
    6.963741, 7.2477326, 7.565727, 7.8596206,
    8.115033, 8.317766, 8.66434, 8.99,
];
/// tanh of the points.
#[rustfmt::skip]
const TANH_VALUES: [f32; 32] = [
    0.0, 0.2816695, 0.5226446, 0.70140296,
    0.82102484, 0.89568543, 0.94022584, 0.96610695,
    0.9808798, 0.98924994, 0.99396336, 0.9966131,
    0.9981045, 0.99893767, 0.9994052, 0.99966717,
    0.9998136, 0.9998956, 0.9999415, 0.9999673,
    0.99998164, 0.99998975, 0.9999943, 0.9999968,
    0.9999982, 0.999999, 0.99999946, 0.9999997,
    0.9999998, 0.9999999, 0.99999994, 1.0,
];
/// `c` near `1 / m` for the sixteenth of `[0.75, 1.5)` that the top bits of `m` choose.
#[rustfmt::skip]
const LN_INVERSES: [f32; 16] = [
    1.0, 0.9142412, 0.864813, 0.8205961,
    0.78044915, 0.7442589, 0.7110863, 0.6808183,
    1.3061446, 1.2547566, 1.2075895, 1.1636262,
    1.1227, 1.084903, 1.049313, 1.0,
];
/// `-ln c`, (nearly) an `f32` by the choice of `c`.
#[rustfmt::skip]
const LN_VALUES: [f32; 16] = [
    0.0, 0.08966085, 0.14524195, 0.19772425,
    0.24788569, 0.29536635, 0.34096152, 0.3844598,
    -0.26707974, -0.22694159, -0.18862623, -0.15154116,
    -0.11573648, -0.08149058, -0.048135616, 0.0,
];
/// Coefficients of `(tanh z - z) / z^3` for `|z| <= 0.1455`.
const TANH: [f64; 2] = [-3.333_230_317e-1, 1.317_574_233e-1];
/// Coefficients of `(ln(1 + f) - f) / f^2` for `-1/32 <= f <= 1/16`.
const LN: [f64; 4] = [-4.999_987_185e-1, 3.333_297_968e-1, -2.514_550_984e-1, 2.099_732_310e-1];

type V = [Register512; 1];

impl Avx512 {
    /// The entries that the low five bits choose.
    #[inline(always)]
    fn look_up_32(self, table: [f32; 32], bits: V) -> V {
        let [low, high]: [Register512; 2] = bytemuck::cast(table);
        [Register512::look_up_32(self, bits[0], low, high)]
    }
    /// `ln(2^DOUBLINGS x)`.
    #[inline(always)]
    fn ln<const DOUBLINGS: u32>(self, x: V) -> V {
        let (m, mut e) = self.split(x);
        if DOUBLINGS > 0 {
            e = self.add(e, self.constant(DOUBLINGS.into()));
        }
        let inverse = [Register512::look_up_16(self, m[0], bytemuck::cast(LN_INVERSES))];
        let value = [Register512::look_up_16(self, m[0], bytemuck::cast(LN_VALUES))];
        let f = self.fma(m, inverse, self.constant(-1.0));
        let y = self.fma(self.mul(f, f), polynomial(self, f, LN), f);
        // near one both terms of the logarithm of the power and the knot are zero
        let high = self.fma(e, self.constant(std::f64::consts::LN_2), value);
        self.add(high, y)
    }
}

impl Bits for Avx512 {
    #[inline(always)]
    fn add_to_exponent(self, a: V, k: V) -> V {
        let n = self.sub(k, self.constant(math::MAGIC));
        [Register512::scale(self, a[0], n[0])]
    }
    /// Zero, infinities, subnormal and negative numbers get what makes their logarithm right.
    #[inline(always)]
    fn split(self, x: V) -> (V, V) {
        let m = Register512::mantissa_from_3_4_to_3_2(self, x[0]);
        let (of_x, of_m) = (Register512::exponent(self, x[0]), Register512::exponent(self, m));
        ([m], self.sub([of_x], [of_m]))
    }
    #[inline(always)]
    fn fast_exp(self, x: V) -> V {
        let x = self.at_least(self.at_most(x, 89.0), -104.0);
        let (k, r) = math::reduce(self, x);
        self.add_to_exponent(math::exp_of_rest(self, r), k)
    }
    #[inline(always)]
    fn fast_ln(self, x: V) -> V {
        self.ln::<0>(x)
    }
    #[inline(always)]
    fn ln_of_double(self, x: V) -> V {
        self.ln::<1>(x)
    }
    /// By `tanh(w + z)` in terms of tanh z and the tabulated tanh w.
    #[inline(always)]
    fn fast_tanh(self, x: V) -> V {
        let a = self.at_most(self.abs(x), 9.1);
        let bits = self.fma(a, self.constant(1.0 / 0.29), self.constant(math::MAGIC));
        let z = self.sub(a, self.look_up_32(TANH_KNOTS, bits));
        let w = self.look_up_32(TANH_VALUES, bits);
        let z2 = self.mul(z, z);
        let t = self.fma(self.mul(z, z2), polynomial(self, z2, TANH), z);
        // as a correction to tanh w, whose own error the choice of the knots keeps small
        let change = self.mul(t, self.nma(w, w, self.constant(1.0)));
        let y = self.add(w, self.div(change, self.fma(w, t, self.constant(1.0))));
        self.copysign(y, x)
    }
}
