//! How many operations a step and its way back need, counted from the configuration.
//!
//! Counted are the operations of the update rule (`docs/paper-rule.md`), each once: what a kernel
//! computes twice, pads, or moves about is its own affair and not part of the floor. Per
//! parameter, with F inputs, H hidden units, S timescales and M mean squares:
//!
//! * multiply-adds: `3 H (F + H)` of the GRU, `H` and the shortcut's `S` for every readout;
//! * functions: `2 H` sigmoids and `H` tanhs of the GRU, one sigmoid per learned decay, S times a
//!   root, a division and with `asinh` that, S logarithms, the roots of the decay chains, one
//!   exponential per step;
//! * everything else (gates, averages, clips, sums, the update itself) is an addition or a
//!   multiplication, or both at once.
//!
//! Tensor and Global RNN are counted per tensor and per problem.

use std::ops::{Add, Mul};

use lopt_core::HierarchicalRnnConfig;
use lopt_core::config::{Normalization, RelativeRate};

/// Numbers of operations.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Operations {
    /// Of matrix products.
    pub multiply_adds: f64,
    /// Additions, multiplications, comparisons, each fused where it can be.
    pub simple: f64,
    /// Of each function, in the order of [`FUNCTIONS`](lopt_simd::throughput::FUNCTIONS).
    pub functions: [f64; 7],
}

impl Operations {
    /// A whole step over a model of `parameters` in `tensors`, per parameter.
    pub fn of_step(c: &HierarchicalRnnConfig, parameters: usize, tensors: usize) -> Self {
        let share = 1.0 / parameters as f64;
        of_parameter(c) + of_tensor(c) * (tensors as f64 * share) + of_problem(c) * share
    }

    /// A step of a relative RNN, per parameter; the networks are counted as nothing beside it.
    ///
    /// 14 for the averages, 4 for the direction, 11 for the three points, 3 for what is summed, 9 sums
    /// of products, a comparison; the roots of the mean square and of the bound, and two divisions.
    pub fn of_relative_step() -> Self {
        let functions = [0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0];
        Self { multiply_adds: 0.0, simple: 42.0, functions }
    }

    /// A step and the way back through it, per parameter.
    ///
    /// Back, every matrix product comes twice: by the transposed matrix, and as the outer product
    /// of the weights' gradient. Gates, roots and exponentials are kept; new are the derivatives of
    /// asinh (a root, a division), of the logarithm and of the decay chains (a division each).
    pub fn of_meta(c: &HierarchicalRnnConfig, parameters: usize, tensors: usize) -> Self {
        let forward = Self::of_step(c, parameters, tensors);
        let (h, s, m) = sizes(c);
        let inputs = c.features() as f64;
        let asinh = if c.asinh { s } else { 0.0 };
        let logged = if c.log_mean_squares { s } else { 0.0 };
        let back = Self {
            multiply_adds: 2.0 * forward.multiply_adds,
            // 17 per hidden unit (three gates, their deltas, the biases), 8 per scaled gradient,
            // 4 per logarithm, 12 per average and 4 per mean square, 12 for the update.
            simple: 17.0 * h + 8.0 * s + 4.0 * logged + 12.0 * s + 4.0 * m + inputs + 12.0,
            functions: [0.0, 0.0, 0.0, 0.0, 0.0, asinh, asinh + logged + chains(c)],
        };
        forward + back
    }

    /// Nanoseconds on one core, given what one multiply-add and each function costs.
    pub fn ns(&self, multiply_add_ns: f64, function_ns: &[f64; 7]) -> f64 {
        let functions = self.functions.iter().zip(function_ns).map(|(n, ns)| n * ns);
        (self.multiply_adds + self.simple) * multiply_add_ns + functions.sum::<f64>()
    }
}

/// Bytes that one step must move per parameter when the state is too large for the caches.
///
/// The state and the parameter are read and written, the gradient is read. A norm over the tensor
/// makes a second pass: between them every direction times its rate is kept, one number. The size
/// of the parameters is another norm.
pub fn step_bytes(c: &HierarchicalRnnConfig) -> f64 {
    2.0 * (size_of::<f32>() * c.state_floats()) as f64 + point_bytes(c)
}

/// The same with a compact state: hidden vector, averages and mean squares in two bytes, the log
/// rate in four.
pub fn compact_step_bytes(c: &HierarchicalRnnConfig) -> f64 {
    let narrow = c.parameter_hidden + c.timescales + c.mean_squares();
    2.0 * (2 * narrow + size_of::<f32>()) as f64 + point_bytes(c)
}

/// Parameter, gradient, and what is kept between the passes.
fn point_bytes(c: &HierarchicalRnnConfig) -> f64 {
    let kept = match c.normalization {
        Normalization::None => 0,
        _ => 1 + usize::from(c.attention),
    };
    (size_of::<f32>() * (2 + 1 + 2 * kept + usize::from(c.parameter_scale))) as f64
}

/// Bytes that a step of Adam moves per parameter: parameter, average and mean square read and
/// written, the gradient read.
pub const ADAM_BYTES: f64 = 28.0;

