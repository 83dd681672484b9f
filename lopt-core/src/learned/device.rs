//! The learned optimizer with its steps on a device: groups, schedules and state files around
//! [`DeviceOptimizer`].

use super::engine::Engine;
use super::groups::TensorSettings;
use super::{LearnedOptimizer, LearnedOptimizerConfig, expect_multiplier};
use crate::gpu::{Client, DeviceError, DeviceOptimizer, Handle, Host, HostMut};
use crate::layout::Layout;
use crate::tensor_step::TensorStep;

/// A [`LearnedOptimizer`] without guard, decay and clipping whose networks run on a device.
///
/// Parameters and gradients are flat buffers there, `[P]`. A step reads nothing back; when a
/// schedule, a group or a missing gradient changes the factors of tensors, four floats per tensor go
/// up.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceLearnedOptimizer {
    config: LearnedOptimizerConfig,
    settings: Vec<TensorSettings>,
    device: DeviceOptimizer,
    multiplier: f32,
    taken: u64,
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
            device: DeviceOptimizer::new(client, &host.engine)?,
            multiplier: 1.0,
            taken: 0,
            tensors: Vec::with_capacity(host.settings.len()),
            settings: host.settings,
        })
    }
}

impl<'a> From<&'a Engine> for Host<'a> {
    fn from(engine: &'a Engine) -> Self {
        match engine {
            Engine::Hierarchical(rnn) => Self::Hierarchical(rnn),
            Engine::Relative(rnn) => Self::Relative(rnn),
        }
    }
}

impl<'a> From<&'a mut Engine> for HostMut<'a> {
    fn from(engine: &'a mut Engine) -> Self {
        match engine {
            Engine::Hierarchical(rnn) => Self::Hierarchical(rnn),
            Engine::Relative(rnn) => Self::Relative(rnn),
        }
    }
}

impl DeviceLearnedOptimizer {
    /// Moves the parameters by gradients taken at [`attended`](Self::attended), both `[P]`.
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
        if !has_gradient.is_empty() && has_gradient.len() != self.settings.len() {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        let all = self.lr_multiplier();
        self.tensors.clear();
        self.tensors.extend(self.settings.iter().enumerate().map(|(t, own)| TensorStep {
            multiplier: all * own.multiplier,
            held: own.frozen || has_gradient.get(t).is_some_and(|&has| !has),
        }));
        self.device.set_tensor_steps(&self.tensors)?;
        self.device.step(params, grads)?;
        self.taken += 1;
        Ok(())
    }

    /// Tells the loss of the next step, an optional input of a relative RNN.
    pub fn observe(&mut self, loss: f32) {
        self.device.observe(loss);
    }

    /// Where the next gradient must be taken; `params` as the last step left them.
    #[must_use]
    pub fn attended<'a>(&'a self, params: &'a Handle) -> &'a Handle {
        self.device.attended(params)
    }

    /// Begins anew.
    ///
    /// # Errors
    ///
    /// If the device cannot hold the state.
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        let host = self.config.init(self.layout())?;
        self.device.upload_state(&host.engine)?;
        self.taken = 0;
        Ok(())
    }

    /// The optimizer of the CPU at this point, to be saved or to go on with.
    ///
    /// # Errors
    ///
    /// If the device failed, now or in a step before.
    pub fn to_host(&self) -> Result<LearnedOptimizer, DeviceError> {
        let mut host = self.config.init(self.layout())?;
        self.device.download_state(&mut host.engine)?;
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
        self.device.upload_state(&host.engine)?;
        (self.taken, self.multiplier) = (host.taken, host.multiplier);
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
        self.device.layout()
    }

    /// The bare optimizer on the device.
    #[must_use]
    pub fn bare(&self) -> &DeviceOptimizer {
        &self.device
    }
}
