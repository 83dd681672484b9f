//! State of 16 bits a number: under half of the memory, a few more operations a step.
//!
//! Averages and mean squares, which may have any size, are kept in bfloat16; hidden vectors, which a
//! GRU holds between -1 and 1 (or where they began), in fixed point, units of 2^-14 up to 2; log
//! rates in `f32`. The gains are not kept, they are read out of the hidden vector again. Every step
//! unpacks a tile into rows of the thread, goes on as ever, and packs. An average with a decay near
//! one moves by less than half a unit of eight bits, so rounding is by chance: up or down as a hash
//! of step, parameter and field says, which no number of threads changes.

use super::narrow::{from_bfloat, from_fixed, hash, to_bfloat, to_fixed};
use crate::hierarchical_rnn::psi::network::Network;
use crate::hierarchical_rnn::stages::readout;
use crate::hierarchical_rnn::whole_step::plan::Plan;
use crate::simd::Buffer;
use crate::simd::{Row, Simd, TILE, prefetch};

/// Parameters of one tile; `f32` only.
const TILE_PARAMETERS: usize = TILE * 16;
/// 16-bit numbers in the place of one `f32`.
const HALVES: usize = 2;
/// Bytes that are fetched together.
const CACHE_LINE: usize = 64;

/// Per-parameter state between steps.
#[derive(Clone, Debug)]
pub(crate) struct CompactTiles {
    /// `[tile][hidden vector, averages, mean squares][column]`, two in the place of one; zeros before
    /// the tensor's first step.
    halves: Buffer<f32>,
    /// `[tile][column]`.
    log_rates: Buffer<f32>,
    /// Steps since the last reset, on which rounding depends.
    steps: u64,
    /// Whether the next step is the first one of the tensors that take it.
    pub(crate) first_step: bool,
}

impl CompactTiles {
    /// Zeros for a network on a plan.
    pub(crate) fn new(net: &Network<f32>, plan: &Plan) -> Self {
        let halves = plan.tiles * net.fields().narrow() * TILE_PARAMETERS;
        Self {
            halves: Buffer::zeros(halves / HALVES),
            log_rates: Buffer::zeros(plan.tiles * TILE_PARAMETERS),
            steps: 0,
            first_step: true,
        }
    }

    /// A beginning; the first step takes nothing but the log rates, one per parameter, from here.
    pub(crate) fn reset(&mut self, plan: &Plan, log_rates: &[f32]) {
        self.steps = 0;
        self.halves.fill(0.0);
        for span in plan.jobs.iter().flat_map(|job| plan.spans(job)) {
            let tile = &mut self.log_rates[span.tile * TILE_PARAMETERS..][..TILE_PARAMETERS];
            let given = &log_rates[span.scalars];
            tile[..given.len()].copy_from_slice(given);
            // padding lanes run along with a rate that does no harm
            tile[given.len()..].fill(given[given.len() - 1]);
        }
    }

    /// Log rates, `[tile][column]`.
    pub(crate) fn log_rates(&self) -> &Buffer<f32> {
        &self.log_rates
    }

    /// Bytes of all fields.
    pub(crate) fn bytes(&self) -> usize {
        (self.halves.len() + self.log_rates.len()) * size_of::<f32>()
    }

    /// Both buffers, and the steps since the last reset.
    pub(crate) fn memory(&self) -> ([&[f32]; 2], u64) {
        ([&self.halves, &self.log_rates], self.steps)
    }

    /// Takes what [`memory`](Self::memory) gave.
    pub(crate) fn restore(&mut self, halves: &[f32], log_rates: &[f32], steps: u64) {
        self.halves.copy_from_slice(halves);
        self.log_rates.copy_from_slice(log_rates);
        self.steps = steps;
    }

    /// All tiles, for the next step.
    pub(crate) fn begin_step(&mut self) -> CompactPart<'_> {
        let step = self.steps;
        self.steps += 1;
        CompactPart {
            halves: bytemuck::cast_slice_mut(&mut self.halves),
            log_rates: &mut self.log_rates,
            step,
            first_step: self.first_step,
        }
    }
}

/// A run of tiles during a step.
#[derive(Debug)]
pub(crate) struct CompactPart<'a> {
    halves: &'a mut [u16],
    log_rates: &'a mut [f32],
    step: u64,
    first_step: bool,
}

impl<'a> CompactPart<'a> {
    /// The first `tiles` of `fields` 16-bit fields each, and the rest.
    pub(crate) fn split_at(self, tiles: usize, fields: usize) -> (Self, Self) {
        let (step, first_step) = (self.step, self.first_step);
        let halves = self.halves.split_at_mut(tiles * fields * TILE_PARAMETERS);
        let log_rates = self.log_rates.split_at_mut(tiles * TILE_PARAMETERS);
        let left = Self { halves: halves.0, log_rates: log_rates.0, step, first_step };
        (left, Self { halves: halves.1, log_rates: log_rates.1, step, first_step })
    }

