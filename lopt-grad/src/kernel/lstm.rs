//! One step of long short-term memory, all gates at once.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// `out` rows `(h, c)` from rows of `gates` `(i, f, o, z)` and of `memory`, `units` elements each:
/// `c = sigmoid(f) memory + sigmoid(i) tanh(z)`, `h = sigmoid(o) tanh(c)`.
pub(crate) struct LstmForward<'a, R> {
    pub(crate) units: usize,
    pub(crate) gates: &'a [R],
    pub(crate) memory: &'a [R],
    pub(crate) out: &'a mut [R],
}

/// The adjoint of [`LstmForward`]: adds to `d_gates` and `d_memory`, whichever are wanted (not empty).
pub(crate) struct LstmAdjoint<'a, R> {
    pub(crate) units: usize,
    pub(crate) gates: &'a [R],
    pub(crate) memory: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) d_gates: &'a mut [R],
    pub(crate) d_memory: &'a mut [R],
}

/// The gates, open from 0 to 1, the candidate and the new memory of one unit.
#[inline(always)]
fn unit<R, C: Registers<R>>(c: C, n: usize, j: usize, gates: &[R], kept: &R) -> [C::Register; 5] {
    let input = c.load(&gates[j]).sigmoid();
    let forget = c.load(&gates[n + j]).sigmoid();
    let output = c.load(&gates[2 * n + j]).sigmoid();
    let candidate = c.load(&gates[3 * n + j]).tanh();
    let memory = forget.mul_add(c.load(kept), input * candidate);
    [input, forget, output, candidate, memory]
}

impl<R> Kernel<R> for LstmForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let n = self.units;
        let rows = self.gates.chunks_exact(4 * n).zip(self.memory.chunks_exact(n));
        for ((gates, memory), out) in rows.zip(self.out.chunks_exact_mut(2 * n)) {
            for j in 0..n {
                let [_, _, output, _, kept] = unit(c, n, j, gates, &memory[j]);
                out[j] = c.store(output * kept.tanh());
                out[n + j] = c.store(kept);
            }
        }
    }
}

impl<R> Kernel<R> for LstmAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let n = self.units;
        let one = c.constant(1.0);
        let rows = self.gates.chunks_exact(4 * n).zip(self.memory.chunks_exact(n));
        for (row, ((gates, memory), g)) in rows.zip(self.g.chunks_exact(2 * n)).enumerate() {
            for j in 0..n {
                let [input, forget, output, candidate, kept] = unit(c, n, j, gates, &memory[j]);
                let shown = kept.tanh();
                let g_output = c.load(&g[j]);
                let inner = g_output * output;
                let g_kept = inner.mul_add(one - shown * shown, c.load(&g[n + j]));
                if !self.d_gates.is_empty() {
                    let d = &mut self.d_gates[row * 4 * n..(row + 1) * 4 * n];
                    let terms = [
                        g_kept * candidate * (input * (one - input)),
                        g_kept * c.load(&memory[j]) * (forget * (one - forget)),
                        g_output * shown * (output * (one - output)),
                        g_kept * input * (one - candidate * candidate),
                    ];
                    for (gate, term) in terms.into_iter().enumerate() {
                        let d = &mut d[gate * n + j];
                        *d = c.store(c.load(d) + term);
                    }
                }
                if !self.d_memory.is_empty() {
                    let d = &mut self.d_memory[row * n + j];
                    *d = c.store(g_kept.mul_add(forget, c.load(d)));
                }
            }
        }
    }
}
