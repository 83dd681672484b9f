//! The optimizer of a whole module on its device.

use super::buffers::{Buffers, Held, put_into};
use super::packing::Packing;
use crate::attended::Attended;
use crate::config::LearnedOptimizerConfig;
use crate::error::Error;
use crate::roster::Roster;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Shape};
use burn_cubecl::CubeDevice;
use burn_cubecl::tensor::CubeTensor;
use lopt_core::Layout;
use lopt_core::gpu::{Client, DeviceLearnedOptimizer, Handle};

/// A learned optimizer for a burn module on a GPU, which it does not leave: see
/// [the module](crate::device).
///
/// ```no_run
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use lopt_burn::DeviceOptimizer;
///
/// let device = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice).autodiff();
/// let mut model = LinearConfig::new(3, 1).init(&device);
/// let x = Tensor::<2>::from_floats([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]], &device);
/// let mut optimizer = DeviceOptimizer::pretrained(&model)?;
/// for _ in 0..100 {
///     let loss; // a tensor: nobody has to wait for its value
///     (model, loss) = optimizer.step(model, |attended| {
///         let loss = attended.forward(x.clone()).sub_scalar(1.0).square().mean();
///         (loss.clone(), GradientsParams::from_grads(loss.backward(), attended))
///     })?;
/// #   let _ = loss;
/// }
/// # Ok::<(), lopt_burn::Error>(())
/// ```
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct DeviceOptimizer {
    pub(super) core: DeviceLearnedOptimizer,
    pub(super) roster: Roster,
    packing: Packing,
    client: Client,
    device: Device,
    cube_device: CubeDevice,
    /// `[P]`: the true parameters, which a step moves.
    pub(super) params: Handle,
    /// `[P]`, and `[T]` beside it: what the last gradients were copied to.
    grads: Handle,
    has_gradient: Vec<bool>,
    /// The same parameters as the module's tensors, which nothing moves.
    held: Held,
    /// Counts everything that moves the attended point.
    round: u64,
    /// Whether there is a memory that a change of the module would not fit to.
    begun: bool,
}

impl DeviceOptimizer {
    /// The embedded weights and default settings, without the guard, which needs the host.
    ///
    /// # Errors
    ///
    /// As [`LearnedOptimizerConfig::init_on_device`].
    pub fn pretrained<M: Module>(module: &M) -> Result<Self, Error> {
        LearnedOptimizerConfig::new().with_guard(None).init_on_device(module)
    }

    pub(crate) fn build<M: Module>(
        config: &lopt_core::LearnedOptimizerConfig,
        module: &M,
    ) -> Result<Self, Error> {
        let roster = Roster::of(module)?;
        let layout = roster.layout();
        let buffers = Buffers::of(&roster, module, None, None)?;
        let first = buffers.tensors.iter().flatten().next();
        let (Some(first), Some(device)) = (first, buffers.device.clone()) else {
            return Err(Error::NothingToTrain {
                parameters: layout.tensor_count(),
                autodiff: false,
            });
        };
        let (client, cube_device) = (first.client.clone(), first.device.clone());
        let optimizer = Self {
            core: config.init_on_device(&client, layout)?,
            packing: Packing::new(&client, layout)?,
            params: client.empty(4 * layout.len()),
            grads: client.empty(4 * layout.len()),
            has_gradient: vec![false; layout.tensor_count()],
            held: Held::new(Vec::new()),
            roster,
            client,
            device,
            cube_device,
            round: 0,
            begun: false,
        };
        optimizer.packing.pack(&buffers.contiguous(), &optimizer.params)?;
        let tensors = buffers.tensors.into_iter().flatten().collect();
        Ok(Self { held: Held::new(tensors), ..optimizer })
    }

    /// One step: the closure gets the module at the attended point and gives back the gradients
    /// there, and anything else, such as the loss as a tensor. The answer is the module with the
    /// true parameters, and that.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for or was changed by others.
    pub fn step<M, L, F>(&mut self, module: M, gradients: F) -> Result<(M, L), Error>
    where
        M: Module,
        F: FnOnce(&M) -> (L, GradientsParams),
    {
        let attended = self.attend(&module)?;
        let (loss, grads) = gradients(&attended);
        Ok((self.apply(module, attended, grads)?, loss))
    }

    /// First half of a step, for loops that do not fit into a closure: a copy of the module at the
    /// attended point.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for.
    pub fn attend<M: Module>(&mut self, module: &M) -> Result<Attended<M>, Error> {
        if !self.begun {
            // nothing is remembered yet, so what was loaded since `init` may count
            self.take(module)?;
        }
        let point = self.tensors(self.core.attended(&self.params))?;
        let module = put_into(&point, &self.roster, module.clone(), &self.device)?;
        Ok(Attended { module, round: self.round })
    }

