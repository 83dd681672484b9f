//! What work costs: seconds on the wall or on a core.

use std::time::Instant;

use lopt_problems::Phase;

/// Which time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Time on the wall.
    Wall,
    /// Time for which this thread had a core: other load on the machine does not count.
    Thread,
    /// Time for which all threads of this process had cores, added up.
    Process,
}

/// Seconds since it was started. Where the system does not count the time on cores, that on the wall
/// stands in for it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Instant,
    clock: Clock,
    on_cores: Option<f64>,
}

impl Stopwatch {
    /// Starts now; one of [`Clock::Thread`] is to be read on the thread that started it.
    pub fn start(clock: Clock) -> Self {
        Self { wall: Instant::now(), clock, on_cores: seconds_on_cores(clock) }
    }

    /// What has passed.
    pub fn seconds(&self) -> f64 {
        match (self.on_cores, seconds_on_cores(self.clock)) {
            (Some(before), Some(now)) => now - before,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

/// These clocks count nanoseconds, so that a sample may be short.
#[cfg(unix)]
fn seconds_on_cores(clock: Clock) -> Option<f64> {
    let id = match clock {
        Clock::Wall => return None,
        Clock::Thread => rustix::time::ClockId::ThreadCPUTime,
        Clock::Process => rustix::time::ClockId::ProcessCPUTime,
    };
    let time = rustix::time::clock_gettime(id);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn seconds_on_cores(_: Clock) -> Option<f64> {
    None
}

/// Nanoseconds on cores and on the wall that a unit of something short takes, over as many calls as
/// take so many seconds of this process.
///
/// * `call`: does some of it; returns how many units.
///
/// # Errors
///
/// The first error of a call.
pub fn sample<E>(seconds: f64, mut call: impl FnMut() -> Result<f64, E>) -> Result<[f64; 2], E> {
    let (on_cores, wall) = (Stopwatch::start(Clock::Process), Stopwatch::start(Clock::Wall));
    let mut units = 0.0;
    loop {
        units += call()?;
        let passed = on_cores.seconds();
        if passed >= seconds {
            return Ok([passed, wall.seconds()].map(|seconds| seconds * 1e9 / units));
        }
    }
}

/// How long a run was in each [`Phase`]; to be told of every phase as it begins.
#[derive(Debug)]
pub struct PhaseTimes {
    watch: Stopwatch,
    current: (Phase, f64),
    /// Seconds of batches and gradients.
    pub gradients: f64,
    /// Seconds of steps.
    pub steps: f64,
}

impl PhaseTimes {
    /// Starts with a phase that does not count.
    pub fn start(clock: Clock) -> Self {
        let watch = Stopwatch::start(clock);
        Self { watch, current: (Phase::Measure, 0.0), gradients: 0.0, steps: 0.0 }
    }

    /// Another phase begins.
    pub fn enter(&mut self, phase: Phase) {
        let now = self.watch.seconds();
        let (ended, since) = std::mem::replace(&mut self.current, (phase, now));
        match ended {
            Phase::Measure => {}
            Phase::Gradient => self.gradients += now - since,
            Phase::Step => self.steps += now - since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn work_takes_time_on_every_clock_and_sleep_on_the_wall_only() {
        for clock in [Clock::Wall, Clock::Thread, Clock::Process] {
            let watch = Stopwatch::start(clock);
            let sum: f64 = (0..3_000_000).map(|i| f64::from(i).sqrt()).sum();
            assert!(sum > 0.0 && watch.seconds() > 0.0, "{clock:?}");
        }
        let (wall, thread) = (Stopwatch::start(Clock::Wall), Stopwatch::start(Clock::Thread));
        std::thread::sleep(Duration::from_millis(50));
        assert!(wall.seconds() >= 0.05);
        assert!(!cfg!(unix) || thread.seconds() < 0.04);
    }

    #[test]
    fn only_gradients_and_steps_count() {
        let mut times = PhaseTimes::start(Clock::Wall);
        let pause = || std::thread::sleep(Duration::from_millis(5));
        for phase in [Phase::Gradient, Phase::Step, Phase::Measure] {
            times.enter(phase);
            pause();
        }
        let before = times.watch.seconds();
        times.enter(Phase::Gradient);
        assert!(times.gradients >= 0.005 && times.steps >= 0.005);
        assert!(times.gradients + times.steps <= before - 0.005);
    }
}
