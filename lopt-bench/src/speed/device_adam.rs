//! Adam on a device: what the learned step is timed beside.

use lopt_core::gpu::{Client, DeviceError, Handle, cubecl, spread};

use cubecl::prelude::*;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

#[cube(launch_unchecked)]
fn adam(
    params: &mut [f32],
    grads: &[f32],
    average: &mut [f32],
    square: &mut [f32],
    rate: f32,
    root: f32,
) {
    let threads = CUBE_DIM as usize;
    let mut i = CUBE_POS * threads + UNIT_POS as usize;
    while i < params.len() {
        let g = grads[i];
        let m = fma(BETA_1, average[i] - g, g);
        let v = fma(BETA_2, square[i] - g * g, g * g);
        average[i] = m;
        square[i] = v;
        params[i] -= rate * m / (f32::sqrt(v) * root + EPSILON);
        i += CUBE_COUNT * threads;
    }
}

/// Adam with its usual settings; one launch per step.
pub(super) struct DeviceAdam {
    client: Client,
    len: usize,
    rate: f64,
    steps: i32,
    average: Handle,
    square: Handle,
}

impl DeviceAdam {
    /// For `len` parameters, with this learning rate.
    pub(super) fn new(client: &Client, len: usize, rate: f64) -> Self {
        let zeros = || client.create_from_slice(f32::as_bytes(&vec![0.0; len]));
        let client = client.clone();
        Self { average: zeros(), square: zeros(), client, len, rate, steps: 0 }
    }

    /// Moves the parameters.
    ///
    /// # Errors
    ///
    /// If a buffer does not have one value per parameter.
    pub(super) fn step(&mut self, params: &Handle, grads: &Handle) -> Result<(), DeviceError> {
        let expected = 4 * self.len as u64;
        for (what, handle) in [("params", params), ("grads", grads)] {
            let got = handle.size_in_used();
            if got < expected {
                return Err(DeviceError::Length { what, expected, got });
            }
        }
        self.steps = self.steps.saturating_add(1);
        let rate = self.rate / (1.0 - f64::from(BETA_1).powi(self.steps));
        let root = (1.0 - f64::from(BETA_2).powi(self.steps)).sqrt().recip();
        let (groups, threads) = spread(self.len);
        #[allow(unsafe_code, reason = "the kernel does not check its indices")]
        // SAFETY: indices stay below `len`, and all buffers are that long.
        unsafe {
            adam::launch_unchecked(
                &self.client,
                groups,
                threads,
                BufferArg::from_raw_parts(params.clone(), self.len),
                BufferArg::from_raw_parts(grads.clone(), self.len),
                BufferArg::from_raw_parts(self.average.clone(), self.len),
                BufferArg::from_raw_parts(self.square.clone(), self.len),
                rate as f32,
                root as f32,
            );
        }
        Ok(())
    }
}
