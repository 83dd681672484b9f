//! A step of all coordinates, and the way back through an unroll.
//!
//! Coordinates do not see each other, so both go job by job of a fixed size, spread over threads:
//! the way back repeats a job's steps from the state before the unroll, with the recorded gradients,
//! rather than keep 242 numbers per coordinate and step.

use super::coordinates::{STATE, Stack, StackWeights, TRACE, WayBack, weight_gradients};
use super::psi::META_PARAMETERS;
use super::weights::L2lError;
use lopt_core::engine::Engine;
use lopt_core::flush::FlushToZero;
use lopt_core::simd::Buffer;
use lopt_core::simd::tile::load_row;
use lopt_core::simd::{Element, Kernel, Level, Row, Simd, TILE};
use rayon::prelude::*;

/// Tiles of a job: decides the order of sums, so it is not to depend on the machine.
const JOB_TILES: usize = 8;

/// The network with given meta-parameters, in `f32` at a SIMD level or in exact `f64`.
#[derive(Clone, Debug)]
pub struct L2lNetwork<E: Element> {
    weights: StackWeights<E>,
    level: Level,
}

/// LSTM states of all coordinates: `[tile][c0, h0, c1, h1][coordinate]`.
#[derive(Clone, Debug)]
pub struct L2lState<E: Element> {
    tiles: Buffer<E>,
    coordinates: usize,
    lanes: usize,
}

impl<E: Engine> L2lState<E> {
    /// Bytes of it, padding included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tiles.len() * size_of::<E>()
    }

    /// The state before the first step: zeros.
    #[must_use]
    pub fn new(coordinates: usize) -> Self {
        let lanes = E::dispatch(Level::Portable, Width);
        let tiles = coordinates.div_ceil(TILE * lanes);
        Self { tiles: Buffer::rows(tiles * STATE, lanes), coordinates, lanes }
    }

    /// Back to the state before the first step.
    pub fn reset(&mut self) {
        self.tiles.fill(E::from_f64(0.0));
    }

    /// Elements of a job's state, and its coordinates.
    fn job(&self) -> (usize, usize) {
        let coordinates = JOB_TILES * TILE * self.lanes;
        (coordinates * STATE, coordinates)
    }
}

/// An unroll, as the way back needs it.
#[derive(Clone, Copy, Debug)]
pub struct L2lUnroll<'a, E: Element> {
    /// The state before its first step.
    pub start: &'a L2lState<E>,
    /// The gradient read by each step, `[steps][P]`.
    pub gradients: &'a [Vec<E>],
    /// The derivative of the meta-loss by what each step moves the parameters by, `[steps][P]`.
    pub adjoints: &'a [Vec<E>],
}

impl<E: Engine> L2lNetwork<E> {
    /// The network of these meta-parameters.
    ///
    /// # Errors
    ///
    /// If there are not [`META_PARAMETERS`] of them or one is not finite.
    pub fn new(psi: &[f64], level: Level) -> Result<Self, L2lError> {
        super::weights::check(psi)?;
        Ok(Self { weights: StackWeights::new(psi), level })
    }

    /// One step: `params` moves, and `state` with it. `params`, `grads`: `[P]`, as many as the state
    /// has coordinates; what is longer is left alone.
    pub fn forward(&self, state: &mut L2lState<E>, params: &mut [E], grads: &[E]) {
        let (rows, coordinates) = state.job();
        let step = |state: &mut [E], params: &mut [E], grads: &[E]| {
            let _flush = FlushToZero::set();
            E::dispatch(self.level, Step { weights: &self.weights, state, params, grads });
        };
        if state.coordinates <= coordinates || rayon::current_num_threads() == 1 {
            step(&mut state.tiles, params, grads);
            return;
        }
        let jobs = state.tiles.par_chunks_mut(rows);
        let slices = params.par_chunks_mut(coordinates).zip(grads.par_chunks(coordinates));
        jobs.zip(slices).for_each(|(state, (params, grads))| step(state, params, grads));
    }

