//! The optimizer of a whole module: attended point out, gradients in, true parameters out.

use crate::attended::Attended;
use crate::config::LearnedOptimizerConfig;
use crate::error::Error;
use crate::gather;
use crate::roster::Roster;
use crate::scatter::scatter;
use burn::module::Module;
use burn::optim::GradientsParams;
use lopt_core::{Given, GuardEvent, Optimizer as _};

/// A learned optimizer for a burn module.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use lopt_burn::LearnedOptimizer;
///
/// let device = Device::default().autodiff();
/// let mut model = LinearConfig::new(3, 1).init(&device);
/// let x = Tensor::<2>::from_floats([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]], &device);
/// let mut optimizer = LearnedOptimizer::pretrained(&model)?;
/// let mut losses = Vec::new();
/// for _ in 0..100 {
///     let loss;
///     (model, loss) = optimizer.step(model, |attended| {
///         let loss = attended.forward(x.clone()).sub_scalar(1.0).square().mean();
///         let value = loss.clone().into_scalar();
///         (value, GradientsParams::from_grads(loss.backward(), attended))
///     })?;
///     losses.push(loss);
/// }
/// assert!(losses[99] < 0.01 * losses[0], "{losses:?}");
/// # Ok::<(), lopt_burn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LearnedOptimizer {
    pub(crate) core: lopt_core::LearnedOptimizer,
    pub(crate) roster: Roster,
    /// `[P]`: the true parameters in full precision.
    pub(crate) params: Vec<f32>,
    /// `[P]`, and `[T]` beside it: what the last gradients were copied to. A tensor without one has an
    /// older one here, which the core does not look at.
    grads: Vec<f32>,
    has_gradient: Vec<bool>,
    /// Counts everything that moves the attended point.
    pub(crate) round: u64,
    /// Whether there is a memory that a change of the module would not fit to.
    pub(crate) begun: bool,
}

impl LearnedOptimizer {
    /// The embedded weights and default settings.
    ///
    /// # Errors
    ///
    /// If no parameter requires a gradient or one is of a type that is not supported.
    pub fn pretrained<M: Module>(module: &M) -> Result<Self, Error> {
        LearnedOptimizerConfig::new().init(module)
    }

