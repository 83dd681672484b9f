//! Time on a machine that others use too.

use std::time::Instant;

/// A clock that stands still while the thread waits for a core, where the system has one; to be read
/// on the thread that started it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Instant,
    on_core: f64,
}

impl Stopwatch {
    /// Starts now, on this thread.
    pub fn start() -> Self {
        Self { wall: Instant::now(), on_core: thread_seconds() }
    }

    /// Seconds since it was started.
    pub fn seconds(&self) -> f64 {
        if cfg!(unix) { thread_seconds() - self.on_core } else { self.wall.elapsed().as_secs_f64() }
    }

    /// Seconds since it was started, and starts anew.
    pub fn lap(&mut self) -> f64 {
        let seconds = self.seconds();
        *self = Self::start();
        seconds
    }
}

/// Time that this thread has run.
#[cfg(unix)]
fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

#[cfg(not(unix))]
fn thread_seconds() -> f64 {
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_sleep_does_not() {
        let mut watch = Stopwatch::start();
        let sum: f64 = (0..3_000_000).map(|i| f64::from(i).sqrt()).sum();
        assert!(sum > 0.0 && watch.lap() > 0.0);
        if cfg!(unix) {
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(watch.seconds() < 0.04);
        }
    }
}