    /// The gradient of the meta-loss by psi, `[META_PARAMETERS]`, through the steps of an unroll; the
    /// gradients they read count as constants. No number of threads changes a bit.
    ///
    /// # Errors
    ///
    /// If there are not as many adjoints as gradients, or one does not have `P` values.
    pub fn backward(&self, unroll: L2lUnroll<'_, E>) -> Result<Vec<f64>, L2lError> {
        let L2lUnroll { start, gradients, adjoints } = unroll;
        let (rows, coordinates) = start.job();
        if gradients.len() != adjoints.len() {
            return Err(L2lError::Steps { gradients: gradients.len(), adjoints: adjoints.len() });
        }
        let expected = start.coordinates;
        if let Some(wrong) = gradients.iter().chain(adjoints).find(|x| x.len() != expected) {
            return Err(L2lError::Coordinates { expected, got: wrong.len() });
        }
        let buffers = || WayBack::new(gradients.len(), start.lanes);
        let job = |way: &mut WayBack<E>, (i, state): (usize, &[E])| {
            let _flush = FlushToZero::set();
            let first = i * coordinates;
            let last = (first + coordinates).min(expected);
            let span = first..last;
            let weights = &self.weights;
            E::dispatch(self.level, Back { weights, state, gradients, adjoints, span, way })
        };
        let jobs = start.tiles.par_chunks(rows).enumerate();
        let parts: Vec<Vec<f64>> = jobs.map_init(buffers, job).collect();
        let mut sum = vec![0.0; META_PARAMETERS];
        for part in parts {
            for (sum, x) in sum.iter_mut().zip(part) {
                *sum += x;
            }
        }
        Ok(sum)
    }
}

struct Width;

impl<E: Element> Kernel<E> for Width {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, _: S) -> usize {
        S::LANES
    }
}

/// A step of the coordinates of one job.
struct Step<'a, E: Element> {
    weights: &'a StackWeights<E>,
    state: &'a mut [E],
    params: &'a mut [E],
    grads: &'a [E],
}

impl<E: Element> Kernel<E> for Step<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) {
        let Self { weights, state, params, grads } = self;
        let stack = Stack::<S>::new(weights);
        let tile = TILE * S::LANES;
        let mut trace = [[s.zero(); TILE]; TRACE];
        let state: &mut [Row<S>] = bytemuck::cast_slice_mut(state);
        let slices = params.chunks_mut(tile).zip(grads.chunks(tile));
        for (state, (params, grads)) in state.chunks_exact_mut(STATE).zip(slices) {
            let moved = stack.forward(s, &load_row::<S>(grads), state, &mut trace);
            state.copy_from_slice(&trace[TRACE - STATE..]);
            let moved: &[E] = bytemuck::cast_slice(&moved);
            for (x, &by) in params.iter_mut().zip(moved) {
                *x = *x + by;
            }
        }
    }
}

/// The way back of one job, whose coordinates are `span`.
struct Back<'a, E: Element> {
    weights: &'a StackWeights<E>,
    state: &'a [E],
    gradients: &'a [Vec<E>],
    adjoints: &'a [Vec<E>],
    span: std::ops::Range<usize>,
    way: &'a mut WayBack<E>,
}

impl<E: Element> Kernel<E> for Back<'_, E> {
    type Output = Vec<f64>;
    #[inline(always)]
    fn run<S: Simd<E = E>>(self, s: S) -> Vec<f64> {
        let Self { weights, state, gradients, adjoints, span, way } = self;
        let stack = Stack::<S>::new(weights);
        let tile = TILE * S::LANES;
        let start: &[Row<S>] = bytemuck::cast_slice(state);
        way.gradient.fill(E::from_f64(0.0));
        let sums = way.gradient.as_vectors_mut::<S>();
        for (i, start) in start.chunks_exact(STATE).enumerate() {
            let first = span.start + i * tile;
            let here = first..(first + tile).min(span.end);
            let traces = way.trace.as_rows_mut::<S>();
            for (t, grads) in gradients.iter().enumerate() {
                let (before, now) = traces.split_at_mut(t * TRACE);
                let old = if t == 0 { start } else { &before[before.len() - STATE..] };
                stack.forward(s, &load_row::<S>(&grads[here.clone()]), old, &mut now[..TRACE]);
            }
            let traces = &*traces;
            way.adjoint.fill(E::from_f64(0.0));
            let adjoint = way.adjoint.as_rows_mut::<S>();
            for (t, moved) in adjoints.iter().enumerate().rev() {
                let (before, now) = traces.split_at(t * TRACE);
                let old = if t == 0 { start } else { &before[before.len() - STATE..] };
                let moved = load_row::<S>(&moved[here.clone()]);
                let pending = way.pending.next::<S>(TILE);
                stack.adjoint(s, &moved, old, &now[..TRACE], adjoint, pending);
                if way.pending.enough() {
                    weight_gradients(s, &way.pending.take::<S>(), sums);
                }
            }
        }
        weight_gradients(s, &way.pending.take::<S>(), sums);
        let mut out = Vec::with_capacity(META_PARAMETERS);
        for &sum in &*sums {
            out.push(s.sum_lanes(sum).into());
        }
        out
    }
}
