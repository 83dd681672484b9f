//! Vectors of lanes: one kernel source for every instruction set.
//!
//! Kernels are written once over the token trait [`Simd`], or [`Lanes`] where they need the bits of
//! numbers. A vector always holds 16 `f32` lanes, whatever the registers are, so that layouts and
//! reductions do not depend on the CPU; `f64` runs with one lane and the standard library's functions
//! and is the exact twin used in tests. [`Level`] is chosen at run time: a plain release build uses the
//! widest one the CPU has, or the one that the environment variable `LOPT_SIMD` names.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod buffer;
mod double;
mod level;
pub mod math;
mod portable;
mod prefetch;
#[cfg(feature = "throughput")]
pub mod throughput;
pub mod tile;
mod x16;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use buffer::Buffer;
use bytemuck::Pod;
pub use double::Double;
pub use level::{LEVEL_VARIABLE, Level, LevelError, fix_level};
pub use portable::Portable;
pub use prefetch::prefetch;
use std::fmt::Debug;
use std::ops::{Add, Mul};

/// Columns (vectors) of one tile: the unit of work of every kernel.
pub const TILE: usize = 4;

/// Element of a vector.
pub trait Element:
    Pod + Debug + PartialOrd + Send + Sync + Into<f64> + Add<Output = Self> + Mul<Output = Self>
{
    /// Storage unit that gives every buffer the alignment of a cache line.
    type Line: Pod + Debug + Send + Sync;
    /// Rounds to the element type.
    fn from_f64(x: f64) -> Self;
}

impl Element for f32 {
    type Line = wide::f32x16;
    fn from_f64(x: f64) -> Self {
        x as Self
    }
}

impl Element for f64 {
    type Line = wide::f64x8;
    fn from_f64(x: f64) -> Self {
        x
    }
}

/// [`TILE`] vectors of one field: the columns of a tile.
pub type Row<S> = [<S as Simd>::V; TILE];

/// The operations a kernel may use. Every implementation but that of `run` must be `#[inline(always)]`: one call
/// that is not inlined into the dispatched body costs a factor of ten.
pub trait Simd: Copy + Send + Sync + Debug + 'static {
    /// Element type.
    type E: Element;
    /// Vector of [`LANES`](Self::LANES) elements.
    type V: Pod + Send + Sync + Debug;
    /// Lanes of one vector.
    const LANES: usize;
    /// Columns whose accumulators fit the registers beside ten rows (wide) or five (narrow).
    const WIDE_REGISTERS: bool;

    /// All lanes equal to `x`.
    fn splat(self, x: Self::E) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the level has it.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, fused where the level has it.
    fn nma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// Lane-wise `a > b ? yes : no`; false for NaN.
    fn select_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// Absolute value.
    fn abs(self, a: Self::V) -> Self::V;
    /// Absolute value of `a` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// `e^x` within 2 ulp; results below the smallest normal number may be zero.
    fn exp(self, x: Self::V) -> Self::V;
    /// Natural logarithm within 2 ulp; minus infinity at zero, NaN below. Subnormal `x` may count
    /// as zero.
    fn ln(self, x: Self::V) -> Self::V;
    /// Hyperbolic tangent within 2 ulp; the sign of a zero may be lost.
    fn tanh(self, x: Self::V) -> Self::V;
    /// `1 / (1 + e^-x)` within 2 ulp, also where it is tiny.
    fn sigmoid(self, x: Self::V) -> Self::V;
    /// Inverse hyperbolic sine within 3 ulp.
    fn asinh(self, x: Self::V) -> Self::V;
    /// Sum of the lanes, pairwise, in an order that no level changes.
    fn sum_lanes(self, a: Self::V) -> Self::E;

    /// A vector of one constant.
    #[inline(always)]
    fn constant(self, x: f64) -> Self::V {
        self.splat(Self::E::from_f64(x))
    }
    /// Zero in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        bytemuck::Zeroable::zeroed()
    }
    /// Lane-wise minimum with `limit`; NaN passes through.
    #[inline(always)]
    fn at_most(self, a: Self::V, limit: f64) -> Self::V {
        let limit = self.constant(limit);
        self.select_gt(a, limit, limit, a)
    }
    /// Lane-wise maximum with `limit`; NaN passes through.
    #[inline(always)]
    fn at_least(self, a: Self::V, limit: f64) -> Self::V {
        let limit = self.constant(limit);
        self.select_gt(limit, a, limit, a)
    }
    /// Lanes as a slice.
    #[inline(always)]
    fn lanes(self, a: &Self::V) -> &[Self::E] {
        bytemuck::cast_slice(std::slice::from_ref(a))
    }
    /// A flat slice as rows of [`TILE`] vectors.
    #[inline(always)]
    fn rows(self, data: &[Self::E]) -> &[Row<Self>] {
        bytemuck::cast_slice(data)
    }
    /// One vector from as many elements.
    #[inline(always)]
    fn load(self, values: &[Self::E]) -> Self::V {
        let mut vector = self.zero();
        bytemuck::cast_slice_mut(std::slice::from_mut(&mut vector)).copy_from_slice(values);
        vector
    }
    /// Runs a kernel inside a function of its own, compiled for this level.
    fn run<K: Kernel<Self::E>>(self, kernel: K) -> K::Output;
}

/// A computation written once over [`Simd`].
pub trait Kernel<E: Element> {
    /// What it returns.
    type Output;
    /// The body; implementations must be `#[inline(always)]`.
    fn run<S: Simd<E = E>>(self, simd: S) -> Self::Output;
}

/// What functions of 16 lanes need beyond arithmetic: comparisons and the bits of numbers.
pub trait Lanes: Simd<E = f32> {
    /// Accumulators that fit the registers beside the operands of a matrix product.
    const ACCUMULATORS: usize;

    /// Lane-wise `a >= b ? yes : no`; false for NaN.
    fn select_ge(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The smaller; `b` if either is NaN.
    fn min_or_second(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` if either is NaN.
    fn max_or_second(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and of the representations.
    fn and(self, a: Self::V, bits: u32) -> Self::V;
    /// Bitwise or of the representations.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Sum of the representations as integers that wrap.
    fn add_bits(self, a: Self::V, b: Self::V) -> Self::V;
    /// Difference of the representations as integers that wrap.
    fn sub_bits(self, a: Self::V, b: Self::V) -> Self::V;
    /// Representation shifted left by 23 bits, into the exponent.
    fn shift_left_23(self, a: Self::V) -> Self::V;
    /// Representation shifted right by 23 bits, out of the exponent.
    fn shift_right_23(self, a: Self::V) -> Self::V;
}

/// A computation written once over [`Lanes`].
pub trait LanesKernel {
    /// What it returns.
    type Output;
    /// The body; implementations must be `#[inline(always)]`.
    fn run<S: Lanes>(self, lanes: S) -> Self::Output;
}

/// A kernel that needs no bits, as one that may use them.
struct WithoutBits<K>(K);

impl<K: Kernel<f32>> LanesKernel for WithoutBits<K> {
    type Output = K::Output;
    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> K::Output {
        self.0.run(lanes)
    }
}
