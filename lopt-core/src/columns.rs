//! Columns put aside until a tile is full, so that weight gradients are matrix products.

use crate::buffer::Buffer;
use crate::gru;
use crate::network::Network;
use crate::simd::{Element, Row, Simd, TILE};
use crate::tile::{column_sums, outer};

/// Rows of one tile that fills column by column.
#[derive(Clone, Debug)]
pub(crate) struct Columns<E: Element> {
    rows: Buffer<E>,
    filled: usize,
}

impl<E: Element> Columns<E> {
    pub(crate) fn new(rows: usize, lanes: usize) -> Self {
        Self { rows: Buffer::rows(rows, lanes), filled: 0 }
    }

    /// Adds one column made of the parts, each a stretch of rows at one column; true when full.
    #[inline(always)]
    pub(crate) fn push<S: Simd<E = E>>(&mut self, parts: &[(&[Row<S>], usize)]) -> bool {
        let mut to = self.rows.as_rows_mut::<S>().iter_mut();
        for (rows, column) in parts {
            for (row, to) in rows.iter().zip(&mut to) {
                to[self.filled] = row[*column];
            }
        }
        self.filled += 1;
        self.filled == TILE
    }
}

/// Column buffers of the three levels.
#[derive(Clone, Debug)]
pub(crate) struct LevelColumns<E: Element> {
    /// `xh, r*h, delta`.
    pub parameter: Columns<E>,
    /// `xh, r*h, delta, delta of the Parameter RNN summed over the tensor`.
    pub tensor: Columns<E>,
    /// `xh, r*h, delta, sum of Tensor RNN deltas, sum of Parameter RNN deltas`.
    pub global: Columns<E>,
}

impl<E: Element> LevelColumns<E> {
    pub(crate) fn new(net: &Network<E>, lanes: usize) -> Self {
        let of = |w: &gru::GruWeights<E>| w.inputs + 5 * w.hidden;
        let (p, t) = (3 * net.parameter.hidden, 3 * net.tensor.hidden);
        Self {
            parameter: Columns::new(of(&net.parameter), lanes),
            tensor: Columns::new(of(&net.tensor) + p, lanes),
            global: Columns::new(of(&net.global) + t + p, lanes),
        }
    }

    /// Adds what has gathered for the Parameter RNN to the gradient.
    #[inline(always)]
    pub(crate) fn flush_parameter<S: Simd<E = E>>(
        &mut self,
        s: S,
        net: &Network<E>,
        grad: &mut [S::V],
    ) {
        let cols = std::mem::take(&mut self.parameter.filled);
        let rows = self.parameter.rows.as_rows::<S>();
        let (xh, rest) = rows.split_at(net.parameter.inputs + net.parameter.hidden);
        let (reset, delta) = rest.split_at(net.parameter.hidden);
        gru::weight_gradients(s, &net.layout.parameter, xh, reset, delta, grad, cols);
    }

    /// Adds what has gathered for the Tensor RNN and its map down.
    #[inline(always)]
    pub(crate) fn flush_tensor<S: Simd<E = E>>(
        &mut self,
        s: S,
        net: &Network<E>,
        grad: &mut [S::V],
    ) {
        let cols = std::mem::take(&mut self.tensor.filled);
        let (inputs, h) = (net.tensor.inputs, net.tensor.hidden);
        let rows = self.tensor.rows.as_rows::<S>();
        let (xh, rest) = rows.split_at(inputs + h);
        let (reset, rest) = rest.split_at(h);
        let (delta, down) = rest.split_at(3 * h);
        let blocks = &net.layout.tensor;
        gru::weight_gradients(s, blocks, xh, reset, delta, grad, cols);
        column_sums(s, &delta[..2 * h], cols, &mut grad[blocks.gates_bias.clone()]);
        column_sums(s, &delta[2 * h..], cols, &mut grad[blocks.candidate_bias.clone()]);
        let map = &net.layout.tensor_to_parameter;
        outer(s, &xh[inputs..], down, cols, &mut grad[map.weight.clone()], down.len());
        column_sums(s, down, cols, &mut grad[map.bias.clone()]);
    }

    /// Adds what has gathered for the Global RNN and its maps down.
    #[inline(always)]
    pub(crate) fn flush_global<S: Simd<E = E>>(
        &mut self,
        s: S,
        net: &Network<E>,
        grad: &mut [S::V],
    ) {
        let cols = std::mem::take(&mut self.global.filled);
        let (inputs, h) = (net.global.inputs, net.global.hidden);
        let rows = self.global.rows.as_rows::<S>();
        let (xh, rest) = rows.split_at(inputs + h);
        let (reset, rest) = rest.split_at(h);
        let (delta, rest) = rest.split_at(3 * h);
        let (to_tensor, to_parameter) = rest.split_at(3 * net.tensor.hidden);
        let blocks = &net.layout.global;
        gru::weight_gradients(s, blocks, xh, reset, delta, grad, cols);
        column_sums(s, &delta[..2 * h], cols, &mut grad[blocks.gates_bias.clone()]);
        column_sums(s, &delta[2 * h..], cols, &mut grad[blocks.candidate_bias.clone()]);
        for (map, down) in [
            (&net.layout.global_to_tensor, to_tensor),
            (&net.layout.global_to_parameter, to_parameter),
        ] {
            outer(s, &xh[inputs..], down, cols, &mut grad[map.weight.clone()], down.len());
        }
    }
}
