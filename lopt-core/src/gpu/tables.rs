//! Offset tables: how the threads of one launch find all tensors.

use super::memory::Memory;
use super::{Client, DeviceError};
use crate::layout::Layout;
use crate::tensor_step::TensorStep;
use cubecl::prelude::*;

/// Threads of a group in the passes over parameters: one tile.
pub(super) const LANES: usize = 64;
/// Threads of the one group of the upper pass.
pub(super) const UPPER_THREADS: usize = 256;

/// Groups of one launch over parameters, beyond one per tensor: enough to fill a large device, few
/// enough that adding up what each leaves behind costs little.
const JOBS: usize = 2048;
/// Fewest tiles of a job, unless its tensor is smaller.
const LEAST_TILES: usize = 8;
/// Jobs whose sums one thread of the upper pass adds up.
const CHUNK_JOBS: usize = 32;
/// Groups that every device can launch along one axis.
const MOST_GROUPS: usize = 65_535;

/// Entries of [`Model::jobs`] per job: tensor, first tile, tiles, first scalar, scalars, elements
/// of the tensor, its first job, its jobs.
pub(super) const JOB: usize = 8;
/// Entries of [`Model::tensors`] per tensor: elements, first chunk, chunks.
pub(super) const TENSOR: usize = 3;
/// Entries of [`Model::chunks`] per chunk: first job, jobs.
pub(super) const CHUNK: usize = 2;

/// Floats per tensor in the table of how it takes part in a step: multiplier; whether it is held; and, of
/// hierarchical RNNs, whether it is its first step in a cohort, for which points are taken from the parameters;
/// the mean log rate that its rates are relative to in that.
pub(super) const STEP: usize = 4;
pub(super) const STEP_HELD: usize = 1;
pub(super) const STEP_BEGINS: usize = 2;
pub(super) const STEP_RATE: usize = 3;

/// One model on a device.
pub(crate) struct Model {
    pub client: Client,
    pub layout: Layout,
    pub(super) jobs: Memory,
    pub(super) tensors: Memory,
    pub(super) chunks: Memory,
}

impl Model {
    /// * `fields`: floats per parameter in the largest buffer.
    /// * `needed`: bytes of shared memory that a group takes.
    pub(super) fn new(
        client: &Client,
        layout: &Layout,
        fields: usize,
        needed: usize,
    ) -> Result<Self, DeviceError> {
        let tiles: usize = layout.ranges().map(|range| range.len().div_ceil(LANES)).sum();
        check_device(client, tiles * LANES, fields, needed)?;
        let job_tiles = tiles.div_ceil(JOBS).max(LEAST_TILES);
        let (mut jobs, mut tensors, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        let mut first_tile = 0;
        for (t, range) in layout.ranges().enumerate() {
            let elements = range.len();
            let tiles = elements.div_ceil(LANES);
            let (first_job, count) = (jobs.len() / JOB, tiles.div_ceil(job_tiles));
            for j in 0..count {
                let done = j * job_tiles;
                let own = job_tiles.min(tiles - done);
                let scalars = (own * LANES).min(elements - done * LANES);
                let start = range.start + done * LANES;
                let of_tensor = [elements, first_job, count];
                jobs.extend([t, first_tile + done, own, start, scalars].map(index));
                jobs.extend(of_tensor.map(index));
            }
            let first_chunk = chunks.len() / CHUNK;
            for first in (0..count).step_by(CHUNK_JOBS) {
                chunks.extend([first_job + first, CHUNK_JOBS.min(count - first)].map(index));
            }
            let chunk_count = chunks.len() / CHUNK - first_chunk;
            tensors.extend([elements, first_chunk, chunk_count].map(index));
            first_tile += tiles;
        }
        let groups = jobs.len() / JOB;
        if groups > MOST_GROUPS {
            let what = "number of groups of threads";
            return Err(DeviceError::TooLarge { what, value: groups, most: MOST_GROUPS });
        }
        let [jobs, tensors, chunks] =
            [jobs, tensors, chunks].map(|table| Memory::of(client, &table));
        Ok(Self { client: client.clone(), layout: layout.clone(), jobs, tensors, chunks })
    }

    /// Groups of a launch over parameters.
    pub(super) fn groups(&self) -> usize {
        self.jobs.len / JOB
    }

    /// Groups and threads of a launch over parameters.
    pub(super) fn over_jobs(&self) -> (CubeCount, CubeDim) {
        (CubeCount::Static(self.groups() as u32, 1, 1), CubeDim::new_1d(LANES as u32))
    }

    /// Floats of the sums of chunks, so many each.
    pub(super) fn chunk_sums(&self, sums: usize) -> usize {
        self.chunks.len / CHUNK * sums
    }
}

/// How tensors take part in a step, [`STEP`] floats each, on the host and on the device.
#[derive(Debug)]
pub(super) struct StepTable {
    known: Vec<f32>,
    pub memory: Memory,
}

impl StepTable {
    pub(super) fn empty(client: &Client) -> Self {
        Self { known: Vec::new(), memory: Memory::zeros(client, STEP) }
    }

