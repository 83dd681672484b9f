//! Which instructions run: detected, or chosen by name.

use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Kernel, LanesKernel, Portable, WithoutBits};

/// Environment variable that overrides [`Level::detect`].
pub const LEVEL_VARIABLE: &str = "LOPT_SIMD";

/// Which instructions the `f32` kernels use.
///
/// Arithmetic at `Avx2` and `Avx512` agrees bit for bit; `Portable` fuses no multiplication and addition
/// unless the build target has the instruction, and `Avx512` has an exponential, a logarithm and a tanh of
/// its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the build target guarantees (SSE2, NEON), by the crate `wide`.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL, CD).
    Avx512,
}

/// 0: not looked up; else a level plus 1, or plus 1 and [`FIXED`].
static CURRENT: AtomicU8 = AtomicU8::new(0);
const FIXED: u8 = 4;

impl Level {
    /// Every level, narrowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The level of kernels that are given none: [`detect`](Self::detect), at the first call, or what
    /// [`fix_level`] says.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        current().0
    }

    /// Whether somebody has chosen [`current`](Self::current), by `LOPT_SIMD` or [`fix_level`], so that
    /// bits should not depend on what else the CPU can do.
    #[inline]
    #[must_use]
    pub fn is_fixed() -> bool {
        current().1
    }

    /// The level that the environment variable `LOPT_SIMD` names, or else the widest of this CPU.
    ///
    /// A name that [`from_env`](Self::from_env) refuses counts as none: a library cannot stop its
    /// program for a variable. Programs should call `from_env` first and tell their user.
    #[must_use]
    pub fn detect() -> Self {
        Self::from_env().unwrap_or_else(|_| Self::widest())
    }

    /// The level that the environment variable `LOPT_SIMD` names, or the widest of this CPU if it
    /// is unset or empty.
    ///
    /// # Errors
    ///
    /// If the name is unknown or this CPU lacks the instructions, as in [`parse`](Self::parse).
    pub fn from_env() -> Result<Self, LevelError> {
        match std::env::var_os(LEVEL_VARIABLE) {
            Some(name) if !name.is_empty() => Self::parse(&name.to_string_lossy()),
            _ => Ok(Self::widest()),
        }
    }

    /// The widest level of this CPU, whatever the environment says.
    #[must_use]
    pub fn widest() -> Self {
        Self::ALL.into_iter().rfind(|level| level.available()).unwrap_or(Self::Portable)
    }

    /// The name that [`parse`](Self::parse) takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this CPU can run the level.
    #[must_use]
    pub fn available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The level of that name: `portable`, `avx2` or `avx512`, or on `aarch64` also `neon`, which
    /// is what the portable level is compiled to there.
    ///
    /// # Errors
    ///
    /// If the name is unknown or this CPU lacks the instructions.
    pub fn parse(name: &str) -> Result<Self, LevelError> {
        let level = match name {
            "portable" => Self::Portable,
            "neon" if cfg!(target_arch = "aarch64") => Self::Portable,
            "avx2" => Self::Avx2,
            "avx512" => Self::Avx512,
            _ => return Err(LevelError::Unknown(name.to_owned())),
        };
        if level.available() { Ok(level) } else { Err(LevelError::Missing(level)) }
    }

    /// Runs a kernel at this level, or at the portable one if the CPU lacks it.
    pub fn dispatch<K: Kernel<f32>>(self, kernel: K) -> K::Output {
        self.dispatch_lanes(WithoutBits(kernel))
    }

    /// Runs a kernel that uses bits at this level, or at the portable one if the CPU lacks it.
    #[inline]
    pub fn dispatch_lanes<K: LanesKernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                if let Some(token) = x86::Avx512::detect() {
                    return token.run_lanes(kernel);
                }
            }
            Self::Avx2 => {
                if let Some(token) = x86::Avx2::detect() {
                    return token.run_lanes(kernel);
                }
            }
            Self::Portable => {}
        }
        kernel.run(Portable)
    }
}

/// Level and whether it was chosen.
#[inline]
fn current() -> (Level, bool) {
    let code = CURRENT.load(Ordering::Relaxed);
    if code == 0 { looked_up() } else { (Level::ALL[usize::from(code % FIXED) - 1], code > FIXED) }
}

#[cold]
fn looked_up() -> (Level, bool) {
    let named = std::env::var_os(LEVEL_VARIABLE).is_some_and(|name| !name.is_empty());
    let (level, fixed) = (Level::detect(), named && Level::from_env().is_ok());
    CURRENT.store(level as u8 + 1 + if fixed { FIXED } else { 0 }, Ordering::Relaxed);
    (level, fixed)
}

/// Makes all kernels of the process that are given no level use this one, or the widest below it that the
/// CPU has: for comparing levels, and for repeating a run of another machine.
pub fn fix_level(level: Level) {
    let level = level.min(Level::widest());
    CURRENT.store(level as u8 + 1 + FIXED, Ordering::Relaxed);
}

/// A level that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// No such name.
    #[error("unknown SIMD level {0:?}, expected portable, avx2 or avx512")]
    Unknown(String),
    /// The CPU lacks it.
    #[error("this CPU cannot run the SIMD level {}", .0.name())]
    Missing(Level),
}
