//! Convolution and pooling of images `(B, height, width, channels)`.

use super::linear::product;
use super::{Op, Pullback};
use crate::arena::NONE;
use crate::kernel::{MatMul, MatMulShape, Patch, PatchAdd, Pool, PoolAdjoint, PoolForward, Still};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv {
    patch: Patch,
    filters: usize,
}

impl<'t, R: Real> Var<'t, R> {
    /// Correlation of images `(B, h, w, cin)` with `filter` `(kh, kw, cin, cout)`, stride 1,
    /// padding SAME (zeros; one more at the bottom and right for even filters):
    /// `(B, h, w, cout)`.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    pub fn conv2d(self, filter: Self) -> Self {
        self.same_tape(filter);
        let (x, f) = (self.shape(), filter.shape());
        assert!(x.len() == 4 && f.len() == 4 && x[3] == f[2], "conv2d of shapes {x:?} and {f:?}");
        let patch = Patch {
            height: x[1],
            width: x[2],
            channels: x[3],
            kernel_height: f[0],
            kernel_width: f[1],
        };
        let conv = Conv { patch, filters: f[3] };
        let inputs = [self.index, filter.index];
        let still = self.tape.still(inputs);
        let shape = Shape::new(&[x[0], x[1], x[2], f[3]]);
        self.tape.record(Op::Conv2d(conv), inputs, shape, 0, |inputs, scratch, out| {
            let (x, filter) = (inputs.get(0), inputs.get(1));
            let pixels = patch.height * patch.width;
            let shape = MatMulShape { still, ..product(pixels, patch.length(), conv.filters) };
            // The padding is at the same places for every image: zero it once.
            scratch.clear();
            scratch.resize(pixels * patch.length(), R::default());
            let images = x.chunks_exact(pixels * patch.channels);
            for (image, out) in images.zip(out.chunks_exact_mut(pixels * conv.filters)) {
                patch.gather(image, scratch);
                R::execute(MatMul { shape, a: scratch, b: filter, out }.into());
            }
        })
    }

    /// The largest of each `k x k` window, stride `k`; lane by lane the gradient goes to the
    /// first one. Pixels that fill no window are left out.
    ///
    /// # Panics
    ///
    /// If it is no batch of images or the window is larger than the image.
    pub fn max_pool2d(self, k: usize) -> Self {
        self.pool(true, k)
    }

    /// The mean of each `k x k` window, stride `k`. Pixels that fill no window are left out.
    ///
    /// # Panics
    ///
    /// If it is no batch of images or the window is larger than the image.
    pub fn avg_pool2d(self, k: usize) -> Self {
        self.pool(false, k)
    }

    fn pool(self, largest: bool, window: usize) -> Self {
        let shape = self.shape();
        assert_eq!(shape.len(), 4, "pooling of shape {shape:?}");
        let (images, height, width) = (shape[0], shape[1], shape[2]);
        assert!(
            window > 0 && window <= height && window <= width,
            "windows of {window} in shape {shape:?}"
        );
        let pool = Pool { largest, window, height, width, channels: shape[3] };
        let shape = Shape::new(&[images, height / window, width / window, shape[3]]);
        self.tape.record(Op::Pool(pool), [self.index, NONE], shape, 0, |inputs, _, y| {
            R::execute(PoolForward { pool, images, x: inputs.get(0), y }.into());
        })
    }
}

/// Image by image: `d_filter += columns^T g`, `d_image += patches of (g filter^T)`.
pub(super) fn pull_back<R: Real>(p: Pullback<'_, R>, conv: Conv) {
    let Conv { patch, filters } = conv;
    let pixels = patch.height * patch.width;
    let (x, filter) = (p.value(0), p.value(1));
    let [image_node, filter_node] = [p.input(0), p.input(1)];
    let (in_size, out_size) = (pixels * patch.channels, pixels * filters);
    let still = if image_node.still { Still::A } else { Still::Neither };
    let columns = p.scratch;
    columns.clear();
    columns.resize(pixels * patch.length(), R::default());
    if let Some(at) = filter_node.adjoint {
        let out = &mut p.adjoints[at..at + filter_node.shape.elements()];
        let shape = MatMulShape {
            transpose_a: true,
            accumulate: true,
            still,
            ..product(patch.length(), pixels, filters)
        };
        for (image, g) in x.chunks_exact(in_size).zip(p.g.chunks_exact(out_size)) {
            patch.gather(image, columns);
            R::execute(MatMul { shape, a: columns, b: g, out }.into());
        }
    }
    if let Some(at) = image_node.adjoint {
        let images = &mut p.adjoints[at..at + image_node.shape.elements()];
        let shape = MatMulShape { transpose_b: true, ..product(pixels, filters, patch.length()) };
        for (image, g) in images.chunks_exact_mut(in_size).zip(p.g.chunks_exact(out_size)) {
            R::execute(MatMul { shape, a: g, b: filter, out: columns }.into());
            R::execute(PatchAdd { patch, columns, image }.into());
        }
    }
}

pub(super) fn pull_back_pool<R: Real>(mut p: Pullback<'_, R>, pool: Pool) {
    let (x, y, g) = (p.value(0), p.result(), p.g);
    let images = p.node.shape[0];
    if let Some(dx) = p.adjoint(0) {
        R::execute(PoolAdjoint { pool, images, x, y, g, dx }.into());
    }
}
