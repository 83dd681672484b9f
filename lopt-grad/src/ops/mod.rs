//! All operations: the list, and for each its value and pullback side by side.
//!
//! A pullback reads the adjoint `g` of the result and adds to the adjoints of the inputs that
//! depend on a variable. It computes in the tape's scalar, so on duals it carries the tangent of
//! the gradient along: that is the Hessian-vector product.

mod conv;
mod elementwise;
mod index;
mod linear;
mod lstm;
mod reduce;
mod softmax;

use crate::arena::Node;
use crate::kernel::{Binary, Extremum, Loops, Pool, RowFunction, Unary};
use crate::real::Real;
use conv::Conv;

macro_rules! operations {
    ($($name:ident)*) => {
        /// The kinds of operations; [`Operation::ALL`] is the list that the tests must cover.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each is the method of Var of the same name")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

operations! {
    Scale Shift Exp Ln Sqrt Square Abs Sin Cos Tanh Sigmoid Relu Softplus Gelu Asinh Recip Powf Powi
    Add Sub Mul Div Maximum Minimum
    Sum Max Min Dot
    MatMul SolveSpd
    Transpose Reshape Slice Concat GatherRows
    Softmax CausalSoftmax LogSoftmax LogSumExp LayerNorm
    Conv2d MaxPool2d AvgPool2d
    LstmCell
}

/// A recorded operation with what its pullback needs beside the inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Variable,
    Constant,
    Unary(Unary),
    Binary(Binary, Loops),
    /// Sums and means: the extents summed over and behind it, and the factor.
    Sum {
        length: usize,
        inner: usize,
        scale: f64,
    },
    Extremum(Extremum),
    Dot,
    MatMul,
    SolveSpd,
    Transpose,
    Reshape,
    Slice {
        axis: usize,
        start: usize,
    },
    /// Operands in the tape's index list.
    Concat {
        axis: usize,
        first: usize,
        parts: usize,
    },
    /// Rows in the tape's index list.
    GatherRows {
        first: usize,
        rows: usize,
    },
    Row(RowFunction),
    Conv2d(Conv),
    Pool(Pool),
    LstmCell,
}

impl Op {
    /// Its kind; `None` for leaves.
    pub(crate) const fn operation(&self) -> Option<Operation> {
        use Operation as O;
        Some(match self {
            Self::Variable | Self::Constant => return None,
            Self::Unary(function) => match function {
                Unary::Scale(_) => O::Scale,
                Unary::Shift(_) => O::Shift,
                Unary::Exp => O::Exp,
                Unary::Ln => O::Ln,
                Unary::Sqrt => O::Sqrt,
                Unary::Square => O::Square,
                Unary::Abs => O::Abs,
                Unary::Sin => O::Sin,
                Unary::Cos => O::Cos,
                Unary::Tanh => O::Tanh,
                Unary::Sigmoid => O::Sigmoid,
                Unary::Relu => O::Relu,
                Unary::Softplus => O::Softplus,
                Unary::Gelu => O::Gelu,
                Unary::Asinh => O::Asinh,
                Unary::Recip => O::Recip,
                Unary::Powf(_) => O::Powf,
                Unary::Powi(_) => O::Powi,
            },
            Self::Binary(function, _) => match function {
                Binary::Add => O::Add,
                Binary::Sub => O::Sub,
                Binary::Mul => O::Mul,
                Binary::Div => O::Div,
                Binary::Maximum => O::Maximum,
                Binary::Minimum => O::Minimum,
            },
            Self::Sum { .. } => O::Sum,
            Self::Extremum(Extremum::Max) => O::Max,
            Self::Extremum(Extremum::Min) => O::Min,
            Self::Dot => O::Dot,
            Self::MatMul => O::MatMul,
            Self::SolveSpd => O::SolveSpd,
            Self::Transpose => O::Transpose,
            Self::Reshape => O::Reshape,
            Self::Slice { .. } => O::Slice,
            Self::Concat { .. } => O::Concat,
            Self::GatherRows { .. } => O::GatherRows,
            Self::Row(RowFunction::Softmax) => O::Softmax,
            Self::Row(RowFunction::CausalSoftmax) => O::CausalSoftmax,
            Self::Row(RowFunction::LogSoftmax) => O::LogSoftmax,
            Self::Row(RowFunction::LogSumExp) => O::LogSumExp,
            Self::Row(RowFunction::LayerNorm(_)) => O::LayerNorm,
            Self::Conv2d(_) => O::Conv2d,
            Self::Pool(Pool { largest: true, .. }) => O::MaxPool2d,
            Self::Pool(_) => O::AvgPool2d,
            Self::LstmCell => O::LstmCell,
        })
    }
}

/// What a pullback reads and writes.
pub(crate) struct Pullback<'a, R> {
    pub(crate) node: &'a Node,
    pub(crate) nodes: &'a [Node],
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [usize],
    pub(crate) scratch: &'a mut Vec<R>,
    /// Of a matrix product, whose adjoints need no zeros to be added to: inputs whose adjoint holds
    /// nothing yet and is to be overwritten.
    pub(crate) fresh: [bool; 2],
    /// Adjoint of the result.
    pub(crate) g: &'a [R],
    /// Adjoints of all earlier nodes.
    pub(crate) adjoints: &'a mut [R],
}

impl<'a, R> Pullback<'a, R> {
    /// The first or second input.
    pub(crate) fn input(&self, which: usize) -> &'a Node {
        &self.nodes[self.node.inputs[which]]
    }

    /// Values of the first or second input.
    pub(crate) fn value(&self, which: usize) -> &'a [R] {
        &self.values[self.input(which).range()]
    }

    /// Values of the result.
    pub(crate) fn result(&self) -> &'a [R] {
        &self.values[self.node.range()]
    }

    /// Adjoint of an input; `None` if it depends on no variable.
    pub(crate) fn adjoint(&mut self, which: usize) -> Option<&mut [R]> {
        self.adjoint_of(self.node.inputs[which])
    }

    /// Adjoint of any earlier node.
    pub(crate) fn adjoint_of(&mut self, index: usize) -> Option<&mut [R]> {
        let node = &self.nodes[index];
        node.adjoint.map(|at| &mut self.adjoints[at..at + node.shape.elements()])
    }
}

/// Adds the contributions of one node to the adjoints of its inputs.
pub(crate) fn pull_back<R: Real>(p: Pullback<'_, R>) {
    match p.node.op {
        Op::Variable | Op::Constant => {}
        Op::Unary(function) => elementwise::pull_back_unary(p, function),
        Op::Binary(function, loops) => elementwise::pull_back_binary(p, function, loops),
        Op::Sum { length, inner, scale } => reduce::pull_back_sum(p, length, inner, scale),
        Op::Extremum(which) => reduce::pull_back_extremum(p, which),
        Op::Dot => reduce::pull_back_dot(p),
        Op::MatMul => linear::pull_back_matmul(p),
        Op::SolveSpd => linear::pull_back_solve_spd(p),
        Op::Transpose => index::pull_back_transpose(p),
        Op::Reshape => index::pull_back_reshape(p),
        Op::Slice { axis, start } => index::pull_back_slice(p, axis, start),
        Op::Concat { axis, first, parts } => index::pull_back_concat(p, axis, first, parts),
        Op::GatherRows { first, rows } => index::pull_back_gather(p, first, rows),
        Op::Row(function) => softmax::pull_back(p, function),
        Op::Conv2d(conv) => conv::pull_back(p, conv),
        Op::Pool(pool) => conv::pull_back_pool(p, pool),
        Op::LstmCell => lstm::pull_back(p),
    }
}
