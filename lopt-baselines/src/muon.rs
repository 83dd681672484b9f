//! Muon (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon/>): momentum whose matrices
//! are made orthogonal; Adam for everything else.
//!
//! ```text
//! m <- mu m + (1 - mu) g                                     matrices
//! U = orthogonal((1 - mu) g + mu m)
//! theta <- (1 - lr lambda) theta - lr sqrt(max(1, rows / columns)) U
//! ```
//!
//! with `mu = 0.95`; `orthogonal` is five Newton-Schulz steps with the author's coefficients, in
//! `f32`, where his code rounds to bfloat16. The scale is that of his `muon.py` and of
//! `torch.optim.Muon`. A tensor `[d0, d1, ...]` of more than two dimensions is the matrix
//! `[d0, d1 ...]`, also in the scale (his code takes the kernel's own extents there).
//!
//! Tensors of 0 or 1 dimensions take AdamW's step with a rate of their own, `beta1 = 0.9`,
//! `beta2 = 0.95`, `eps = 1e-10`: the defaults of his `SingleDeviceMuonWithAuxAdam`. He advises Adam
//! for embeddings and the last layer too: [`Muon::with_adam_for`].
//!
//! [`Muon::with_rms_matched_rate`] replaces the scale by `0.2 sqrt(max(rows, columns))`, with which a
//! matrix moves by about 0.2 `lr` in the root mean square, as with AdamW, so that one rate and one
//! decay do for all parameters (Liu et al. 2025, "Muon is Scalable for LLM Training",
//! arXiv:2502.16982, equation 4; `adjust_lr_fn="match_rms_adamw"` of `torch.optim.Muon`).

use crate::adam::AdamRule;
use crate::baseline::{expect_decay, expect_rate};
use crate::orthogonal::Orthogonal;
use lopt_core::adam::Pace;
use lopt_core::layout::{Layout, TensorShape};
use lopt_core::optimizer::{Optimizer, StepError, check_finite, check_lengths};
use lopt_core::schedule::Schedule;

/// Muon with an Adam for what is not a matrix; state `m`, and `v` outside of matrices.
#[derive(Debug, Clone)]
pub struct Muon {
    layout: Layout,
    learning_rate: f64,
    adam_rate: f64,
    adam: AdamRule,
    rms_matched: bool,
    momentum: f64,
    weight_decay: f64,
    schedule: Schedule,
    steps: u64,
    averages: Vec<f32>,
    /// `[T]`: one vector per tensor, empty for those that are matrices.
    mean_squares: Vec<Vec<f32>>,
    direction: Vec<f32>,
    orthogonal: Orthogonal,
}

impl Muon {
    /// Muon with this learning rate of matrices (the author's default is 0.02) and momentum 0.95; the
    /// rest takes Adam's step at rate 3e-4. No decay.
    ///
    /// # Panics
    ///
    /// If the learning rate is negative or not finite.
    pub fn new(layout: &Layout, learning_rate: f64) -> Self {
        expect_rate(learning_rate);
        let shapes = layout.tensors().iter();
        let vector = |tensor: &TensorShape| match is_matrix(tensor) {
            true => Vec::new(),
            false => vec![0.0; tensor.len()],
        };
        let mean_squares = shapes.clone().map(vector).collect();
        let matrices = || shapes.clone().filter(|t| is_matrix(t));
        let largest = matrices().map(TensorShape::len).max().unwrap_or(0);
        Self {
            layout: layout.clone(),
            learning_rate,
            adam_rate: 3e-4,
            adam: AdamRule::default().with_betas(0.9, 0.95).with_epsilon(1e-10),
            rms_matched: false,
            momentum: 0.95,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            steps: 0,
            averages: vec![0.0; layout.len()],
            mean_squares,
            direction: vec![0.0; largest],
            orthogonal: Orthogonal::with_space_for(matrices().map(rows_and_columns)),
        }
    }

