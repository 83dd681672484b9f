//! One loss for every operation, as a function of sizes and a broadcasting pattern.

use lopt_grad::{Operation, Real, ScalarFn, Tape, Var};

/// A loss that uses one operation; `variant` picks a way of using it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    /// Extents, each at least 1.
    pub(crate) sizes: [usize; 4],
    pub(crate) variant: usize,
}

/// Makes the result a scalar with a Hessian: `sum w y + sum y^2 / 2` with uneven weights.
fn finish<'t, R: Real>(tape: &'t Tape<R>, y: Var<'t, R>) -> Var<'t, R> {
    let weights = tape.constant_from(&y.shape(), |i| R::from_f64((i as f64 * 0.61).cos()));
    (y * weights).sum() + 0.5 * y.square().sum()
}

impl Case {
    /// Shapes of the tensors the loss takes.
    pub(crate) fn shapes(&self) -> Vec<Vec<usize>> {
        use Operation as O;
        let [a, b, c, d] = self.sizes;
        match self.operation {
            O::Add | O::Sub | O::Mul | O::Div | O::Maximum | O::Minimum => {
                // The bits of the variant turn axes of either operand into 1.
                let bit = |i: usize, n: usize| if self.variant >> i & 1 == 1 { 1 } else { n };
                let first = vec![bit(0, a), bit(1, b), bit(2, c)];
                let second = [bit(3, a), bit(4, b), bit(5, c)];
                // Drop leading axes of the second now and then.
                let drop = if self.variant & 8 == 8 { self.variant % 3 } else { 0 };
                vec![first, second[drop..].to_vec()]
            }
            O::Dot => vec![vec![a, b, 4 * c], vec![a, b, 4 * c]],
            O::MatMul if self.variant % 35 == 22 => vec![vec![2, 17, 16], vec![2, 16, 17]],
            O::MatMul if self.variant % 5 == 2 => vec![vec![a, b, c], vec![a, c, d]],
            O::MatMul if self.variant % 5 == 4 => vec![vec![a, b, c], vec![c, d]],
            O::MatMul if self.variant.is_multiple_of(3) => vec![vec![4 * a, b], vec![b, 1]],
            // Large enough for the other matrix product of the real numbers.
            O::MatMul if self.variant % 7 == 1 => vec![vec![17, 16], vec![16, 17]],
            O::MatMul => vec![vec![a + 2 * b, b + c], vec![b + c, c + d]],
            O::SolveSpd => vec![vec![a + 1, b], vec![b, c]],
            O::Transpose if self.variant % 2 == 1 => vec![vec![a, b, c]],
            O::Transpose | O::GatherRows => vec![vec![a + 1, b]],
            O::Concat => vec![vec![a, b, c], vec![a, d, c]],
            O::CausalSoftmax => vec![vec![a, b, c, c]],
            O::Conv2d => vec![vec![a, b + 2, c + 2, d], vec![b, c, d, a]],
            // As many units as there are lanes: computed by another kernel in f32.
            O::LstmCell if self.variant % 4 == 1 => vec![vec![2, 64], vec![2, 16]],
            O::LstmCell => vec![vec![a, 4 * b], vec![a, b]],
            O::MaxPool2d | O::AvgPool2d => vec![vec![a, b + 2, c + 3, d]],
            _ => vec![vec![a, b, c, d]],
        }
    }

    /// Number of elements of all tensors.
    pub(crate) fn elements(&self) -> usize {
        self.shapes().iter().map(|shape| shape.iter().product::<usize>()).sum()
    }
}

