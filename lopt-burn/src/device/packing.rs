//! Tensors in buffers of their own into one flat buffer, and back, without leaving the device.

use burn_cubecl::cubecl;
use cubecl::prelude::*;
use lopt_core::Layout;
use lopt_core::gpu::{Client, DeviceError, Handle};

/// Tensors that one launch takes: with table and flat buffer no more bindings than a step's own.
const SOURCES: usize = 7;
/// Threads of a group.
const THREADS: usize = 256;
/// Fewest floats of a job, unless its tensor is smaller, and most jobs beyond one per tensor.
const LEAST: usize = 4096;
const JOBS: usize = 32_768;
/// Groups that every device can launch along one axis.
const MOST_GROUPS: usize = 65_535;
/// Entries of a table per job: which source, first float there, first float in the flat buffer,
/// floats.
const JOB: usize = 4;

/// * `jobs`: [`JOB`] entries each; `present`: bit `k` for source `k`, others keep their place.
#[cube(launch_unchecked)]
fn pack(
    a: &[f32],
    b: &[f32],
    c: &[f32],
    d: &[f32],
    e: &[f32],
    f: &[f32],
    g: &[f32],
    jobs: &[u32],
    flat: &mut [f32],
    present: u32,
) {
    let entry = CUBE_POS * comptime!(JOB);
    let source = jobs[entry];
    let from = jobs[entry + 1] as usize;
    let to = jobs[entry + 2] as usize;
    let len = jobs[entry + 3] as usize;
    if (present >> source) & 1 == 1 {
        if source == 0 {
            part(a, flat, from, to, len);
        } else if source == 1 {
            part(b, flat, from, to, len);
        } else if source == 2 {
            part(c, flat, from, to, len);
        } else if source == 3 {
            part(d, flat, from, to, len);
        } else if source == 4 {
            part(e, flat, from, to, len);
        } else if source == 5 {
            part(f, flat, from, to, len);
        } else {
            part(g, flat, from, to, len);
        }
    }
}

/// * `jobs`: as in `pack`, from the flat buffer's place to that in `apart`.
#[cube(launch_unchecked)]
fn unpack(flat: &[f32], jobs: &[u32], apart: &mut [f32]) {
    let entry = CUBE_POS * comptime!(JOB);
    let from = jobs[entry + 2] as usize;
    let to = jobs[entry + 1] as usize;
    let len = jobs[entry + 3] as usize;
    part(flat, apart, from, to, len);
}

/// One group copies some floats.
#[cube]
fn part(source: &[f32], target: &mut [f32], from: usize, to: usize, len: usize) {
    let mut i = UNIT_POS as usize;
    while i < len {
        target[to + i] = source[from + i];
        i += comptime!(THREADS);
    }
}

/// Copies between the tensors of a model, each in a buffer of its own, and a flat buffer as
/// the optimizer of lopt-core has them. Nothing is read by the host and nothing
/// waited for.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Packing {
    client: Client,
    layout: Layout,
    /// For every [`SOURCES`] tensors.
    pack: Vec<Table>,
    unpack: Table,
    /// `[T]`: first float of each tensor in the buffer that [`unpack`](Self::unpack) makes.
    starts: Vec<usize>,
    /// Floats of that buffer.
    total: usize,
    nothing: Handle,
}

/// [`JOB`] entries each.
struct Table {
    jobs: Handle,
    groups: u32,
}

impl Table {
    fn groups(&self) -> CubeCount {
        CubeCount::Static(self.groups, 1, 1)
    }

    fn arg(&self) -> BufferArg {
        argument(&self.jobs, self.groups as usize * JOB)
    }
}

#[allow(unsafe_code, reason = "a kernel's argument is a buffer with a length")]
fn argument(handle: &Handle, len: usize) -> BufferArg {
    // SAFETY: lengths are those the buffer was created with, or were compared with its size.
    unsafe { BufferArg::from_raw_parts(handle.clone(), len) }
}

impl Packing {
    /// For the tensors of a model.
    ///
    /// # Errors
    ///
    /// If it is too large for a launch.
    pub fn new(client: &Client, layout: &Layout) -> Result<Self, DeviceError> {
        let aligned = (client.properties().memory.alignment as usize).div_ceil(4).max(1);
        let (mut starts, mut total) = (Vec::new(), 0);
        for range in layout.ranges() {
            starts.push(total);
            total += range.len().next_multiple_of(aligned);
        }
        let most = u32::MAX as usize;
        if total > most {
            let what = "number of parameters";
            return Err(DeviceError::TooLarge { what, value: total, most });
        }
        let longest = layout.len().div_ceil(JOBS).max(LEAST);
        let ranges: Vec<_> = layout.ranges().collect();
        let mut pack = Vec::new();
        for of_launch in ranges.chunks(SOURCES) {
            let tensors = of_launch.iter().enumerate();
            let tensors = tensors.map(|(k, range)| (k, 0, range.start, range.len()));
            pack.push(table(client, tensors, longest)?);
        }
        let tensors = ranges.iter().zip(&starts);
        let tensors = tensors.map(|(range, &start)| (0, start, range.start, range.len()));
        let unpack = table(client, tensors, longest)?;
        let (layout, nothing) = (layout.clone(), client.empty(4));
        Ok(Self { client: client.clone(), layout, pack, unpack, starts, total, nothing })
    }

