//! The learned optimizer with its steps on a device: groups, schedules and state files around the networks
//! there.

use super::groups::TensorSettings;
use super::{LearnedOptimizer, LearnedOptimizerConfig, expect_multiplier};
use crate::gpu::memory::{Memory, read};
use crate::gpu::{Client, DeviceError, DeviceRnn, Handle, on_device};
use crate::layout::Layout;
use crate::tensor_step::TensorStep;

/// A [`LearnedOptimizer`] without guard, decay and clipping on a device: parameters, gradients and state never
/// leave it.
///
/// Parameters and gradients are flat buffers there, `[P]`, the tensors of the layout one after another. As on the
/// CPU, the gradient is to be taken at [`attended`](Self::attended). When a schedule, a group or a missing
/// gradient changes the factors of tensors, four floats per tensor go up. Nothing is read back in a step, so a
/// gradient that is not finite, or has a norm above 2^63, whose square leaves single precision, is not refused:
/// it makes parameters NaN. Whoever cannot exclude that must look first.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceLearnedOptimizer {
    config: LearnedOptimizerConfig,
    settings: Vec<TensorSettings>,
    rnn: Box<dyn DeviceRnn>,
    multiplier: f32,
    taken: u64,
    observed: Option<f32>,
    /// Those of the next step.
    tensors: Vec<TensorStep<f32>>,
}

impl LearnedOptimizerConfig {
    /// An optimizer for a model of this layout whose parameters are on a device.
    ///
    /// # Errors
    ///
    /// If a setting is out of range, a group matches nothing, a setting is of those that a device
    /// goes without (guard, weight decay, clipping, compact state), or the model does not fit.
    pub fn init_on_device(
        &self,
        client: &Client,
        layout: &Layout,
    ) -> Result<DeviceLearnedOptimizer, DeviceError> {
        let host_only = |what| Err(DeviceError::HostOnly { what });
        if self.guard.is_some() {
            return host_only("the guard (on by default; `with_guard(None)` goes without)");
        }
        if !self.clipping.is_off() {
            return host_only("clipping");
        }
        let host = self.init(layout)?;
        if host.settings.iter().any(|own| own.weight_decay > 0.0) {
            return host_only("weight decay");
        }
        Ok(DeviceLearnedOptimizer {
            config: self.clone(),
            rnn: on_device(client, &host.engine)?,
            observed: None,
            multiplier: 1.0,
            taken: 0,
            tensors: Vec::with_capacity(host.settings.len()),
            settings: host.settings,
        })
    }
}

impl DeviceLearnedOptimizer {
    /// Moves the parameters by gradients taken at [`attended`](Self::attended), both `[P]`: three launches over
    /// all tensors together, two more at the first step. Tensors of a hierarchical RNN whose gradients do not
    /// always come together have three launches of their own, one more in their first step.
    ///
    /// * `has_gradient`: `[T]`, or empty if all have one; a tensor without keeps its parameters and
    ///   its state.
    ///
    /// # Errors
    ///
    /// If a length does not fit.
    pub fn step(
        &mut self,
        params: &Handle,
        grads: &Handle,
        has_gradient: &[bool],
    ) -> Result<(), DeviceError> {
        self.check("params", params.size_in_used())?;
        self.check("grads", grads.size_in_used())?;
        if !has_gradient.is_empty() && has_gradient.len() != self.settings.len() {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        let all = self.lr_multiplier();
        self.tensors.clear();
        self.tensors.extend(self.settings.iter().enumerate().map(|(t, own)| TensorStep {
            multiplier: all * own.multiplier,
            held: own.frozen || has_gradient.get(t).is_some_and(|&has| !has),
        }));
        self.rnn.step(params, grads, &self.tensors, self.observed.take());
        self.taken += 1;
        Ok(())
    }

    /// Tells the loss of the next step, an optional input of a relative RNN.
    pub fn observe(&mut self, loss: f32) {
        self.observed = Some(loss);
    }

    /// Where the next gradient must be taken; `params` as the last step left them.
    #[must_use]
    pub fn attended<'a>(&'a self, params: &'a Handle) -> &'a Handle {
        self.rnn.attended().unwrap_or(params)
    }

    /// To be called after writing to parameters between steps; needed only where they are the attended
    /// point, in a hierarchical RNN without averaging and attention.
    pub fn params_changed(&mut self) {
        self.rnn.params_changed();
    }

    /// Begins anew.
    ///
    /// # Errors
    ///
    /// If the device cannot hold the state.
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        let host = self.blank_host()?;
        self.rnn.upload_state(&host.engine)?;
        (self.taken, self.observed) = (0, None);
        Ok(())
    }

