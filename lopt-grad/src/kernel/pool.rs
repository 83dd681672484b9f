//! Pooling of images over square windows.

use super::reduce::Extremum;
use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;

/// Pooling over `window x window` pixels with the same stride; what does not fill a window at the
/// right and bottom edges is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    /// Maximum (gradient to the first one of each lane) rather than average.
    pub(crate) largest: bool,
    pub(crate) window: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Pool {
    /// Calls `f(offset of the first input channel of the window, output offset)` for one image.
    #[inline(always)]
    fn windows(&self, images: usize, mut f: impl FnMut(usize, usize)) {
        let (rows, columns) = (self.height / self.window, self.width / self.window);
        let mut out = 0;
        for b in 0..images {
            for y in 0..rows {
                for x in 0..columns {
                    let pixel = (b * self.height + y * self.window) * self.width + x * self.window;
                    f(pixel * self.channels, out);
                    out += self.channels;
                }
            }
        }
    }
}

/// Input `[B][height][width][channels]`, output with the two middle extents divided.
pub(crate) struct PoolForward<'a, R> {
    pub(crate) pool: Pool,
    pub(crate) images: usize,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

/// The adjoint of [`PoolForward`]: adds to `dx`.
pub(crate) struct PoolAdjoint<'a, R> {
    pub(crate) pool: Pool,
    pub(crate) images: usize,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) dx: &'a mut [R],
}

impl<R> Kernel<R> for PoolForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let p = self.pool;
        let (x, y) = (self.x, self.y);
        let inverse = c.constant(1.0 / (p.window * p.window) as f64);
        let row = p.width * p.channels;
        p.windows(self.images, |from, to| {
            for channel in 0..p.channels {
                let corner = from + channel;
                let mut value = c.load(&x[corner]);
                for i in 0..p.window {
                    for j in usize::from(i == 0)..p.window {
                        let v = c.load(&x[corner + i * row + j * p.channels]);
                        value = if p.largest { Extremum::Max.of(value, v) } else { value + v };
                    }
                }
                y[to + channel] = c.store(if p.largest { value } else { value * inverse });
            }
        });
    }
}

impl<R> Kernel<R> for PoolAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let p = self.pool;
        let (x, y, g, dx) = (self.x, self.y, self.g, self.dx);
        let inverse = c.constant(1.0 / (p.window * p.window) as f64);
        let row = p.width * p.channels;
        p.windows(self.images, |from, to| {
            for channel in 0..p.channels {
                let corner = from + channel;
                let (value, g) = (c.load(&y[to + channel]), c.load(&g[to + channel]));
                let mut taken = c.constant(0.0);
                for i in 0..p.window {
                    for j in 0..p.window {
                        let at = corner + i * row + j * p.channels;
                        let mut weight = inverse;
                        if p.largest {
                            weight = Extremum::Max.first(c.load(&x[at]), value, taken);
                            taken = taken + weight;
                        }
                        dx[at] = c.store(g.mul_add(weight, c.load(&dx[at])));
                    }
                }
            }
        });
    }
}