/// Bytes that a step of a relative RNN moves per parameter: gradient, two averages, iterate and
/// parameter read; two averages, iterate, parameter and attended point written.
pub const RELATIVE_BYTES: f64 = 40.0;

fn sizes(c: &HierarchicalRnnConfig) -> (f64, f64, f64) {
    (c.parameter_hidden as f64, c.timescales as f64, c.mean_squares() as f64)
}

/// Roots between the decays of neighbouring timescales.
fn chains(c: &HierarchicalRnnConfig) -> f64 {
    let (_, s, m) = sizes(c);
    let of_squares = if c.rms_decay_per_scale { m - 1.0 } else { 0.0 };
    s - 1.0 + of_squares
}

/// The Parameter RNN with everything around it.
fn of_parameter(c: &HierarchicalRnnConfig) -> Operations {
    let (h, s, m) = sizes(c);
    let inputs = c.features() as f64;
    let count = |on: bool| f64::from(on);
    let directions = 1.0 + count(c.attention);
    let decays = count(c.learnable_decay) + count(c.learns_gradient_decay());
    let readouts = directions + count(c.dynamic_output_scale) + decays;
    let shortcuts = count(c.gradient_shortcut) * directions;
    let products = count(c.gradient_products) * (s - 1.0);
    let logged = count(c.log_mean_squares) * s;
    let relative = count(c.relative_rate != RelativeRate::Off);
    // averages 2, mean squares 3, scaled gradients 1, logarithms 3, gates 4 per unit, log rate 5,
    // means for the Tensor RNN, lengths and the update 4 per direction
    let averages = 2.0 * s + 3.0 * m + s + products + 3.0 * logged + relative;
    let simple = averages + 4.0 * h + 5.0 + (h + inputs + 1.0) + 4.0 * directions;
    Operations {
        multiply_adds: 3.0 * h * (inputs + h) + h * readouts + s * shortcuts,
        simple,
        functions: [
            2.0 * h + decays,
            h,
            count(c.dynamic_output_scale) * directions,
            logged,
            count(c.asinh) * s,
            s + chains(c),
            s,
        ],
    }
}

/// One Tensor RNN, with the bias it gives to its parameters.
fn of_tensor(c: &HierarchicalRnnConfig) -> Operations {
    let (hp, ht) = (c.parameter_hidden as f64, c.tensor_hidden as f64);
    cell(hp + c.features() as f64, ht, hp)
}

/// The Global RNN, with the biases it gives to the others.
fn of_problem(c: &HierarchicalRnnConfig) -> Operations {
    let (hp, ht) = (c.parameter_hidden as f64, c.tensor_hidden as f64);
    cell(ht, c.global_hidden as f64, hp + ht)
}

/// A GRU with its mean for the level above, and the biases of so many units below.
fn cell(inputs: f64, hidden: f64, below: f64) -> Operations {
    Operations {
        multiply_adds: 3.0 * hidden * (inputs + hidden) + 3.0 * hidden * below,
        simple: 5.0 * hidden + inputs,
        functions: [2.0 * hidden, hidden, 0.0, 0.0, 0.0, 0.0, 0.0],
    }
}

impl Add for Operations {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            multiply_adds: self.multiply_adds + other.multiply_adds,
            simple: self.simple + other.simple,
            functions: std::array::from_fn(|i| self.functions[i] + other.functions[i]),
        }
    }
}

impl Mul<f64> for Operations {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self {
            multiply_adds: self.multiply_adds * factor,
            simple: self.simple * factor,
            functions: self.functions.map(|n| n * factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sizes() {
        let c = HierarchicalRnnConfig::released();
        // 12 inputs, 10 hidden units, 4 readouts, a shortcut over 4 timescales
        assert_eq!(of_parameter(&c).multiply_adds, (3 * 10 * 22 + 4 * 10 + 4) as f64);
        assert_eq!(of_parameter(&c).functions, [22.0, 10.0, 1.0, 4.0, 4.0, 7.0, 4.0]);
        assert_eq!(of_tensor(&c).multiply_adds, (3 * 20 * 42 + 3 * 20 * 10) as f64);
        assert_eq!(of_problem(&c).multiply_adds, (3 * 20 * 40 + 3 * 20 * 30) as f64);
        // 21 floats of state both ways, parameter, gradient, direction
        assert_eq!(step_bytes(&c), 4.0 * (42.0 + 3.0 + 2.0));
        // 18 halves and a float both ways
        assert_eq!(compact_step_bytes(&c), 2.0 * (36.0 + 4.0) + 4.0 * (3.0 + 2.0));
    }

    #[test]
    fn upper_levels_vanish_in_large_models() {
        let c = HierarchicalRnnConfig::recommended();
        let costs =
            |parameters, tensors| Operations::of_step(&c, parameters, tensors).ns(1.0, &[10.0; 7]);
        assert!(costs(1_000_000, 1) < 1.01 * of_parameter(&c).ns(1.0, &[10.0; 7]));
        assert!(costs(1000, 100) > 1.2 * costs(1_000_000, 1));
        let meta = Operations::of_meta(&c, 20, 1);
        assert!(meta.multiply_adds == 3.0 * Operations::of_step(&c, 20, 1).multiply_adds);
    }
}
