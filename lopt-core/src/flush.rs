//! Flush-to-zero for the time of a computation: denormals cost five times here.

/// Sets flush-to-zero and denormals-are-zero on this thread and restores the old mode when dropped.
#[derive(Debug)]
#[must_use = "the mode ends when this is dropped"]
pub struct FlushToZero {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    before: u32,
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
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

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, deprecated, reason = "the control register has no safe interface")]
impl Drop for FlushToZero {
    fn drop(&mut self) {
        // SAFETY: restores the value read by `set` on this thread.
        unsafe { std::arch::x86_64::_mm_setcsr(self.before) };
    }
}

#[cfg(any(not(target_arch = "x86_64"), miri))]
impl FlushToZero {
    /// Does nothing on this architecture, or under Miri, which has no such register.
    pub fn set() -> Self {
        Self {}
    }
}
