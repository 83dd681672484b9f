//! What a run costs, on a machine that others use too.

use std::time::Instant;

/// A clock that stands still while the thread waits for a core, where the system has one.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    on_core: Option<f64>,
}

impl Stopwatch {
    /// Starts now, on this thread.
    pub fn start() -> Self {
        Self { began: Instant::now(), on_core: seconds_on_core() }
    }

    /// Seconds since then; to be read on the thread that started it.
    pub fn seconds(&self) -> f64 {
        match (self.on_core, seconds_on_core()) {
            (Some(before), Some(now)) => now - before,
            _ => self.began.elapsed().as_secs_f64(),
        }
    }
}

/// Time that this thread has run, as Linux counts it.
fn seconds_on_core() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(1e-9 * nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_sleep_does_not() {
        let watch = Stopwatch::start();
        let sum: f64 = (0..3_000_000).map(|i| f64::from(i).sqrt()).sum();
        assert!(sum > 0.0 && watch.seconds() > 0.0);
        if seconds_on_core().is_some() {
            let watch = Stopwatch::start();
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(watch.seconds() < 0.04);
        }
    }
}