impl ScalarFn for Case {
    fn eval<'t, R: Real>(&self, tape: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        use Operation as O;
        let v = x[0];
        let positive = || v.square() + 0.5;
        let variant = self.variant;
        let y = match self.operation {
            O::Scale if variant.is_multiple_of(3) => -v,
            O::Scale if variant % 3 == 1 => v / 3.0,
            O::Scale => 2.5 * v,
            O::Shift if variant.is_multiple_of(2) => v - 1.5,
            O::Shift => 1.5 - v,
            O::Exp => v.exp(),
            O::Ln => positive().ln(),
            O::Sqrt => positive().sqrt(),
            O::Square => v.square(),
            O::Abs => v.abs(),
            O::Sin => v.sin(),
            O::Cos => v.cos(),
            O::Tanh => v.tanh(),
            O::Sigmoid => v.sigmoid(),
            O::Relu => v.relu(),
            O::Softplus => v.softplus(),
            O::Gelu => v.gelu(),
            O::Asinh => v.asinh(),
            O::Recip => 2.0 / positive(),
            O::Powf => positive().powf(1.7),
            O::Powi => (0.5 * positive() + 0.5).powi(variant as i32 % 9 - 4),
            O::Add => v + x[1],
            O::Sub => v - x[1],
            O::Mul => v * x[1],
            O::Div => v / (x[1].square() + 0.5),
            O::Maximum => v.maximum(x[1]),
            O::Minimum => v.minimum(x[1]),
            O::Sum => match variant % 4 {
                0 => v.sum(),
                1 => v.mean(),
                2 => v.square().sum_axis(variant / 4 % 4),
                _ => v.square().mean_axis(variant / 4 % 4),
            },
            O::Max => v.max(),
            O::Min => v.min(),
            O::Dot if variant.is_multiple_of(2) => v.dot(v),
            O::Dot => v.dot(x[1]),
            O::MatMul => match variant % 4 {
                // A constant operand on either side: no tangent, no adjoint.
                0 => {
                    let constant = tape.constant_from(&v.shape(), |i| wave(i));
                    constant.matmul(x[1])
                }
                1 => {
                    let constant = tape.constant_from(&x[1].shape(), |i| wave(i));
                    v.matmul(constant)
                }
                _ => v.matmul(x[1]),
            },
            O::SolveSpd => {
                let n = v.shape()[1];
                let one = tape.constant_from(&[n, n], |i| {
                    R::from_f64(if i % (n + 1) == 0 { 2.0 } else { 0.0 })
                });
                (v.t().matmul(v) + one).solve_spd(x[1])
            }
            O::Transpose => v.t(),
            O::Reshape => v.reshape(&[v.shape().elements()]),
            O::Slice => {
                let axis = variant % 4;
                let extent = v.shape()[axis];
                let start = variant / 4 % extent;
                v.slice(axis, start, extent - start)
            }
            O::Concat => Var::concat(&[v, x[1], v], 1),
            O::GatherRows => v.gather_rows(&[1, 0, 1]),
            O::Softmax => v.softmax(),
            O::CausalSoftmax => v.causal_softmax(),
            O::LogSoftmax => v.log_softmax(),
            O::LogSumExp => v.log_sum_exp(),
            O::LayerNorm => v.layer_norm(0.1),
            O::Conv2d => v.conv2d(x[1]),
            O::MaxPool2d => v.max_pool2d(1 + variant % 3),
            O::LstmCell => v.lstm_cell(x[1]),
            O::AvgPool2d => v.avg_pool2d(1 + variant % 3),
        };
        finish(tape, y)
    }
}

fn wave<R: Real>(i: usize) -> R {
    R::from_lanes(|lane| ((i * 3 + lane) as f32 * 0.43).sin())
}

/// Distinct values in -2..2, none near zero, in an order that depends on `seed`: no finite
/// difference crosses a kink.
pub(crate) fn distinct(n: usize, seed: u64) -> Vec<f64> {
    let mut values: Vec<f64> = (0..n).map(|i| (i as f64 + 0.3) / n as f64 * 4.0 - 2.0).collect();
    let mut state = seed;
    for i in (1..n).rev() {
        // The generator of Knuth's MMIX; its upper bits are good enough to shuffle.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values.swap(i, (state >> 33) as usize % (i + 1));
    }
    for x in &mut values {
        if x.abs() < 1e-3 {
            *x = 1e-3;
        }
    }
    values
}