    /// The optimizer of the CPU at this point, to be saved or to go on with.
    ///
    /// # Errors
    ///
    /// If the device failed, now or in a step before.
    pub fn to_host(&self) -> Result<LearnedOptimizer, DeviceError> {
        let mut host = self.blank_host()?;
        self.rnn.download_state(&mut host.engine)?;
        (host.taken, host.multiplier) = (self.taken, self.multiplier);
        Ok(host)
    }

    /// The optimizer of the CPU with these settings before its first step, to load a state file
    /// with.
    ///
    /// # Errors
    ///
    /// If the embedded weights are damaged.
    pub fn blank_host(&self) -> Result<LearnedOptimizer, DeviceError> {
        Ok(self.config.init(self.layout())?)
    }

    /// Goes on where an optimizer of the CPU is.
    ///
    /// # Errors
    ///
    /// If it is of another kind, for another model or of another configuration, or compact.
    pub fn go_on_from(&mut self, host: &LearnedOptimizer) -> Result<(), DeviceError> {
        self.rnn.upload_state(&host.engine)?;
        (self.taken, self.multiplier, self.observed) = (host.taken, host.multiplier, None);
        Ok(())
    }

    /// Multiplies the length of every step from now on, beside schedule and groups.
    ///
    /// # Panics
    ///
    /// If the multiplier is negative or not finite.
    pub fn set_lr_multiplier(&mut self, multiplier: f32) {
        expect_multiplier(multiplier);
        self.multiplier = multiplier;
    }

    /// Factor of the next step of a tensor without settings of its own.
    #[must_use]
    pub fn lr_multiplier(&self) -> f32 {
        self.multiplier * self.config.schedule.multiplier(self.taken) as f32
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.taken
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.rnn.model().layout
    }

    /// Bytes that a step reads and writes, all tensors together, if every value crosses the memory
    /// once in each launch that needs it; what it costs with an infinitely fast processor.
    #[must_use]
    pub fn bytes_moved(&self) -> u64 {
        4 * self.rnn.floats_moved() as u64 * self.layout().len() as u64
    }

    /// Puts one value per parameter on the device.
    ///
    /// # Errors
    ///
    /// If there is not one per parameter.
    pub fn upload(&self, values: &[f32]) -> Result<Handle, DeviceError> {
        let (expected, got) = (4 * self.layout().len() as u64, 4 * values.len() as u64);
        if got != expected {
            return Err(DeviceError::Length { what: "values", expected, got });
        }
        Ok(Memory::of(&self.rnn.model().client, values).handle)
    }

    /// Reads one value per parameter back; waits for the device.
    ///
    /// # Errors
    ///
    /// If the buffer is too short, or the device failed, now or in a step before.
    pub fn download(&self, values: &Handle) -> Result<Vec<f32>, DeviceError> {
        self.check("values", values.size_in_used())?;
        read(&self.rnn.model().client, values, self.layout().len())
    }

    /// Refuses a buffer with fewer values than parameters.
    fn check(&self, what: &'static str, got: u64) -> Result<(), DeviceError> {
        let expected = 4 * self.layout().len() as u64;
        if got < expected { Err(DeviceError::Length { what, expected, got }) } else { Ok(()) }
    }
}
