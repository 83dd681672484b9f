//! Functions of `f32` slices in registers of sixteen lanes.

use lopt_simd::Lanes;

use super::dispatch::{Dispatch, LevelDispatch, Leveled};
use super::{
    Kind, LstmAdjoint, LstmForward, Packs, Registers, Task, Unary, UnaryAdjoint, UnaryForward,
};
use crate::lanes::Pack;

/// Sixteen neighbours in a slice.
type Block = [f32; 16];

impl<T: Lanes> Registers<Block> for Packs<T> {
    type Register = Pack<T>;
    const ACCUMULATORS: usize = T::ACCUMULATORS;
    const TANGENTS: bool = false;
    #[inline(always)]
    fn load(self, x: &Block) -> Pack<T> {
        Pack::load(self.0, x)
    }
    #[inline(always)]
    fn load_still(self, x: &Block) -> Pack<T> {
        Pack::load(self.0, x)
    }
    #[inline(always)]
    fn store(self, x: Pack<T>) -> Block {
        x.store()
    }
    #[inline(always)]
    fn constant(self, x: f64) -> Pack<T> {
        Pack::splat(self.0, x as f32)
    }
}

impl Leveled for Block {
    type At<T: Lanes> = Packs<T>;
    #[inline(always)]
    fn at<T: Lanes>(token: T) -> Packs<T> {
        Packs(token)
    }
}

/// Does GELU and steps of long short-term memory, gives any other task back: functions that the
/// standard library has are computed by it, so that a tape in `f32` gives the bits one expects.
pub(crate) fn wide_function(task: Task<'_, f32>) -> Option<Task<'_, f32>> {
    match task.0 {
        Kind::UnaryForward(UnaryForward { function: function @ Unary::Gelu, x, y }) => {
            let ((x, x_rest), (y, y_rest)) = (x.as_chunks(), y.as_chunks_mut());
            LevelDispatch.dispatch(UnaryForward::<Block> { function, x, y });
            let mut y = [padded(y_rest)];
            LevelDispatch.dispatch(UnaryForward { function, x: &[padded(x_rest)], y: &mut y });
            y_rest.copy_from_slice(&y[0][..y_rest.len()]);
            None
        }
        Kind::UnaryAdjoint(UnaryAdjoint { function: function @ Unary::Gelu, x, y, g, dx }) => {
            let ((x, x_rest), (y, y_rest)) = (x.as_chunks(), y.as_chunks());
            let ((g, g_rest), (dx, dx_rest)) = (g.as_chunks(), dx.as_chunks_mut());
            LevelDispatch.dispatch(UnaryAdjoint::<Block> { function, x, y, g, dx });
            let (x, y, g) = (&[padded(x_rest)], &[padded(y_rest)], &[padded(g_rest)]);
            let mut dx = [padded(dx_rest)];
            LevelDispatch.dispatch(UnaryAdjoint { function, x, y, g, dx: &mut dx });
            dx_rest.copy_from_slice(&dx[0][..dx_rest.len()]);
            None
        }
        Kind::LstmForward(LstmForward { units, gates, memory, out }) if units % 16 == 0 => {
            let (gates, memory) = (gates.as_chunks().0, memory.as_chunks().0);
            let (units, out) = (units / 16, out.as_chunks_mut().0);
            LevelDispatch.dispatch(LstmForward::<Block> { units, gates, memory, out });
            None
        }
        Kind::LstmAdjoint(LstmAdjoint { units, gates, memory, g, d_gates, d_memory })
            if units % 16 == 0 =>
        {
            let (gates, memory) = (gates.as_chunks().0, memory.as_chunks().0);
            let (d_gates, d_memory) = (d_gates.as_chunks_mut().0, d_memory.as_chunks_mut().0);
            let (units, g) = (units / 16, g.as_chunks().0);
            let adjoint = LstmAdjoint::<Block> { units, gates, memory, g, d_gates, d_memory };
            LevelDispatch.dispatch(adjoint);
            None
        }
        other => Some(Task(other)),
    }
}

/// The rest of a slice, filled up with zeros.
fn padded(rest: &[f32]) -> Block {
    let mut block = [0.0; 16];
    block[..rest.len()].copy_from_slice(rest);
    block
}
