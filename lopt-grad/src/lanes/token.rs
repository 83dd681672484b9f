//! The operations a SIMD level must offer, about twenty, on sixteen lanes.

use core::fmt::Debug;

/// Proof that a level may be used, and its operations on a register group of sixteen lanes.
pub(crate) trait Token: Copy + Debug {
    /// Sixteen lanes of `f32`.
    type V: Copy + Debug;
    /// How many accumulators fit in registers beside the operands of a matrix product.
    const ACCUMULATORS: usize;
    fn load(self, x: &[f32; 16]) -> Self::V;
    fn store(self, v: Self::V) -> [f32; 16];
    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused if the level can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; `b` if either is NaN.
    fn min_or_second(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` if either is NaN.
    fn max_or_second(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    fn select_gt(self, a: Self::V, b: Self::V, then: Self::V, other: Self::V) -> Self::V;
    fn select_ge(self, a: Self::V, b: Self::V, then: Self::V, other: Self::V) -> Self::V;
    /// Bitwise and of the representations.
    fn and(self, a: Self::V, bits: u32) -> Self::V;
    /// Bitwise or of the representations.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Representation shifted left by 23 bits, into the exponent.
    fn shift_left_23(self, a: Self::V) -> Self::V;
    /// Representation shifted right by 23 bits, out of the exponent.
    fn shift_right_23(self, a: Self::V) -> Self::V;
}
