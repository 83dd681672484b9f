//! Copies on a device.

use super::memory::argument;
use super::{Client, Handle};
use cubecl::prelude::*;

/// Threads of a group, and most groups: enough to keep the memory of a large device busy.
const THREADS: usize = 256;
const MOST_GROUPS: usize = 4096;

#[cube(launch_unchecked)]
fn copy_floats(from: &[f32], to: &mut [f32]) {
    let threads = CUBE_DIM as usize;
    let mut i = CUBE_POS * threads + UNIT_POS as usize;
    while i < from.len() {
        to[i] = from[i];
        i += CUBE_COUNT * threads;
    }
}

/// Copies the first `len` floats of one buffer to another; both must be that long.
///
/// # Panics
///
/// If one is shorter.
pub fn copy(client: &Client, from: &Handle, to: &Handle, len: usize) {
    let shorter = from.size_in_used().min(to.size_in_used());
    let fits = (len as u64).checked_mul(4).is_some_and(|bytes| bytes <= shorter);
    assert!(fits, "{len} floats in {shorter} bytes");
    let (groups, threads) = spread(len);
    #[allow(unsafe_code, reason = "the kernel does not check its indices")]
    // SAFETY: indices stay below `len`, and both buffers were found to be that long.
    unsafe {
        copy_floats::launch_unchecked(
            client,
            groups,
            threads,
            argument(from, len),
            argument(to, len),
        );
    }
}

/// Groups and threads of a pass over `len` values, for kernels that go on by all of them.
#[must_use]
pub fn spread(len: usize) -> (CubeCount, CubeDim) {
    let groups = len.div_ceil(THREADS).clamp(1, MOST_GROUPS) as u32;
    (CubeCount::Static(groups, 1, 1), CubeDim::new_1d(THREADS as u32))
}
