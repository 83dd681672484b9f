//! Which instructions run: detected, or chosen by name.

#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Kernel, Portable, Simd as _};

/// Environment variable that overrides [`Level::detect`].
pub const LEVEL_VARIABLE: &str = "LOPT_SIMD";

/// Which instructions the `f32` kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the build target guarantees (SSE2, NEON), by the crate `wide`.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL, CD).
    Avx512,
}

impl Level {
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
        [Self::Avx512, Self::Avx2].into_iter().find(|l| l.available()).unwrap_or(Self::Portable)
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
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
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
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                if let Some(token) = pulp::x86::V4::try_new() {
                    return x86::Avx512(token).run(kernel);
                }
            }
            Self::Avx2 => {
                if let Some(token) = pulp::x86::V3::try_new() {
                    return x86::Avx2(token).run(kernel);
                }
            }
            Self::Portable => {}
        }
        Portable.run(kernel)
    }
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
