//! Memory of an unroll: what every step leaves, and the records of one segment.
//!
//! A record holds everything the way back needs of a step, but is large. If all records of an
//! unroll fit the shared cache they are kept; else only the state at the start of each segment is, and the
//! way back runs the segment forward again from the gradients it was given. Same code, same bits.

use lopt_core::network::Network;
use lopt_core::plan::Plan;
use lopt_core::record::{RecordShape, StepRecord};
use lopt_core::simd::Buffer;
use lopt_core::simd::Element;
use lopt_core::state::{State, StateMut, StateShape};

/// Bytes up to which all records of an unroll are kept: half of a shared cache of 32 MiB.
const WHOLE_BYTES: usize = 16 << 20;
/// Bytes of records that are kept at once otherwise (`docs/performance.md` has the comparison).
const SEGMENT_BYTES: usize = 4 << 20;

/// What every step leaves, each flat `[P][lane]`.
#[derive(Debug)]
pub(crate) struct StepPoints<'a, E> {
    /// Gradient the step was given.
    pub grads: &'a mut [E],
    /// Point the gradient was taken at.
    pub point: &'a mut [E],
    /// Gradient of the meta-loss's loss before the step.
    pub loss_gradient: &'a mut [E],
}

/// Memory of unrolls, used again and again by one thread.
#[derive(Debug)]
pub(crate) struct Trace<E: Element> {
    records: Buffer<E>,
    snapshots: Buffer<E>,
    points: Buffer<E>,
    /// Elements of one record, one snapshot, one point.
    sizes: [usize; 3],
    /// Steps of one segment.
    segment: usize,
}

impl<E: Element> Default for Trace<E> {
    fn default() -> Self {
        let none = || Buffer::zeros(0);
        let (records, snapshots, points) = (none(), none(), none());
        Self { records, snapshots, points, sizes: [0; 3], segment: 1 }
    }
}

/// A record and the state after it.
pub(crate) type RecordPair<'a, E> = (StepRecord<'a, E>, StateMut<'a, E>);

impl<E: Element> Trace<E> {
    /// Makes room for an unroll of `steps` steps with `scalars` elements in flat buffers.
    pub(crate) fn prepare(&mut self, net: &Network<E>, plan: &Plan, scalars: usize, steps: usize) {
        let record = RecordShape::new(net, plan).len();
        let state = StateShape::new(net, plan).len();
        self.sizes = [record, state, scalars];
        let (steps, bytes) = (steps.max(1), record * size_of::<E>());
        let whole = steps * bytes <= WHOLE_BYTES;
        self.segment = if whole { steps } else { (SEGMENT_BYTES / bytes).clamp(1, steps) };
        let segments = steps.div_ceil(self.segment);
        for (buffer, len) in [
            (&mut self.records, (self.segment + 1) * record),
            (&mut self.snapshots, segments * state),
            (&mut self.points, 3 * (steps + 1) * scalars),
        ] {
            if buffer.len() < len {
                *buffer = Buffer::zeros(len);
            }
        }
        // columns that pad a tile are never written, and would hand what lies there to checkpoints
        let end = self.end_of_records(steps);
        self.records[end..end + state].fill(E::from_f64(0.0));
    }

    /// The segment of step `n`.
    pub(crate) fn segment_of(&self, n: usize) -> usize {
        n / self.segment
    }

    /// First step of a segment.
    pub(crate) fn first_of(&self, segment: usize) -> usize {
        segment * self.segment
    }

    /// What step `n` leaves.
    pub(crate) fn points(&mut self, n: usize) -> StepPoints<'_, E> {
        points_at(&mut self.points, self.sizes[2], n)
    }

    /// The record of step `n`, the state after it and what the step leaves.
    pub(crate) fn step(
        &mut self,
        net: &Network<E>,
        plan: &Plan,
        n: usize,
    ) -> (RecordPair<'_, E>, StepPoints<'_, E>) {
        let (size, at) = (self.sizes[0], n % self.segment);
        let (before, after) = self.records.split_at_mut((at + 1) * size);
        let record = StepRecord::in_memory(&mut before[at * size..], &RecordShape::new(net, plan));
        let after = StateMut::in_memory(after, &StateShape::new(net, plan));
        ((record, after), points_at(&mut self.points, self.sizes[2], n))
    }

    /// Whether step `n` of `steps` is in the last segment, the only one the forward sweep records.
    pub(crate) fn in_last_segment(&self, n: usize, steps: usize) -> bool {
        n / self.segment == (steps - 1) / self.segment
    }

    /// Keeps the state at the start of a segment.
    pub(crate) fn keep(&mut self, segment: usize, state: &State<E>, shape: &StateShape) {
        let at = segment * self.sizes[1];
        StateMut::in_memory(&mut self.snapshots[at..], shape).copy_from(state);
    }

    /// The state that the last of `steps` steps left in the records.
    pub(crate) fn state_after(&mut self, steps: usize, shape: &StateShape) -> StateMut<'_, E> {
        let at = self.end_of_records(steps);
        StateMut::in_memory(&mut self.records[at..], shape)
    }

    /// Where in the records that state lies.
    fn end_of_records(&self, steps: usize) -> usize {
        (steps - self.first_of(self.segment_of(steps - 1))) * self.sizes[0]
    }

    /// Puts the state at the start of a segment back.
    pub(crate) fn rewind(&mut self, segment: usize) {
        let state = self.sizes[1];
        let from = &self.snapshots[segment * state..(segment + 1) * state];
        self.records[..state].copy_from_slice(from);
    }
}

fn points_at<E: Element>(points: &mut Buffer<E>, scalars: usize, n: usize) -> StepPoints<'_, E> {
    let (grads, rest) = points[3 * n * scalars..3 * (n + 1) * scalars].split_at_mut(scalars);
    let (point, loss_gradient) = rest.split_at_mut(scalars);
    StepPoints { grads, point, loss_gradient }
}
