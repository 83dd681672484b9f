//! A tape that is cleared and used again allocates nothing.

#![expect(unsafe_code, reason = "a counting allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use lopt_grad::{Dual, F32x16, Real, Tape, Var};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_when_warm<R: Real>() -> usize {
    let mut tape = Tape::<R>::new();
    let mut gradient = [R::default(); 12];
    let mut count = 0;
    for _ in 0..3 {
        count = COUNT.get();
        tape.clear();
        let w = tape.variable_from(&[4, 3], |i| R::from_f64(i as f64 / 7.0));
        let x = tape.constant_from(&[5, 4], |i| R::from_f64(i as f64 / 9.0));
        let image = x.matmul(w).tanh().reshape(&[1, 5, 3, 1]);
        let filter = w.slice(0, 0, 3).reshape(&[3, 3, 1, 1]);
        let pooled = image.conv2d(filter).max_pool2d(2).sum();
        let rows = Var::concat(&[w, w.gather_rows(&[0, 0, 1])], 0).log_softmax().mean();
        let one = tape.constant_from(&[3, 3], |i| R::from_f64(if i % 4 == 0 { 9.0 } else { 0.0 }));
        let solved = (w.t().matmul(w) + one).solve_spd(w.t()).dot(w.t());
        tape.backward(pooled + rows * solved);
        tape.gradient_into(w, &mut gradient);
        count = COUNT.get() - count;
    }
    count
}

#[test]
fn nothing_is_allocated_once_warm() {
    assert_eq!(allocations_when_warm::<f32>(), 0);
    assert_eq!(allocations_when_warm::<F32x16>(), 0);
    assert_eq!(allocations_when_warm::<Dual<F32x16>>(), 0);
}
