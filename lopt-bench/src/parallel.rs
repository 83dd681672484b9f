//! Independent jobs on several threads; results do not depend on how many.

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rayon::ThreadPool;

use crate::error::CliError;

/// Calls `job` for `0..count` on up to `threads` threads; results in the order of the jobs. After a job
/// has failed no more are begun.
///
/// Every thread works inside a pool of its own with one thread: a job that waited in the common
/// pool could be given a piece of another job, on its own clock.
///
/// # Errors
///
/// If threads cannot be started, or a job fails.
pub fn parallel<T: Send>(
    threads: usize,
    count: usize,
    job: impl Fn(usize) -> Result<T, CliError> + Sync,
) -> Result<Vec<T>, CliError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, T)>, CliError> {
        let pool = pool(1)?;
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < count);
        let done = |index| {
            let result = job(index);
            if result.is_err() {
                next.fetch_max(count, Ordering::Relaxed);
            }
            Ok((index, result?))
        };
        pool.install(|| std::iter::from_fn(take).map(done).collect())
    };
    let mut done: Vec<(usize, T)> = Vec::with_capacity(count);
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, work);
        let workers = (0..threads.clamp(1, count.max(1))).map(start).collect::<Result<Vec<_>, _>>();
        let workers = workers.map_err(|error| {
            // those that were started find nothing to do
            next.fetch_max(count, Ordering::Relaxed);
            no_threads(error)
        })?;
        for worker in workers {
            let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done.extend(part?);
        }
        Ok::<(), CliError>(())
    })?;
    done.sort_unstable_by_key(|&(index, _)| index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// The asked number of runs at a time, or the cores of the machine.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Threads of their own, so that nothing else runs on them; 0 means the cores of the machine.
///
/// # Errors
///
/// If they cannot be started.
pub fn pool(threads: usize) -> Result<ThreadPool, CliError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(no_threads)
}

/// For threads that the system refuses.
pub fn no_threads(error: impl Display) -> CliError {
    CliError::Failed(format!("cannot start threads: {error}"))
}