    /// Sets the rate of Adam, for what is not a matrix.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_adam_rate(mut self, learning_rate: f64) -> Self {
        expect_rate(learning_rate);
        self.adam_rate = learning_rate;
        self
    }

    /// Scales the steps of matrices by `0.2 sqrt(max(rows, columns))`, to match the root mean square of
    /// AdamW's. The rest takes Adam's step at the same learning rate, unless a later
    /// [`with_adam_rate`](Self::with_adam_rate) sets another, with `eps = 1e-8` as in the authors'
    /// code (`examples/toy_train.py` of `MoonshotAI/Moonlight`).
    #[must_use]
    pub fn with_rms_matched_rate(mut self) -> Self {
        self.rms_matched = true;
        self.adam_rate = self.learning_rate;
        self.adam = self.adam.with_epsilon(1e-8);
        self
    }

    /// Leaves these matrices to Adam too: embeddings and the last layer, as the author advises.
    #[must_use]
    pub fn with_adam_for(mut self, chosen: impl Fn(&TensorShape) -> bool) -> Self {
        for (tensor, squares) in self.layout.tensors().iter().zip(&mut self.mean_squares) {
            if chosen(tensor) {
                squares.resize(tensor.len(), 0.0);
            }
        }
        self
    }

    /// Sets the momentum `mu`.
    ///
    /// # Panics
    ///
    /// If it is not in `[0, 1)`.
    #[must_use]
    pub fn with_momentum(mut self, momentum: f64) -> Self {
        assert!((0.0..1.0).contains(&momentum), "expected 0 <= momentum < 1, got {momentum}");
        self.momentum = momentum;
        self
    }

    /// Sets the decoupled decay `lambda` of all parameters.
    ///
    /// # Panics
    ///
    /// If it is negative or not finite.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
        expect_decay(weight_decay);
        self.weight_decay = weight_decay;
        self
    }

    /// Multiplies both rates of each step by a schedule.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }
}

fn is_matrix(tensor: &TensorShape) -> bool {
    tensor.shape.len() >= 2
}

fn rows_and_columns(tensor: &TensorShape) -> [usize; 2] {
    [tensor.shape[0], tensor.len() / tensor.shape[0]]
}

impl Optimizer for Muon {
    fn name(&self) -> &str {
        "muon"
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        let multiplier = self.schedule.multiplier(self.steps);
        self.steps += 1;
        let rate = self.learning_rate * multiplier;
        let adam = Pace { number: self.steps, learning_rate: self.adam_rate * multiplier };
        let (keep, blend) = (self.momentum as f32, (1.0 - self.momentum) as f32);
        let tensors = self.layout.tensors().iter().zip(self.layout.ranges());
        for ((tensor, range), v) in tensors.zip(&mut self.mean_squares) {
            let (params, grads) = (&mut params[range.clone()], &grads[range.clone()]);
            let m = &mut self.averages[range];
            if !v.is_empty() {
                let shrink = 1.0 - adam.learning_rate * self.weight_decay;
                self.adam.update_decayed(adam, shrink, params, grads, [m, v]);
                continue;
            }
            let direction = &mut self.direction[..params.len()];
            for ((u, m), &g) in direction.iter_mut().zip(m).zip(grads) {
                *m = keep * *m + blend * g;
                *u = blend * g + keep * *m;
            }
            let shape = rows_and_columns(tensor);
            self.orthogonal.apply(direction, shape);
            let [rows, columns] = shape.map(|extent| extent as f64);
            let scale = match self.rms_matched {
                true => 0.2 * rows.max(columns).sqrt(),
                false => (rows / columns).max(1.0).sqrt(),
            };
            let (move_by, shrink) =
                ((rate * scale) as f32, (1.0 - rate * self.weight_decay) as f32);
            for (p, &u) in params.iter_mut().zip(&*direction) {
                *p = shrink * *p - move_by * u;
            }
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let squares = self.mean_squares.iter().map(Vec::len).sum::<usize>();
        (self.averages.len() + squares) * size_of::<f32>()
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.averages.fill(0.0);
        self.mean_squares.iter_mut().for_each(|v| v.fill(0.0));
    }
}
