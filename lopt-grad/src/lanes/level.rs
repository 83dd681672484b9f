//! Which SIMD instructions the kernels use.

use core::sync::atomic::{AtomicU8, Ordering};

/// A class of SIMD instructions.
///
/// `Avx2` and `Avx512` fuse multiply and add and agree bit for bit; `Portable` rounds both unless
/// the compilation target has the fused instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the compilation target guarantees.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512.
    Avx512,
}

/// 0: not chosen; otherwise a level plus one.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

impl Level {
    /// The widest level of this CPU.
    pub fn widest() -> Self {
        Self::all().into_iter().rfind(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Every level, narrowest first.
    pub const fn all() -> [Self; 3] {
        [Self::Portable, Self::Avx2, Self::Avx512]
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The level in use.
    #[inline]
    pub fn current() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            1 => Self::Portable,
            2 => Self::Avx2,
            3 => Self::Avx512,
            _ => {
                let level = Self::widest();
                CHOSEN.store(level as u8 + 1, Ordering::Relaxed);
                level
            }
        }
    }
}

/// Makes all kernels of the process use `level`, or the widest below it that the CPU has.
///
/// For comparing levels and for repeating a run of another machine.
pub fn force_level(level: Level) {
    let level = level.min(Level::widest());
    CHOSEN.store(level as u8 + 1, Ordering::Relaxed);
}
