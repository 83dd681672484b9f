//! Offset tables: how the threads of one launch find all tensors.

use super::DeviceError;
use super::shape::LANES;
use crate::hierarchical_rnn::whole_step::plan::Plan;

/// Groups of one launch over parameters, beyond one per tensor: enough to fill a large device, few
/// enough that adding up what each leaves behind costs little.
const JOBS: usize = 2048;
/// Fewest tiles of a job, unless its tensor is smaller.
const LEAST_TILES: usize = 8;
/// Jobs whose sums one thread of the upper pass adds up.
const CHUNK_JOBS: usize = 32;
/// Groups that every device can launch along one axis.
const MOST_GROUPS: usize = 65_535;

/// Entries of [`Tables::jobs`] per job: tensor, first tile, tiles, first scalar, scalars, elements
/// of the tensor, its first job, its jobs.
pub(super) const JOB: usize = 8;
/// Entries of [`Tables::tensors`] per tensor: elements, first chunk, chunks.
pub(super) const TENSOR: usize = 3;
/// Entries of [`Tables::chunks`] per chunk: first job, jobs.
pub(super) const CHUNK: usize = 2;

/// All tables of one model.
#[derive(Debug)]
pub(super) struct Tables {
    pub jobs: Vec<u32>,
    pub tensors: Vec<u32>,
    pub chunks: Vec<u32>,
}

impl Tables {
    pub(super) fn new(plan: &Plan) -> Result<Self, DeviceError> {
        let job_tiles = plan.tiles.div_ceil(JOBS).max(LEAST_TILES);
        let (mut jobs, mut tensors, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        let mut first_tile = 0;
        for (t, tensor) in plan.tensors.iter().enumerate() {
            let elements = tensor.scalars.len();
            let tiles = elements.div_ceil(LANES);
            let (first_job, count) = (jobs.len() / JOB, tiles.div_ceil(job_tiles));
            for j in 0..count {
                let done = j * job_tiles;
                let own = job_tiles.min(tiles - done);
                let scalars = (own * LANES).min(elements - done * LANES);
                let start = tensor.scalars.start + done * LANES;
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
        Ok(Self { jobs, tensors, chunks })
    }
}

/// The size of every buffer has been checked to fit.
fn index(value: usize) -> u32 {
    value as u32
}