    /// Copies every tensor to its place in a flat buffer of `[P]`, one launch per seven tensors; the
    /// place of a tensor that is not there keeps what it has.
    ///
    /// * `tensors`: `[T]`, contiguous.
    ///
    /// # Errors
    ///
    /// If there is not one entry per tensor, or a buffer is too short.
    pub fn pack(&self, tensors: &[Option<Handle>], flat: &Handle) -> Result<(), DeviceError> {
        let count = self.layout.tensor_count();
        if tensors.len() != count {
            return Err(DeviceError::Mismatch { what: "number of tensors" });
        }
        long_enough("flat", flat, self.layout.len())?;
        for (tensor, range) in tensors.iter().zip(self.layout.ranges()) {
            if let Some(tensor) = tensor {
                long_enough("tensor", tensor, range.len())?;
            }
        }
        for (first, jobs) in (0..count).step_by(SOURCES).zip(&self.pack) {
            let source = |k: usize| tensors.get(first + k).and_then(Option::as_ref);
            let present = (0..SOURCES).map(|k| u32::from(source(k).is_some()) << k).sum::<u32>();
            if present == 0 {
                continue;
            }
            let [a, b, c, d, e, f, g] = std::array::from_fn(|k| match source(k) {
                Some(handle) => argument(handle, self.layout.range(first + k).len()),
                None => argument(&self.nothing, 1),
            });
            #[allow(unsafe_code, reason = "the kernel does not check its indices")]
            // SAFETY: indices come from the table, made for tensors that were found long enough.
            unsafe {
                pack::launch_unchecked(
                    &self.client,
                    jobs.groups(),
                    CubeDim::new_1d(THREADS as u32),
                    a,
                    b,
                    c,
                    d,
                    e,
                    f,
                    g,
                    jobs.arg(),
                    argument(flat, self.layout.len()),
                    present,
                );
            }
        }
        Ok(())
    }

    /// Copies a flat buffer of `[P]` to tensors in one new buffer that they share, each where the
    /// device wants a buffer to begin: one launch. They live as long as any of them.
    ///
    /// # Errors
    ///
    /// If the buffer is too short.
    pub fn unpack(&self, flat: &Handle) -> Result<Vec<Handle>, DeviceError> {
        long_enough("flat", flat, self.layout.len())?;
        let apart = self.client.empty(4 * self.total);
        let jobs = &self.unpack;
        #[allow(unsafe_code, reason = "the kernel does not check its indices")]
        // SAFETY: indices come from the table, made for buffers of these lengths.
        unsafe {
            unpack::launch_unchecked(
                &self.client,
                jobs.groups(),
                CubeDim::new_1d(THREADS as u32),
                argument(flat, self.layout.len()),
                jobs.arg(),
                argument(&apart, self.total),
            );
        }
        let tensors = self.starts.iter().zip(self.layout.ranges()).map(|(&start, range)| {
            let after = self.total - start - range.len();
            apart.clone().offset_start(4 * start as u64).offset_end(4 * after as u64)
        });
        Ok(tensors.collect())
    }

    /// Launches of a step that packs all gradients and unpacks two points.
    #[must_use]
    pub fn launches(&self) -> usize {
        self.pack.len() + 2
    }
}

/// Cuts tensors, each `(source, first float there, first float in the flat buffer, floats)`.
fn table(
    client: &Client,
    tensors: impl Iterator<Item = (usize, usize, usize, usize)>,
    longest: usize,
) -> Result<Table, DeviceError> {
    let mut jobs: Vec<u32> = Vec::new();
    for (source, at, flat, len) in tensors {
        for done in (0..len).step_by(longest) {
            let own = longest.min(len - done);
            jobs.extend([source, at + done, flat + done, own].map(|x| x as u32));
        }
    }
    let groups = jobs.len() / JOB;
    if groups > MOST_GROUPS {
        let what = "number of groups of threads";
        return Err(DeviceError::TooLarge { what, value: groups, most: MOST_GROUPS });
    }
    Ok(Table { jobs: client.create_from_slice(u32::as_bytes(&jobs)), groups: groups as u32 })
}

fn long_enough(what: &'static str, handle: &Handle, len: usize) -> Result<(), DeviceError> {
    let (expected, got) = (4 * len as u64, handle.size_in_used());
    if got < expected {
        return Err(DeviceError::Length { what, expected, got });
    }
    Ok(())
}