    /// An optimizer of all parameters that require a gradient, as
    /// [`LearnedOptimizerConfig::init`] gives it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new<M: Module>(module: &M, config: LearnedOptimizerConfig) -> Result<Self, Error> {
        config.init(module)
    }

    pub(crate) fn build<M: Module>(
        config: &lopt_core::LearnedOptimizerConfig,
        module: &M,
    ) -> Result<Self, Error> {
        let roster = Roster::of(module)?;
        let layout = roster.layout();
        let mut optimizer = Self {
            core: config.init(layout)?,
            params: vec![0.0; layout.len()],
            grads: vec![0.0; layout.len()],
            has_gradient: vec![false; layout.tensor_count()],
            roster,
            round: 0,
            begun: false,
        };
        optimizer.take(module)?;
        Ok(optimizer)
    }

    /// One step: the closure gets the module at the attended point and gives back the loss and the
    /// gradients there; the answer is the module with the true parameters, and that loss.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for or was changed by others; without a
    /// guard, if a gradient is not finite.
    pub fn step<M, F>(&mut self, module: M, gradients: F) -> Result<(M, f32), Error>
    where
        M: Module,
        F: FnOnce(&M) -> (f32, GradientsParams),
    {
        let attended = self.attend(&module)?;
        let (loss, grads) = gradients(&attended);
        Ok((self.apply(module, attended, grads, loss)?, loss))
    }

    /// First half of a step, for loops that do not fit into a closure: a copy of the module at the
    /// attended point. Gradients of any number of batches may be taken there and added up, by
    /// burn's `GradientsAccumulator`, then [`apply`](Self::apply) makes one step of them.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for.
    pub fn attend<M: Module>(&mut self, module: &M) -> Result<Attended<M>, Error> {
        if !self.begun {
            // nothing is remembered yet, so what was loaded since `init` may count
            self.take(module)?;
        }
        let point = self.core.attended(&self.params);
        let module = scatter(&self.roster, module.clone(), point)?;
        Ok(Attended { module, round: self.round })
    }

    /// Second half of a step: takes the attended module back and moves the true parameters.
    ///
    /// * `gradients`: taken from `attended`; a parameter without one stays as it is.
    /// * `loss`: there, for the guard, which sees more with it; `None` if it is not known.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and if `attended` belongs to an earlier step.
    pub fn apply<M: Module>(
        &mut self,
        module: M,
        attended: Attended<M>,
        gradients: GradientsParams,
        loss: impl Into<Option<f32>>,
    ) -> Result<M, Error> {
        self.apply_mean(module, attended, gradients, 1, loss.into())
    }

    /// The same with the mean of the gradients of several batches, given their sum.
    pub(crate) fn apply_mean<M: Module>(
        &mut self,
        module: M,
        attended: Attended<M>,
        sum: GradientsParams,
        batches: usize,
        loss: Option<f32>,
    ) -> Result<M, Error> {
        let (expected, got) = (self.round, attended.round);
        if expected != got {
            return Err(Error::Stale { expected, got });
        }
        self.check(&module)?;
        self.has_gradient.fill(false);
        for (slot, data) in gather::gradients(&self.roster, &attended.module, &sum)? {
            let grads = &mut self.grads[self.roster.layout().range(slot)];
            gather::copy(data, grads)?;
            if batches > 1 {
                grads.iter_mut().for_each(|g| *g /= batches as f32);
            }
            self.has_gradient[slot] = true;
        }
        if self.has_gradient.iter().all(|has| !has) {
            return Err(Error::NoGradients { tensors: self.has_gradient.len() });
        }
        let given = Given { loss, has_gradient: &self.has_gradient, ..Given::default() };
        self.core.step_given(&mut self.params, &self.grads, given)?;
        self.round += 1;
        self.begun = true;
        self.restore(module)
    }

    /// Writes the true parameters into a module of the same parameters, which may be on another
    /// device or of another type.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for.
    pub fn restore<M: Module>(&self, module: M) -> Result<M, Error> {
        scatter(&self.roster, module, &self.params)
    }

    /// Accepts parameters that others wrote to the module since the last step, by loading a record
    /// for example. What the networks remember belongs to another point, so they begin anew: the
    /// next step is a first step. Without such a change nothing happens.
    ///
    /// # Errors
    ///
    /// If the module is not the one the optimizer was made for.
    pub fn sync<M: Module>(&mut self, module: &M) -> Result<(), Error> {
        match self.check(module) {
            Err(Error::Changed { .. }) => {
                self.take(module)?;
                self.core.reset();
                self.round += 1;
                self.begun = false;
                Ok(())
            }
            other => other,
        }
    }

    /// Copies the module's parameters.
    fn take<M: Module>(&mut self, module: &M) -> Result<(), Error> {
        for (slot, data) in gather::parameters(&self.roster, module)? {
            gather::copy(data, &mut self.params[self.roster.layout().range(slot)])?;
        }
        Ok(())
    }

    /// Whether the module holds what the last step wrote.
    pub(crate) fn check<M: Module>(&self, module: &M) -> Result<(), Error> {
        let layout = self.roster.layout();
        for (slot, data) in gather::parameters(&self.roster, module)? {
            if !gather::holds(&data, &self.params[layout.range(slot)])? {
                return Err(Error::Changed { name: layout.tensors()[slot].name.clone() });
            }
        }
        Ok(())
    }

    /// Calls a function at every event of the guard. Events also go to `tracing`, as warnings.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&GuardEvent) + Send + Sync + 'static) -> Self {
        self.core = self.core.on_event(listener);
        self
    }
}
