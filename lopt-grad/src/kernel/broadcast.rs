//! Binary functions with numpy's broadcasting, and their adjoints.

use super::{Kernel, Registers};
use crate::arithmetic::Arithmetic;
use crate::shape::{MAX_RANK, Shape};

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// The larger; ties and their gradient go to the first operand.
    Maximum,
    /// The smaller; ties and their gradient go to the first operand.
    Minimum,
}

/// Which operand an adjoint is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    First,
    Second,
}

/// Nested loops over a broadcast: extents, and the strides of the operands (0 or contiguous).
///
/// The result is contiguous. Axes that can be walked as one are merged, so that operands of equal
/// shape become one loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loops {
    extents: [usize; MAX_RANK],
    a: [usize; MAX_RANK],
    b: [usize; MAX_RANK],
}

impl Loops {
    pub(crate) fn new(a: &Shape, b: &Shape, out: &Shape) -> Self {
        let mut loops = Self { extents: [1; MAX_RANK], a: [0; MAX_RANK], b: [0; MAX_RANK] };
        let mut outermost = MAX_RANK;
        let (mut stride_a, mut stride_b) = (1, 1);
        for i in 0..out.len() {
            let (n, na, nb) = (out.trailing(i), a.trailing(i), b.trailing(i));
            let (sa, sb) = (if na == n { stride_a } else { 0 }, if nb == n { stride_b } else { 0 });
            stride_a *= na;
            stride_b *= nb;
            if n == 1 {
                continue;
            }
            if outermost < MAX_RANK {
                let inner = loops.extents[outermost];
                if sa == loops.a[outermost] * inner && sb == loops.b[outermost] * inner {
                    loops.extents[outermost] *= n;
                    continue;
                }
            }
            outermost -= 1;
            (loops.extents[outermost], loops.a[outermost], loops.b[outermost]) = (n, sa, sb);
        }
        loops
    }
}

/// `out = f(a, b)`.
pub(crate) struct BinaryForward<'a, R> {
    pub(crate) function: Binary,
    pub(crate) loops: Loops,
    pub(crate) a: &'a [R],
    pub(crate) b: &'a [R],
    pub(crate) out: &'a mut [R],
}

/// `d += g df/d(side)`, summed over the axes along which that side was broadcast.
pub(crate) struct BinaryAdjoint<'a, R> {
    pub(crate) function: Binary,
    pub(crate) side: Side,
    pub(crate) loops: Loops,
    pub(crate) a: &'a [R],
    pub(crate) b: &'a [R],
    pub(crate) out: &'a [R],
    pub(crate) g: &'a [R],
    pub(crate) d: &'a mut [R],
}

/// Walks all but the innermost axis; `$row` sees the offsets of one innermost row.
macro_rules! rows {
    ($l:expr, |$a:ident, $b:ident, $o:ident| $row:block) => {{
        let mut $o = 0;
        for i in 0..$l.extents[0] {
            for j in 0..$l.extents[1] {
                for k in 0..$l.extents[2] {
                    let $a = i * $l.a[0] + j * $l.a[1] + k * $l.a[2];
                    let $b = i * $l.b[0] + j * $l.b[1] + k * $l.b[2];
                    $row
                    $o += $l.extents[3];
                }
            }
        }
    }};
}

macro_rules! forward {
    ($c:ident, $k:ident, $a:ident, $b:ident => $value:expr) => {
        let l = $k.loops;
        let n = l.extents[3];
        rows!(l, |oa, ob, o| {
            let out = &mut $k.out[o..o + n];
            if l.a[3] == 1 && l.b[3] == 1 {
                for ((y, a), b) in out.iter_mut().zip(&$k.a[oa..oa + n]).zip(&$k.b[ob..ob + n]) {
                    let ($a, $b) = ($c.load(a), $c.load(b));
                    *y = $c.store($value);
                }
            } else {
                for (i, y) in out.iter_mut().enumerate() {
                    let $a = $c.load(&$k.a[oa + i * l.a[3]]);
                    let $b = $c.load(&$k.b[ob + i * l.b[3]]);
                    *y = $c.store($value);
                }
            }
        });
    };
}

