//! The optimizer whose state and steps stay on a device.

use super::copy::copy;
use super::launch::{Constant, Memory, Scalars, Work};
use super::move_pass::Move;
use super::shape::{LANES, Shape, UPPER_THREADS};
use super::tables::{CHUNK, JOB, Tables};
use super::weights::{UpperAt, of_parameters, of_upper};
use super::{Client, DeviceError, Handle};
use crate::HierarchicalRnn;
use crate::config::HierarchicalRnnConfig;
use crate::layout::Layout;
use crate::network::Network;
use crate::plan::Plan;
use crate::tensor_step::{Present, TensorStep};

/// The [`HierarchicalRnn`] on a device: parameters, gradients and state never leave it.
///
/// As there, the gradient is to be taken at [`attended`](Self::attended). Nothing is read back in a
/// step, so a gradient that is not finite, or has a norm above 2^63, whose square leaves single
/// precision, is not refused: it makes parameters NaN. Who cannot exclude that must look first.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceOptimizer {
    pub(super) client: Client,
    pub(super) layout: Layout,
    plan: Plan,
    pub(super) config: HierarchicalRnnConfig,
    pub(super) shape: Shape,
    pub(super) averaging: Option<f32>,
    pub(super) steps: u64,
    pub(super) state: DeviceState,
    pub(super) upper_at: UpperAt,
    pub(super) groups: u32,
    pub(super) scalars: Scalars,
    /// Whether `squares` are those of the point where the next gradient is taken.
    pub(super) squares_known: bool,
    pub(super) constant: Constant,
    pub(super) work: Work,
}

/// What is carried from step to step.
#[derive(Debug)]
pub(super) struct DeviceState {
    /// As on the CPU.
    pub tiles: Memory,
    /// Global RNN, then `[tensor][H_T]`.
    pub hidden: Memory,
    /// [`Shape::tensor_row`] floats per tensor.
    pub rows: Memory,
    /// With attention.
    pub phi: Memory,
    /// With averaging: the network's own theta.
    pub inner: Memory,
}

impl DeviceOptimizer {
    /// Goes on on a device where an optimizer of the CPU is.
    ///
    /// # Errors
    ///
    /// If the device cannot hold it, or its state is compact.
    pub fn new(client: &Client, host: &HierarchicalRnn) -> Result<Self, DeviceError> {
        let (net, plan) = host.parts();
        let shape = Shape::new(net);
        check_device(client, host.layout(), net, shape)?;
        let tables = Tables::new(plan)?;
        let (jobs, chunks) = (tables.jobs.len() / JOB, tables.chunks.len() / CHUNK);
        let count = plan.tensors.len();
        let (upper_weights, upper_at) = of_upper(net);
        let state = DeviceState::of(client, host, shape)?;
        let update = &net.update;
        let optimizer = Self {
            layout: host.layout().clone(),
            plan: plan.clone(),
            config: net.config,
            shape,
            averaging: host.averaging(),
            steps: host.steps(),
            state,
            upper_at,
            groups: jobs as u32,
            scalars: Scalars {
                parameters: plan.parameters as f32,
                momentum: update.momentum,
                offset: update.offset,
                attended_offset: update.attended_offset,
                max_log_rate: update.max_log_rate as f32,
            },
            squares_known: false,
            constant: Constant {
                jobs: Memory::of(client, &tables.jobs),
                tensors: Memory::of(client, &tables.tensors),
                chunks: Memory::of(client, &tables.chunks),
                weights: Memory::of(client, &of_parameters(net, shape)),
                upper_weights: Memory::of(client, &upper_weights),
                steps: Memory::of(client, &step_table(count, &[])),
                nothing: Memory::zeros(client, 1),
            },
            work: Work {
                out: Memory::zeros(client, plan.tiles * shape.outs * LANES),
                sums: Memory::zeros(client, jobs * shape.sums),
                scratch: Memory::zeros(client, chunks * shape.sums + count * shape.scratch_row()),
                squares: Memory::zeros(client, jobs),
            },
            client: client.clone(),
        };
        optimizer.upper_pass(false);
        Ok(optimizer)
    }