    /// Brings a table to the device, unless it is there.
    pub(super) fn set(&mut self, client: &Client, table: Vec<f32>) {
        if self.known != table {
            *self = Self { memory: Memory::of(client, &table), known: table };
        }
    }
}

/// How a tensor takes part, for a table.
pub(super) fn described(step: &TensorStep<f32>, begins: bool, rate: f32) -> [f32; STEP] {
    let [held, begins] = [step.held, begins && !step.held].map(|is| f32::from(u8::from(is)));
    [step.multiplier, held, begins, rate]
}

/// Whether all fits a device.
fn check_device(
    client: &Client,
    padded: usize,
    fields: usize,
    needed: usize,
) -> Result<(), DeviceError> {
    // the largest part of the state is one buffer, whose elements have indices of 32 bits
    let buffer = client.properties().memory.max_page_size / size_of::<f32>() as u64;
    let most = buffer.min(u32::MAX.into()) as usize / fields;
    if padded > most {
        let what = "number of parameters, each tensor's padded to a multiple of 64,";
        return Err(DeviceError::TooLarge { what, value: padded, most });
    }
    let hardware = &client.properties().hardware;
    let available = hardware.max_shared_memory_size;
    if needed > available {
        return Err(DeviceError::SharedMemory { needed, available });
    }
    let threads = hardware.max_units_per_cube as usize;
    if threads < UPPER_THREADS {
        let what = "number of threads in a group";
        return Err(DeviceError::TooLarge { what, value: UPPER_THREADS, most: threads });
    }
    Ok(())
}

/// The size of every buffer has been checked to fit.
fn index(value: usize) -> u32 {
    value as u32
}

/// What all threads of a group have added up, in order, to as many floats from `at` on; one thread per sum.
#[cube]
pub(super) fn add_threads(
    own: &Array<f32>,
    to: &mut [f32],
    at: usize,
    lane: usize,
    #[comptime] sums: usize,
) {
    // the odd stride keeps them on different banks
    let mut lanes = Shared::<[f32]>::new_slice(comptime!(sums * (LANES + 1)));
    #[unroll]
    for k in 0..comptime!(sums) {
        lanes[lane + comptime!(k * (LANES + 1))] = own[k];
    }
    sync_cube();
    if lane < sums {
        to[at + lane] = add_lanes(&lanes, lane * comptime!(LANES + 1));
    }
}

/// A float of every thread of a group, in order.
#[cube]
pub(super) fn add_lanes(lanes: &Shared<[f32]>, first: usize) -> f32 {
    let mut sum = 0.0f32;
    for i in 0..comptime!(LANES) {
        sum += lanes[first + i];
    }
    sum
}

/// `[job][sum]` to `[chunk][sum]`, in the one group of an upper pass.
#[cube]
pub(super) fn add_jobs(
    of_jobs: &[f32],
    chunks: &[u32],
    of_chunks: &mut [f32],
    thread: usize,
    #[comptime] sums: usize,
) {
    let items = chunks.len() / comptime!(CHUNK) * sums;
    let mut item = thread;
    while item < items {
        let chunk = item / sums;
        let sum = item % sums;
        let first = chunks[chunk * comptime!(CHUNK)] as usize;
        let end = first + chunks[chunk * comptime!(CHUNK) + 1] as usize;
        let mut total = 0.0f32;
        for job in first..end {
            total += of_jobs[job * sums + sum];
        }
        of_chunks[item] = total;
        item += comptime!(UPPER_THREADS);
    }
}