impl<R> Kernel<R> for BinaryForward<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        match self.function {
            Binary::Add => {
                forward!(c, self, a, b => a + b);
            }
            Binary::Sub => {
                forward!(c, self, a, b => a - b);
            }
            Binary::Mul => {
                forward!(c, self, a, b => a * b);
            }
            Binary::Div => {
                forward!(c, self, a, b => a / b);
            }
            Binary::Maximum => {
                forward!(c, self, a, b => a.max(b));
            }
            Binary::Minimum => {
                forward!(c, self, a, b => a.min(b));
            }
        }
    }
}

/// The derivative in `$term`; only the operands it names are loaded.
macro_rules! adjoint {
    ($c:ident, $k:ident, $g:ident $(, $name:ident = $field:ident)* => $term:expr) => {{
        let l = $k.loops;
        let n = l.extents[3];
        let first = $k.side == Side::First;
        rows!(l, |oa, ob, o| {
            let (at, step) = if first { (oa, l.a[3]) } else { (ob, l.b[3]) };
            let _ = (oa, ob);
            if step == 0 {
                let mut sum = $c.load(&$k.d[at]);
                for i in 0..n {
                    let $g = $c.load(&$k.g[o + i]);
                    $(let $name = $c.load(adjoint!(@ $field, $k, l, i, oa, ob, o));)*
                    sum = sum + $term;
                }
                $k.d[at] = $c.store(sum);
            } else if l.a[3] == 1 && l.b[3] == 1 {
                // Slices of one length: without them the compiler does not vectorise.
                let d = &mut $k.d[at..at + n];
                let g = &$k.g[o..o + n];
                $(let $name = adjoint!(@ row $field, $k, n, oa, ob, o);)*
                for i in 0..n {
                    let $g = $c.load(&g[i]);
                    $(let $name = $c.load(&$name[i]);)*
                    d[i] = $c.store($c.load(&d[i]) + $term);
                }
            } else {
                let d = &mut $k.d[at..at + n];
                let g = &$k.g[o..o + n];
                for (i, (d, g)) in d.iter_mut().zip(g).enumerate() {
                    let _ = i;
                    let $g = $c.load(g);
                    $(let $name = $c.load(adjoint!(@ $field, $k, l, i, oa, ob, o));)*
                    *d = $c.store($c.load(d) + $term);
                }
            }
        });
    }};
    (@ row a, $k:ident, $n:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.a[$oa..$oa + $n]
    };
    (@ row b, $k:ident, $n:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.b[$ob..$ob + $n]
    };
    (@ row out, $k:ident, $n:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.out[$o..$o + $n]
    };
    (@ a, $k:ident, $l:ident, $i:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.a[$oa + $i * $l.a[3]]
    };
    (@ b, $k:ident, $l:ident, $i:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.b[$ob + $i * $l.b[3]]
    };
    (@ out, $k:ident, $l:ident, $i:ident, $oa:ident, $ob:ident, $o:ident) => {
        &$k.out[$o + $i]
    };
}

impl<R> Kernel<R> for BinaryAdjoint<'_, R> {
    #[inline(always)]
    fn run<C: Registers<R>>(self, c: C) {
        let zero = c.constant(0.0);
        match (self.function, self.side) {
            (Binary::Add, _) | (Binary::Sub, Side::First) => adjoint!(c, self, g => g),
            (Binary::Sub, Side::Second) => adjoint!(c, self, g => -g),
            (Binary::Mul, Side::First) => adjoint!(c, self, g, b = b => g * b),
            (Binary::Mul, Side::Second) => adjoint!(c, self, g, a = a => g * a),
            (Binary::Div, Side::First) => adjoint!(c, self, g, b = b => g / b),
            (Binary::Div, Side::Second) => adjoint!(c, self, g, b = b, y = out => -(g * y) / b),
            (Binary::Maximum, Side::First) => {
                adjoint!(c, self, g, a = a, b = b => C::Register::select_ge(a, b, g, zero));
            }
            (Binary::Maximum, Side::Second) => {
                adjoint!(c, self, g, a = a, b = b => C::Register::select_ge(a, b, zero, g));
            }
            (Binary::Minimum, Side::First) => {
                adjoint!(c, self, g, a = a, b = b => C::Register::select_ge(b, a, g, zero));
            }
            (Binary::Minimum, Side::Second) => {
                adjoint!(c, self, g, a = a, b = b => C::Register::select_ge(b, a, zero, g));
            }
        }
    }
}