    /// Moves the parameters, by gradients taken at [`attended`](Self::attended): three launches over
    /// all tensors together, two more at the first step. Both buffers are flat, the tensors of the
    /// layout one after another.
    ///
    /// # Errors
    ///
    /// If a buffer does not have one value per parameter.
    pub fn step(&mut self, params: &Handle, grads: &Handle) -> Result<(), DeviceError> {
        self.check(params, "params")?;
        self.check(grads, "grads")?;
        if self.steps == 0 {
            self.begin(params);
        }
        if self.shape.parameter_scale && !self.squares_known {
            self.move_points(params, Move::Nothing);
        }
        self.steps += 1;
        self.parameter_pass(grads);
        self.upper_pass(true);
        let averaged = self.averaging.is_some();
        self.move_points(params, if averaged { Move::Averaged } else { Move::Parameters });
        self.squares_known = true;
        Ok(())
    }

    /// Where the next gradient must be taken; `params` as the last step left them.
    #[must_use]
    pub fn attended<'a>(&'a self, params: &'a Handle) -> &'a Handle {
        if self.steps == 0 {
            params
        } else if self.shape.attention {
            &self.state.phi.handle
        } else if self.averaging.is_some() {
            &self.state.inner.handle
        } else {
            params
        }
    }

    /// To be called after writing to parameters between steps; needed only where they are the
    /// attended point, without averaging and attention.
    pub fn params_changed(&mut self) {
        self.squares_known = false;
    }

    /// How each tensor takes part from now on; an empty list for all alike.
    ///
    /// # Errors
    ///
    /// If there is not one per tensor.
    pub fn set_tensor_steps(&mut self, tensors: &[TensorStep<f32>]) -> Result<(), DeviceError> {
        let count = self.layout.tensor_count();
        if !tensors.is_empty() && tensors.len() != count {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        self.constant.steps = Memory::of(&self.client, &step_table(count, tensors));
        self.scalars.parameters = Present::of(&self.plan, tensors).parameters as f32;
        Ok(())
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Configuration in use.
    #[must_use]
    pub fn config(&self) -> &HierarchicalRnnConfig {
        &self.config
    }

    /// Steps since the last reset.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes that a step reads and writes, all tensors together, if every value crosses the memory
    /// once in each launch that needs it; what it costs with an infinitely fast processor.
    #[must_use]
    pub fn bytes_moved(&self) -> u64 {
        let s = &self.shape;
        let state = 2 * s.fields + 1 + s.outs;
        let points = 2 * (1 + usize::from(self.averaging.is_some())) + usize::from(s.attention);
        // without the squares the old attended point is not read
        let old = usize::from(s.attention);
        4 * (state + s.outs + points + old) as u64 * self.layout.len() as u64
    }

    pub(super) fn check(&self, handle: &Handle, what: &'static str) -> Result<(), DeviceError> {
        let expected = 4 * self.layout.len() as u64;
        let got = handle.size_in_used();
        if got < expected {
            return Err(DeviceError::Length { what, expected, got });
        }
        Ok(())
    }

    fn begin(&mut self, params: &Handle) {
        for point in [&self.state.phi, &self.state.inner] {
            if point.len > 1 || self.layout.len() == 1 {
                copy(&self.client, params, &point.handle, self.layout.len());
            }
        }
        self.squares_known = false;
    }
}

fn step_table(count: usize, tensors: &[TensorStep<f32>]) -> Vec<f32> {
    let whole = TensorStep::whole();
    let of = |t: usize| tensors.get(t).unwrap_or(&whole);
    (0..count).flat_map(|t| [of(t).multiplier, f32::from(u8::from(of(t).held))]).collect()
}

fn check_device(
    client: &Client,
    layout: &Layout,
    net: &Network<f32>,
    shape: Shape,
) -> Result<(), DeviceError> {
    let most = u32::MAX as usize / net.fields().count() - LANES;
    if layout.len() > most {
        return Err(DeviceError::TooLarge {
            what: "number of parameters",
            value: layout.len(),
            most,
        });
    }
    let hardware = &client.properties().hardware;
    let (needed, available) = (shape.shared_bytes(), hardware.max_shared_memory_size);
    if needed > available {
        return Err(DeviceError::SharedMemory { needed, available });
    }
    let threads = hardware.max_units_per_cube as usize;
    if threads < UPPER_THREADS {
        let what = "number of threads in a group";
        return Err(DeviceError::TooLarge { what, value: UPPER_THREADS, most: threads });
    }
    Ok(())
}
