//! Where a kernel runs: which registers, and inside which target features.

use core::marker::PhantomData;

use super::{Kernel, Lanes, Lifted, Plain, Registers};
use crate::dual::Dual;
use crate::lanes::{F32x16, Level, Portable, Token};
use crate::real::Real;

/// A value type with registers on every SIMD level.
pub(crate) trait Leveled: Sized {
    type At<T: Token>: Registers<Self>;
    fn at<T: Token>(token: T) -> Self::At<T>;
}

macro_rules! plain_leveled {
    ($($float:ident),*) => {$(
        impl Leveled for $float {
            type At<T: Token> = Plain;
            #[inline(always)]
            fn at<T: Token>(_: T) -> Plain {
                Plain
            }
        }
    )*};
}
// The compiler vectorises the plain loops with the level's instructions; the bits do not change.
plain_leveled!(f32, f64);

impl Leveled for F32x16 {
    type At<T: Token> = Lanes<T>;
    #[inline(always)]
    fn at<T: Token>(token: T) -> Lanes<T> {
        Lanes(token)
    }
}

impl<R: Leveled> Leveled for Dual<R> {
    type At<T: Token> = Lifted<R::At<T>>;
    #[inline(always)]
    fn at<T: Token>(token: T) -> Lifted<R::At<T>> {
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
        #[cfg(target_arch = "x86_64")]
        {
            use crate::lanes::{Avx2, Avx512, Vector};
            match Level::current() {
                Level::Portable => {}
                Level::Avx2 => {
                    if let Some(token) = pulp::x86::V3::try_new() {
                        let registers = R::at::<Avx2>(Vector(token));
                        return token.vectorize(Call { kernel, registers, value: PhantomData });
                    }
                }
                Level::Avx512 => {
                    if let Some(token) = pulp::x86::V4::try_new() {
                        let registers = R::at::<Avx512>(Vector(token));
                        return token.vectorize(Call { kernel, registers, value: PhantomData });
                    }
                }
            }
        }
        kernel.run(R::at(Portable));
    }
}

/// A kernel with its registers, as `pulp` calls it inside the level's target features.
struct Call<R, K, C> {
    kernel: K,
    registers: C,
    value: PhantomData<R>,
}

impl<R, K: Kernel<R>, C: Registers<R>> pulp::NullaryFnOnce for Call<R, K, C> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.kernel.run(self.registers);
    }
}
