//! Flush-to-zero for the time of a computation: denormals cost five times here.

/// Sets flush-to-zero and denormals-are-zero on this thread and restores the old mode when dropped.
#[derive(Debug)]
#[must_use = "the mode ends when this is dropped"]
pub struct FlushToZero {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, deprecated, reason = "the control register has no safe interface")]
impl FlushToZero {
    const BITS: u32 = 0x8040;

    /// Sets the mode.
    pub fn set() -> Self {
        use std::arch::x86_64::{_mm_getcsr, _mm_setcsr};
        // SAFETY: every x86-64 CPU has SSE's control register.
        let before = unsafe { _mm_getcsr() };
        // SAFETY: only the two denormal bits change, which change no exception mask.
        unsafe { _mm_setcsr(before | Self::BITS) };
        Self { before }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, deprecated, reason = "the control register has no safe interface")]
impl Drop for FlushToZero {
    fn drop(&mut self) {
        // SAFETY: restores the value read by `set` on this thread.
        unsafe { std::arch::x86_64::_mm_setcsr(self.before) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl FlushToZero {
    /// Does nothing on this architecture.
    pub fn set() -> Self {
        Self {}
    }
}