    /// Asks for tile `at` of the run ahead of its time, if there is one.
    #[inline(always)]
    pub(crate) fn prefetch(&self, fields: usize, at: usize) {
        let halves = fields * TILE_PARAMETERS;
        let Some(next) = self.halves.get(at * halves..(at + 1) * halves) else { return };
        next.iter().step_by(CACHE_LINE / size_of::<u16>()).for_each(prefetch);
        let log_rates = &self.log_rates[at * TILE_PARAMETERS..][..TILE_PARAMETERS];
        log_rates.iter().step_by(CACHE_LINE / size_of::<f32>()).for_each(prefetch);
    }

    /// Writes the fields of tile `at` of the run to `rows`; `read`: room for the readout.
    #[inline(always)]
    pub(crate) fn unpack<S: Simd>(
        &self,
        s: S,
        net: &Network<S::E>,
        at: usize,
        rows: &mut [Row<S>],
        read: &mut [Row<S>],
    ) {
        let fields = net.fields();
        let narrow = fields.narrow();
        let (numbers, rest) = rows.split_at_mut(narrow);
        let log_rates = &self.log_rates[at * TILE_PARAMETERS..][..TILE_PARAMETERS];
        floats(&mut rest[..1]).copy_from_slice(log_rates);
        if self.first_step {
            let (hidden, averages) = numbers.split_at_mut(fields.hidden);
            for (row, &value) in hidden.iter_mut().zip(&net.initial[0]) {
                *row = [s.splat(value); TILE];
            }
            averages.fill([s.zero(); TILE]);
            rest[1..].fill([s.constant(1.0); TILE]);
            return;
        }
        let halves = &self.halves[at * narrow * TILE_PARAMETERS..][..narrow * TILE_PARAMETERS];
        let bits: &mut [u32] = bytemuck::cast_slice_mut(numbers);
        let (hidden, averages) = bits.split_at_mut(fields.hidden * TILE_PARAMETERS);
        let (fixed, bfloats) = halves.split_at(hidden.len());
        for (to, &half) in hidden.iter_mut().zip(fixed) {
            *to = from_fixed(half);
        }
        for (to, &half) in averages.iter_mut().zip(bfloats) {
            *to = from_bfloat(half);
        }
        let (gradient_gain, rms_gain) = rest[1..].split_at_mut(1);
        let hidden = &numbers[..fields.hidden];
        let [a, b] = [&mut gradient_gain[0], &mut rms_gain[0]];
        readout::gains_of(s, &net.readout, hidden, read, a, b);
    }

    /// Keeps the fields of tile `at` of the run, which is number `tile` of all.
    #[inline(always)]
    pub(crate) fn pack<S: Simd>(
        &mut self,
        net: &Network<S::E>,
        at: usize,
        tile: usize,
        rows: &mut [Row<S>],
    ) {
        let fields = net.fields();
        let narrow = fields.narrow();
        let (numbers, rest) = rows.split_at_mut(narrow);
        let log_rates = &mut self.log_rates[at * TILE_PARAMETERS..][..TILE_PARAMETERS];
        log_rates.copy_from_slice(floats(&mut rest[..1]));
        let halves = &mut self.halves[at * narrow * TILE_PARAMETERS..][..narrow * TILE_PARAMETERS];
        let bits: &[u32] = bytemuck::cast_slice(numbers);
        let hidden = fields.hidden * TILE_PARAMETERS;
        let (fixed, bfloats) = halves.split_at_mut(hidden);
        let noise = Noise { step: self.step, first: (tile * TILE_PARAMETERS) as u32 };
        noise.pack(0, &bits[..hidden], fixed, to_fixed);
        noise.pack(1, &bits[hidden..], bfloats, to_bfloat);
    }
}

/// Noise of one step and tile.
#[derive(Clone, Copy, Debug)]
struct Noise {
    step: u64,
    /// Number of the tile's first parameter.
    first: u32,
}

impl Noise {
    /// Narrows rows; `group` tells calls apart.
    #[inline(always)]
    fn pack(self, group: u32, bits: &[u32], halves: &mut [u16], narrow: impl Fn(u32, u32) -> u16) {
        // arrays of a length known to the compiler, or the loops would not become vectors
        let (from, _) = bits.as_chunks::<TILE_PARAMETERS>();
        let (to, _) = halves.as_chunks_mut::<TILE_PARAMETERS>();
        for (pair, (to, from)) in to.chunks_mut(2).zip(from.chunks(2)).enumerate() {
            let salt = hash(pair as u32 | group << 16);
            let seed = hash(self.step as u32 ^ hash((self.step >> 32) as u32 ^ salt));
            let noise =
                |i: usize| hash(self.first.wrapping_add(i as u32).wrapping_mul(0x9e37_79b9) ^ seed);
            match (to, from) {
                // one hash serves two rows
                ([low, high], [a, b]) => {
                    for i in 0..TILE_PARAMETERS {
                        let noise = noise(i);
                        low[i] = narrow(a[i], noise);
                        high[i] = narrow(b[i], noise >> 16);
                    }
                }
                ([low], [a]) => {
                    for i in 0..TILE_PARAMETERS {
                        low[i] = narrow(a[i], noise(i));
                    }
                }
                _ => {}
            }
        }
    }
}

/// One row of `f32` vectors as numbers.
#[inline(always)]
fn floats<V: bytemuck::Pod>(rows: &mut [[V; TILE]]) -> &mut [f32] {
    bytemuck::cast_slice_mut(rows)
}