    /// Second half of a step: takes the attended module back and moves the true parameters.
    ///
    /// * `gradients`: taken from `attended`; a parameter without one stays as it is.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and if `attended` belongs to an earlier step.
    pub fn apply<M: Module>(
        &mut self,
        module: M,
        attended: Attended<M>,
        gradients: GradientsParams,
    ) -> Result<M, Error> {
        let (expected, got) = (self.round, attended.round);
        if expected != got {
            return Err(Error::Stale { expected, got });
        }
        self.check(&module)?;
        let device = Some(&self.device);
        let grads = Buffers::of(&self.roster, &attended.module, Some(&gradients), device)?;
        for (has, tensor) in self.has_gradient.iter_mut().zip(&grads.tensors) {
            *has = tensor.is_some();
        }
        if self.has_gradient.iter().all(|has| !has) {
            return Err(Error::NoGradients { tensors: self.has_gradient.len() });
        }
        self.packing.pack(&grads.contiguous(), &self.grads)?;
        self.core.step(&self.params, &self.grads, &self.has_gradient)?;
        self.held = Held::new(self.tensors(&self.params)?);
        self.round += 1;
        self.begun = true;
        self.restore(module)
    }

    /// Puts the true parameters into a module of the same parameters on the same device; nothing is
    /// copied.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for.
    pub fn restore<M: Module>(&self, module: M) -> Result<M, Error> {
        self.held.put_into(&self.roster, module, &self.device)
    }

    /// Accepts parameters that others wrote to the module since the last step. What the networks
    /// remember belongs to another point, so they begin anew: the next step is a first step. The
    /// same values in other buffers are no change. This waits for the device and reads from it.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for, or the device failed.
    pub fn sync<M: Module>(&mut self, module: &M) -> Result<(), Error> {
        match self.check(module) {
            Err(Error::Changed { .. }) => {
                let before = self.parameters()?;
                self.take(module)?;
                let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
                if !before.iter().zip(&self.parameters()?).all(same) {
                    self.core.reset()?;
                    self.round += 1;
                    self.begun = false;
                }
                Ok(())
            }
            other => other,
        }
    }

    /// Copies the module's parameters, on the device.
    fn take<M: Module>(&mut self, module: &M) -> Result<(), Error> {
        let buffers = self.buffers(module)?;
        self.packing.pack(&buffers.contiguous(), &self.params)?;
        self.held = Held::new(buffers.tensors.into_iter().flatten().collect());
        Ok(())
    }

    /// What a module holds, if it is the one the optimizer was made for.
    pub(super) fn buffers<M: Module>(&self, module: &M) -> Result<Buffers, Error> {
        Buffers::of(&self.roster, module, None, Some(&self.device))
    }

    /// Whether the module holds the tensors that the last step made.
    pub(super) fn check<M: Module>(&self, module: &M) -> Result<(), Error> {
        let buffers = self.buffers(module)?;
        let name = |slot: usize| self.layout().tensors()[slot].name.clone();
        match self.held.first_other(&buffers) {
            Some(slot) => Err(Error::Changed { name: name(slot) }),
            None => Ok(()),
        }
    }

    /// Goes on from other parameters with the state that the core has now.
    pub(super) fn resume<M: Module>(&mut self, params: &[f32], module: M) -> Result<M, Error> {
        self.params = self.core.upload(params)?;
        self.held = Held::new(self.tensors(&self.params)?);
        self.round += 1;
        self.begun = true;
        self.restore(module)
    }

    /// New tensors with the values of a flat buffer.
    fn tensors(&self, flat: &Handle) -> Result<Vec<CubeTensor>, Error> {
        let handles = self.packing.unpack(flat)?;
        let tensors = handles.into_iter().zip(self.layout().tensors()).map(|(handle, tensor)| {
            CubeTensor::new_contiguous(
                self.client.clone(),
                self.cube_device.clone(),
                Shape::from(tensor.shape.clone()),
                handle,
                DType::F32,
            )
        });
        Ok(tensors.collect())
    }

    /// The true parameters, `[P]`, in the order of the [`layout`](Self::layout). This waits for the
    /// device and reads from it.
    ///
    /// # Errors
    ///
    /// If the device failed, now or in a step before.
    pub fn parameters(&self) -> Result<Vec<f32>, Error> {
        Ok(self.core.download(&self.params)?)
    }

    /// Names and shapes of the tensors that are trained, in the order of a visit.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.roster.layout()
    }
}
