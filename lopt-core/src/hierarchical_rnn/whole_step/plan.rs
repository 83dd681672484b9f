//! How tensors are cut into columns, tiles and jobs.
//!
//! Two shapes of one kernel. With [`Lanes::Parameters`] a column is 16 neighbouring parameters of
//! one big model, and reductions run over lanes too. With [`Lanes::Instances`] a column is one
//! parameter of 16 copies of a small problem side by side, and every lane keeps to itself.

use crate::layout::Layout;
use crate::simd::TILE;
use std::ops::Range;

/// Tiles of one job: the unit of parallel work and of partial sums, so that neither depends on the
/// number of threads.
const JOB_TILES: usize = 32;

/// What the lanes of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// Neighbouring parameters of one model.
    Parameters,
    /// The same parameter of different problem instances.
    Instances,
}

/// One tensor.
#[derive(Clone, Debug)]
pub struct TensorPlan {
    /// Number of parameters, the `N_t` of means.
    pub elements: f64,
    /// Where its scalars lie in flat buffers.
    pub scalars: Range<usize>,
    /// Its jobs.
    pub jobs: Range<usize>,
}

/// A run of tiles of one tensor.
#[derive(Clone, Debug)]
pub struct Job {
    /// The tensor.
    pub tensor: usize,
    /// Their numbers.
    pub tiles: Range<usize>,
    /// Where its scalars lie in flat buffers.
    pub scalars: Range<usize>,
}

/// Geometry of a whole problem.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The shape.
    pub lanes: Lanes,
    /// Lanes of one vector.
    pub width: usize,
    /// The tensors in order.
    pub tensors: Vec<TensorPlan>,
    /// Their jobs in order.
    pub jobs: Vec<Job>,
    /// Number of tiles.
    pub tiles: usize,
    /// Total number of parameters P.
    pub parameters: f64,
}

/// One tile of a job.
#[derive(Clone, Debug)]
pub struct TileSpan {
    /// Its number.
    pub tile: usize,
    /// Its columns.
    pub cols: usize,
    /// Where its scalars lie in flat buffers.
    pub scalars: Range<usize>,
}

impl Plan {
    /// Cuts a layout for vectors of `width` lanes.
    #[must_use]
    pub fn new(layout: &Layout, lanes: Lanes, width: usize) -> Self {
        let per_parameter = if lanes == Lanes::Instances { width } else { 1 };
        let mut plan = Self {
            lanes,
            width,
            tensors: Vec::new(),
            jobs: Vec::new(),
            tiles: 0,
            parameters: layout.len() as f64,
        };
        for t in 0..layout.tensor_count() {
            let range = layout.range(t);
            let scalars = range.start * per_parameter..range.end * per_parameter;
            let tiles = scalars.len().div_ceil(TILE * width);
            let first_job = plan.jobs.len();
            let mut done = 0;
            while done < tiles {
                let count = JOB_TILES.min(tiles - done);
                let start = scalars.start + done * TILE * width;
                let end = scalars.end.min(start + count * TILE * width);
                let first = plan.tiles + done;
                let job = Job { tensor: t, tiles: first..first + count, scalars: start..end };
                plan.jobs.push(job);
                done += count;
            }
            plan.tiles += tiles;
            let jobs = first_job..plan.jobs.len();
            plan.tensors.push(TensorPlan { elements: range.len() as f64, scalars, jobs });
        }
        plan
    }

    /// Whether a pass over all tiles is worth a second thread: waking one costs as much as some
    /// thousand parameters.
    pub(crate) fn pays_threads(&self, threads: usize) -> bool {
        self.lanes == Lanes::Parameters && threads > 1 && self.tiles > 2 * JOB_TILES
    }

    /// Whether a run of jobs is too short to be halved.
    pub(crate) fn is_leaf(jobs: &[Job]) -> bool {
        let tiles = |job: &Job| job.tiles.len();
        jobs.len() == 1 || jobs.iter().map(tiles).sum::<usize>() <= JOB_TILES
    }

    /// Tensors that share a vector of the Tensor RNN: with lanes of parameters each has a lane of its
    /// own, with those of instances a vector.
    pub(crate) fn tensors_per_column(&self) -> usize {
        if self.lanes == Lanes::Parameters { self.width } else { 1 }
    }

    /// Tensors of one group, the [`TILE`] columns of the Tensor RNN.
    pub(crate) fn group_size(&self) -> usize {
        TILE * self.tensors_per_column()
    }

    /// Number of groups of tensors.
    pub fn groups(&self) -> usize {
        self.tensors.len().div_ceil(self.group_size())
    }

    /// Columns of one group.
    pub fn group_columns(&self, group: usize) -> usize {
        let rest = self.tensors.len() - group * self.group_size();
        rest.div_ceil(self.tensors_per_column()).min(TILE)
    }

    /// The tiles of a job.
    #[inline(always)]
    pub fn spans(&self, job: &Job) -> impl Iterator<Item = TileSpan> {
        let (width, first, all) = (self.width, job.tiles.start, job.scalars.clone());
        job.tiles.clone().map(move |tile| {
            let start = all.start + (tile - first) * TILE * width;
            let end = all.end.min(start + TILE * width);
            TileSpan { tile, cols: (end - start).div_ceil(width), scalars: start..end }
        })
    }
}
