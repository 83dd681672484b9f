//! Additions into moved elements: the adjoints of transposes, slices, gathers and image patches.

use super::{Kernel, Registers};

/// `y[i] += x[i]`.
pub(crate) struct Add<'a, R> {
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

/// `y[i][j] += x` over a block: element `(i, j)` at `i * rows + j * columns` of either slice.
pub(crate) struct StridedAdd<'a, R> {
    pub(crate) extents: (usize, usize),
    pub(crate) x: &'a [R],
    pub(crate) x_strides: (usize, usize),
    pub(crate) y: &'a mut [R],
    pub(crate) y_strides: (usize, usize),
}

/// `y[rows[i]] += x[i]`, rows of `width` elements.
pub(crate) struct AddRows<'a, R> {
    pub(crate) rows: &'a [usize],
    pub(crate) width: usize,
    pub(crate) x: &'a [R],
    pub(crate) y: &'a mut [R],
}

impl<R> Kernel<R> for Add<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        add(c, self.x, self.y);
    }
}

impl<R> Kernel<R> for StridedAdd<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let (rows, columns) = self.extents;
        for i in 0..rows {
            let (x, y) = (i * self.x_strides.0, i * self.y_strides.0);
            if self.x_strides.1 == 1 && self.y_strides.1 == 1 {
                add(c, &self.x[x..x + columns], &mut self.y[y..y + columns]);
                continue;
            }
            for j in 0..columns {
                let y = &mut self.y[y + j * self.y_strides.1];
                *y = c.store(c.load(y) + c.load(&self.x[x + j * self.x_strides.1]));
            }
        }
    }
}

impl<R> Kernel<R> for AddRows<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        for (&row, x) in self.rows.iter().zip(self.x.chunks_exact(self.width)) {
            add(c, x, &mut self.y[row * self.width..(row + 1) * self.width]);
        }
    }
}

#[inline(always)]
fn add<R, C: Registers<R>>(c: C, x: &[R], y: &mut [R]) {
    for (x, y) in x.iter().zip(y.iter_mut()) {
        *y = c.store(c.load(y) + c.load(x));
    }
}

/// The patches of one image: `columns[y][x][i][j][channel]` is the pixel at
/// `(y + i - kh / 2, x + j - kw / 2)`, zero outside (padding SAME, stride 1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) kernel_height: usize,
    pub(crate) kernel_width: usize,
}

impl Patch {
    /// Elements of one patch.
    pub(crate) const fn length(&self) -> usize {
        self.kernel_height * self.kernel_width * self.channels
    }

    /// Calls `f(patch offset, image offset, elements)` for each contiguous run inside the image.
    #[inline(always)]
    fn runs(&self, y: usize, x: usize, mut f: impl FnMut(usize, usize, usize)) {
        let (top, left) = ((self.kernel_height - 1) / 2, (self.kernel_width - 1) / 2);
        let first = left.saturating_sub(x);
        let last = self.kernel_width.min(self.width + left - x);
        for i in 0..self.kernel_height {
            if y + i < top || y + i - top >= self.height {
                continue;
            }
            let pixel = (y + i - top) * self.width + x + first - left;
            let at = (i * self.kernel_width + first) * self.channels;
            f(at, pixel * self.channels, (last - first) * self.channels);
        }
    }

    /// Writes all patches of `image` to `columns`, which hold zeros where the padding is.
    pub(crate) fn gather<R: Copy>(&self, image: &[R], columns: &mut [R]) {
        let length = self.length();
        for (p, patch) in columns.chunks_exact_mut(length).enumerate() {
            self.runs(p / self.width, p % self.width, |at, from, n| {
                patch[at..at + n].copy_from_slice(&image[from..from + n]);
            });
        }
    }
}

/// Adds all patches back: `image[pixel] += columns[every place it was copied to]`.
pub(crate) struct PatchAdd<'a, R> {
    pub(crate) patch: Patch,
    pub(crate) columns: &'a [R],
    pub(crate) image: &'a mut [R],
}

impl<R> Kernel<R> for PatchAdd<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let length = self.patch.length();
        let image = self.image;
        for (p, column) in self.columns.chunks_exact(length).enumerate() {
            self.patch.runs(p / self.patch.width, p % self.patch.width, |at, to, n| {
                add(c, &column[at..at + n], &mut image[to..to + n]);
            });
        }
    }
}
