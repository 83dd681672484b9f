//! Long short-term memory.

use super::{Op, Pullback};
use crate::kernel::{LstmAdjoint, LstmForward};
use crate::real::Real;
use crate::var::Var;

impl<'t, R: Real> Var<'t, R> {
    /// One step of long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al.
    /// 2000): `self` holds input gate, forget gate, output gate and candidate side by side before
    /// their nonlinearities, `(B, 4 n)`, `memory` what was kept before, `(B, n)`.
    ///
    /// Gives the output and the new memory side by side, `(B, 2 n)`:
    /// `c = sigmoid(f) memory + sigmoid(i) tanh(z)` and `h = sigmoid(o) tanh(c)`.
    ///
    /// # Panics
    ///
    /// If the shapes are not these.
    pub fn lstm_cell(self, memory: Self) -> Self {
        self.same_tape(memory);
        let (a, b) = (self.shape(), memory.shape());
        assert!(
            a.len() == 2 && b.len() == 2 && a[0] == b[0] && a[1] == 4 * b[1],
            "lstm_cell of shapes {a:?} and {b:?}"
        );
        let units = b[1];
        let inputs = [self.index, memory.index];
        self.tape.record(Op::LstmCell, inputs, b.with(1, 2 * units), 0, |inputs, _, out| {
            let (gates, memory) = (inputs.get(0), inputs.get(1));
            R::execute(LstmForward { units, gates, memory, out }.into());
        })
    }
}

pub(super) fn pull_back<R: Real>(p: Pullback<'_, R>) {
    let (gates, memory, g) = (p.value(0), p.value(1), p.g);
    let [a, b] = [p.input(0), p.input(1)];
    let range =
        |node: &crate::arena::Node| node.adjoint.map_or(0..0, |at| at..at + node.shape.elements());
    let wanted = p.adjoints.get_disjoint_mut([range(a), range(b)]);
    let [d_gates, d_memory] = wanted.expect("tensors of different shapes are not the same one");
    let units = b.shape[1];
    R::execute(LstmAdjoint { units, gates, memory, g, d_gates, d_memory }.into());
}
