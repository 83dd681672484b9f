//! Time: of the whole process on its cores, and on the wall.

use std::time::Instant;

/// Started now; reads both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

/// Seconds since a [`Stopwatch`] was started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elapsed {
    /// Time all threads of this process have run: other load on the machine does not count.
    pub cpu: f64,
    /// Time on the wall.
    pub wall: f64,
}

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    /// What has passed.
    pub fn elapsed(&self) -> Elapsed {
        let wall = self.wall.elapsed().as_secs_f64();
        let cpu = if HAS_CPU_CLOCK { cpu_seconds() - self.cpu } else { wall };
        Elapsed { cpu, wall }
    }
}

/// Whether the system counts the time of a process; elsewhere the wall clock stands in for it.
pub const HAS_CPU_CLOCK: bool = cfg!(unix);

/// Unlike `/proc/thread-self/schedstat`, which moves with the scheduler's ticks, this clock counts
/// nanoseconds, so that a sample may be short.
#[cfg(unix)]
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn cpu_seconds() -> f64 {
    0.0
}
