//! The optimizer in the place of AdamW: candle's trait, and the switch that goes with it.

use crate::attended::Holds;
use crate::gradients::Gradients;
use crate::variables::Variables;
use crate::{Error, LearnedOptimizer, LearnedOptimizerConfig};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};

/// Between steps the variables hold the **attended** point, at which losses and gradients are to be
/// computed; [`eval`](LearnedOptimizer::eval) puts the true parameters in and
/// [`train`](LearnedOptimizer::train) goes back.
impl candle_nn::Optimizer for LearnedOptimizer {
    type Config = LearnedOptimizerConfig;

    /// As [`LearnedOptimizer::new`], for code that is generic over optimizers.
    fn new(vars: Vec<Var>, config: Self::Config) -> candle_core::Result<Self> {
        Ok(Self::new(vars, config)?)
    }

    /// A step with gradients that were taken at what the variables hold.
    ///
    /// [`backward_step`](candle_nn::Optimizer::backward_step) also shows the loss to the guard, which sees more
    /// with it.
    fn step(&mut self, grads: &GradStore) -> candle_core::Result<()> {
        Ok(self.step_with(|gradients, model| gradients.add(model, grads).map(|()| None))?)
    }

    fn backward_step(&mut self, loss: &Tensor) -> candle_core::Result<()> {
        Ok(self.step_with(|gradients, model| gradients.add_loss(model, loss).map(Some))?)
    }

    /// The multiplier of the step length, 1 at first: the networks choose the rates themselves.
    fn learning_rate(&self) -> f64 {
        f64::from(self.multiplier)
    }

    /// As [`set_lr_multiplier`](LearnedOptimizer::set_lr_multiplier). **Not a learning rate**: code
    /// that sets AdamW's 1e-3 would make every step a thousandth as long; a schedule that sets a
    /// fraction of the initial rate works as it is.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite in `f32`.
    fn set_learning_rate(&mut self, lr: f64) {
        self.set_lr_multiplier(lr as f32);
    }
}

impl LearnedOptimizer {
    /// A step whose variables hold the attended point before and after.
    fn step_with(
        &mut self,
        gather: impl FnOnce(&mut Gradients, &Variables) -> Result<Option<f32>, Error>,
    ) -> Result<(), Error> {
        if self.model.holds == Holds::True {
            return Err(Error::Evaluating);
        }
        self.gradients.clear();
        let loss = gather(&mut self.gradients, &self.model.variables)?;
        self.advance(loss)?;
        self.model.put(Holds::Attended, &self.core)
    }

    /// Puts the true parameters into the variables: to evaluate, or to save them.
    ///
    /// Until [`train`](Self::train), steps through candle's trait are refused. Needed with the trait
    /// only: around [`minimize`](Self::minimize) the variables hold the true parameters anyway.
    ///
    /// # Errors
    ///
    /// If a variable was changed from outside or cannot be written.
    pub fn eval(&mut self) -> Result<(), Error> {
        self.model.settle(&self.core)?;
        self.model.put(Holds::True, &self.core)
    }

    /// Puts the attended point into the variables: to go on with steps through candle's trait after
    /// [`eval`](Self::eval), [`load`](Self::load) or [`minimize`](Self::minimize).
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval).
    pub fn train(&mut self) -> Result<(), Error> {
        self.model.settle(&self.core)?;
        self.model.put(Holds::Attended, &self.core)
    }

    /// Runs `measure` with the true parameters in the variables, then puts back what was there.
    ///
    /// ```
    /// # use candle_core::{Device, Var};
    /// # use candle_nn::Optimizer;
    /// # use lopt_candle::{LearnedOptimizer, LearnedOptimizerConfig};
    /// # let w = Var::ones(3, candle_core::DType::F32, &Device::Cpu)?;
    /// let mut optimizer = LearnedOptimizer::new(vec![w.clone()], LearnedOptimizerConfig::new())?;
    /// for _ in 0..3 {
    ///     optimizer.backward_step(&w.sqr()?.sum_all()?)?;
    /// }
    /// let answer = optimizer.evaluate(|| w.to_vec1::<f32>())??;
    /// assert_ne!(answer, w.to_vec1::<f32>()?);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval); what `measure` returns, errors included, is inside.
    pub fn evaluate<R>(&mut self, measure: impl FnOnce() -> R) -> Result<R, Error> {
        let before = self.model.holds;
        self.eval()?;
        let measured = measure();
        if before == Holds::Attended {
            self.train()?;
        }
        Ok(measured)
    }
}
