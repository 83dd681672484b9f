//! Flush-to-zero for the time of a computation: denormals cost five times here.

use std::marker::PhantomData;

/// Sets flush-to-zero and denormals-are-zero on this thread and ends what it has set when dropped, in
/// any order beside others. The mode belongs to the thread, which this cannot leave:
///
/// ```compile_fail,E0277
/// let flush = lopt_core::flush::FlushToZero::set();
/// std::thread::spawn(move || drop(flush));
/// ```
#[derive(Debug)]
#[must_use = "the mode ends when this is dropped"]
pub struct FlushToZero {
    /// The bits that were not set before.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    added: u32,
    /// A pointer is neither sent to other threads nor shared with them.
    _of_thread: PhantomData<*const ()>,
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
        Self { added: Self::BITS & !before, _of_thread: PhantomData }
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, deprecated, reason = "the control register has no safe interface")]
impl Drop for FlushToZero {
    fn drop(&mut self) {
        use std::arch::x86_64::{_mm_getcsr, _mm_setcsr};
        // SAFETY: every x86-64 CPU has SSE's control register.
        let now = unsafe { _mm_getcsr() };
        // SAFETY: only bits change that `set` has set on this thread, which change no exception mask.
        unsafe { _mm_setcsr(now & !self.added) };
    }
}

#[cfg(any(not(target_arch = "x86_64"), miri))]
impl FlushToZero {
    /// Does nothing on this architecture, or under Miri, which has no such register.
    pub fn set() -> Self {
        Self { _of_thread: PhantomData }
    }
}
