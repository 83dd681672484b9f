//! The optimizer, driven by closures: the loss is computed at the attended point and nowhere else.

use crate::Error;
use crate::attended::{Holds, Model};
use crate::gradients::Gradients;
use crate::variables::{NamedVars, Variables};
use candle_core::Tensor;
use lopt_core::{Given, GuardEvent, LearnedOptimizerConfig, Optimizer as _};
use std::fmt;

/// Trains the variables of a candle model; the [crate page](crate) shows both ways to use it.
///
/// [`minimize`](Self::minimize) is right wherever one optimizer trains all that the loss depends on. As a
/// [`candle_nn::Optimizer`] it takes the place of AdamW in existing loops; then the variables hold
/// the attended point between steps, and [`eval`](Self::eval) puts the true parameters in.
///
/// Dropping the optimizer leaves the true parameters in the variables.
///
/// A clone remembers parameters and state as they are at that moment and shares the variables, so only
/// one of the two can train at a time: [`restore`](Self::restore) goes on with a clone from there.
#[derive(Clone)]
pub struct LearnedOptimizer {
    pub(crate) core: lopt_core::LearnedOptimizer,
    pub(crate) model: Model,
    pub(crate) gradients: Gradients,
    /// What [`set_lr_multiplier`](Self::set_lr_multiplier) was given last.
    pub(crate) multiplier: f32,
}

