//! Where a kernel runs: which registers, and inside which target features.

use core::marker::PhantomData;

use lopt_simd::{Lanes, LanesKernel, Level};

use super::{Kernel, Lifted, Packs, Plain, Registers};
use crate::dual::Dual;
use crate::lanes::F32x16;
use crate::real::Real;

/// A value type with registers on every SIMD level.
pub(crate) trait Leveled: Sized {
    type At<T: Lanes>: Registers<Self>;
    fn at<T: Lanes>(token: T) -> Self::At<T>;
}

macro_rules! plain_leveled {
    ($($float:ident),*) => {$(
        impl Leveled for $float {
            type At<T: Lanes> = Plain;
            #[inline(always)]
            fn at<T: Lanes>(_: T) -> Plain {
                Plain
            }
        }
    )*};
}
// The compiler vectorises the plain loops with the level's instructions; the bits do not change.
plain_leveled!(f32, f64);

impl Leveled for F32x16 {
    type At<T: Lanes> = Packs<T>;
    #[inline(always)]
    fn at<T: Lanes>(token: T) -> Packs<T> {
        Packs(token)
    }
}

impl<R: Leveled> Leveled for Dual<R> {
    type At<T: Lanes> = Lifted<R::At<T>>;
    #[inline(always)]
    fn at<T: Lanes>(token: T) -> Lifted<R::At<T>> {
        Lifted(R::at(token))
    }
}

/// Runs kernels over values of type `R`.
pub(crate) trait Dispatch<R> {
    fn dispatch<K: Kernel<R>>(self, kernel: K);
}

/// Plain loops, whatever the level.
pub(crate) struct PlainDispatch;

impl<R: Real> Dispatch<R> for PlainDispatch {
    #[inline]
    fn dispatch<K: Kernel<R>>(self, kernel: K) {
        kernel.run(Plain);
    }
}

/// The registers and instructions of [`Level::current`].
pub(crate) struct LevelDispatch;

impl<R: Leveled> Dispatch<R> for LevelDispatch {
    #[inline]
    fn dispatch<K: Kernel<R>>(self, kernel: K) {
        Level::current().dispatch_lanes(AtLevel { kernel, value: PhantomData });
    }
}

/// A kernel to be given the registers of a level.
struct AtLevel<R, K> {
    kernel: K,
    value: PhantomData<R>,
}

impl<R: Leveled, K: Kernel<R>> LanesKernel for AtLevel<R, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        self.kernel.run(R::at(lanes));
    }
}