/// Short: the state would be megabytes.
impl fmt::Debug for LearnedOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl LearnedOptimizer {
    /// The weights inside `lopt-core` and default settings; `variables` as in [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn pretrained(variables: impl Into<NamedVars>) -> Result<Self, Error> {
        Self::new(variables, LearnedOptimizerConfig::new())
    }

    /// An optimizer of these variables: a `&VarMap`, pairs of names and variables, or variables alone
    /// ([`NamedVars`]).
    ///
    /// A variable that occurs twice (tied weights) is one tensor with its first name; variables of
    /// integers, and those without elements, are left out.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use lopt_candle::{LearnedOptimizer, LearnedOptimizerConfig};
    ///
    /// let variables = VarMap::new();
    /// let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    /// let layer = candle_nn::linear(3, 2, builder.pp("layer"))?;
    /// let config = LearnedOptimizerConfig::new().with_weight_decay(1e-5);
    /// let mut optimizer = LearnedOptimizer::new(&variables, config)?;
    /// let loss = optimizer.minimize(|| layer.weight().sqr()?.sum_all())?;
    /// assert!(loss > 0.0);
    /// # Ok::<(), lopt_candle::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no variable, one cannot be read, two have one name, or the settings do not fit.
    pub fn new(
        variables: impl Into<NamedVars>,
        config: LearnedOptimizerConfig,
    ) -> Result<Self, Error> {
        let variables = Variables::new(variables.into())?;
        let core = config.init(variables.layout())?;
        let gradients = Gradients::new(&variables);
        let model = Model::new(variables)?;
        Ok(Self { core, model, gradients, multiplier: 1.0 })
    }

    /// One step; returns the loss.
    ///
    /// While `loss` runs, the variables hold the attended point; before and after, whatever
    /// happens, the true parameters. If the loss has several elements, their sum is minimised.
    ///
    /// # Errors
    ///
    /// If `loss` fails, knows none of the variables, or one of them was changed from outside; a
    /// gradient that is not finite is one only without a guard. No step is taken then.
    pub fn minimize(
        &mut self,
        loss: impl FnOnce() -> candle_core::Result<Tensor>,
    ) -> Result<f32, Error> {
        self.at_attended(|gradients, variables| gradients.add_loss(variables, &loss()?))
    }

    /// One step with the mean of the gradients of several batches; returns the mean of the losses.
    ///
    /// `loss` is called with 0, 1, and so on below `batches`, and only one graph is alive at a time.
    ///
    /// # Errors
    ///
    /// As [`minimize`](Self::minimize), and if there are no batches.
    pub fn minimize_batches(
        &mut self,
        batches: usize,
        mut loss: impl FnMut(usize) -> candle_core::Result<Tensor>,
    ) -> Result<f32, Error> {
        if batches == 0 {
            return Err(Error::NoBatches);
        }
        self.at_attended(|gradients, variables| {
            let mut sum = 0.0;
            for batch in 0..batches {
                sum += gradients.add_loss(variables, &loss(batch)?)?;
            }
            gradients.average(batches);
            Ok(sum / batches as f32)
        })
    }

    /// A step from the true parameters to the true parameters, gathering in between.
    fn at_attended(
        &mut self,
        gather: impl FnOnce(&mut Gradients, &Variables) -> Result<f32, Error>,
    ) -> Result<f32, Error> {
        self.model.settle(&self.core)?;
        let stepped = self.gather_and_advance(gather);
        // after a failure too
        let put = self.model.put(Holds::True, &self.core);
        let loss = stepped?;
        put.map(|()| loss)
    }

    fn gather_and_advance(
        &mut self,
        gather: impl FnOnce(&mut Gradients, &Variables) -> Result<f32, Error>,
    ) -> Result<f32, Error> {
        self.model.put(Holds::Attended, &self.core)?;
        self.gradients.clear();
        let loss = gather(&mut self.gradients, &self.model.variables)?;
        self.advance(Some(loss))?;
        Ok(loss)
    }

    /// A step with the gradients that have been gathered, the variables holding the attended point.
    pub(crate) fn advance(&mut self, loss: Option<f32>) -> Result<(), Error> {
        let Self { core, model, gradients, .. } = self;
        gradients.check()?;
        // the forward pass may have written to variables without gradients
        model.settle(core)?;
        let given = Given { loss, has_gradient: &gradients.present, ..Given::default() };
        core.step_given(&mut model.params, &gradients.values, given)?;
        model.engage(&gradients.present, core);
        Ok(())
    }

    /// Takes what is in the variables as the parameters and begins anew: what the networks
    /// remember belongs to the old ones, so it is forgotten, with the guard's memory and the place
    /// in the schedule.
    ///
    /// Needed after writing to the variables (loading other weights, say) once training has begun;
    /// before the first step they may be written to freely.
    ///
    /// # Errors
    ///
    /// If a variable cannot be read.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.core.reset();
        self.model.start_from_variables()
    }

    /// Puts the true parameters into the variables, whatever has been written there since: this
    /// optimizer, or a clone of an earlier moment, goes on from them. For candle's trait, call
    /// [`train`](Self::train) then.
    ///
    /// # Errors
    ///
    /// If a variable cannot be read or written.
    pub fn restore(&mut self) -> Result<(), Error> {
        self.model.restore(&self.core)
    }

    /// Calls a function at every event of the guard; see [`GuardEvent`]. Events also go to
    /// `tracing`, as warnings.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&GuardEvent) + Send + Sync + 'static) -> Self {
        self.core = self.core.on_event(listener);
        self
    }

    /// Multiplies the length of every step from now on, beside schedule and groups; 1 at first.
    ///
    /// # Panics
    ///
    /// If the multiplier is negative or not finite.
    pub fn set_lr_multiplier(&mut self, multiplier: f32) {
        self.core.set_lr_multiplier(multiplier);
        self.multiplier = multiplier;
    }

    /// Name of every tensor and root mean square of its last step, in units of the parameters.
    #[must_use]
    pub fn effective_step(&self) -> Vec<(&str, f32)> {
        let names = self.core.layout().tensors().iter().map(|tensor| tensor.name.as_str());
        names.zip(self.core.effective_step()).collect()
    }

    /// Whether the guard has had Adam take over.
    #[must_use]
    pub fn has_fallen_back(&self) -> bool {
        self.core.has_fallen_back()
    }

    /// The optimizer inside, for all else there is to read: [`steps`](lopt_core::LearnedOptimizer::steps),
    /// and [`without_gradient`](lopt_core::LearnedOptimizer::without_gradient), the variables that no
    /// loss has depended on.
    #[must_use]
    pub fn core(&self) -> &lopt_core::LearnedOptimizer {
        &self.core
    }

    /// The true parameters in full precision, `[P]`: the tensors of
    /// [`core().layout()`](Self::core) one after another.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.model.params
    }
}
