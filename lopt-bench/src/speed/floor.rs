//! The least time the machine allows: what is moved over how fast it copies, what is computed over
//! how fast it computes, whichever is more.
//!
//! A step cannot be faster than its memory traffic at the speed of a copy, nor than all its
//! multiply-adds at the measured peak plus all its functions at their measured throughput, since
//! both kinds compete for the same units. Moving and computing may overlap, hence the maximum and
//! not the sum.
//!
//! Memory is timed twice, by a plain copy and by a pass in place, and the faster one counts: before
//! it writes a line of the target a copy may have to fetch it, which a state updated in place
//! spares.

use lopt_core::simd::Level;
use lopt_simd::throughput::FUNCTIONS;

use super::operations::Operations;
use super::throughput::{function_ns, multiply_add_ns};

/// What one row needs at least, per parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needs {
    /// Bytes to and from memory; 0 if everything fits the caches.
    pub bytes: f64,
    /// Operations.
    pub operations: Operations,
    /// Where they are computed.
    pub level: Level,
}

/// Measured speeds of one core.
#[derive(Debug, Clone)]
pub struct Speeds {
    /// Nanoseconds per byte that a plain copy reads or writes.
    pub copied_byte_ns: f64,
    /// Nanoseconds per byte that a pass in place reads or writes.
    pub updated_byte_ns: f64,
    /// Per level in use.
    pub levels: Vec<LevelSpeeds>,
}

/// Measured speeds at one level, nanoseconds for 16 lanes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelSpeeds {
    /// The level.
    pub level: Level,
    /// One multiply-add.
    pub multiply_add: f64,
    /// Each of [`FUNCTIONS`].
    pub functions: [f64; 7],
}

impl LevelSpeeds {
    /// Measures, spending about so many seconds on each number.
    pub fn measure(level: Level, seconds: f64) -> Self {
        Self {
            level,
            multiply_add: multiply_add_ns(level, seconds),
            functions: FUNCTIONS.map(|function| function_ns(function, level, seconds)),
        }
    }

    /// Two operations per lane and multiply-add, in 1e9 per second.
    pub fn gflop_per_s(&self) -> f64 {
        2.0 * LANES / self.multiply_add
    }
}

impl Speeds {
    /// Nanoseconds per parameter below which a row cannot be.
    pub fn floor_ns(&self, needs: &Needs) -> f64 {
        let moved = needs.bytes * self.copied_byte_ns.min(self.updated_byte_ns);
        let speeds = self.levels.iter().find(|speeds| speeds.level == needs.level);
        let computed = speeds.map_or(0.0, |speeds| {
            needs.operations.ns(speeds.multiply_add / LANES, &speeds.functions.map(|ns| ns / LANES))
        });
        moved.max(computed)
    }
}

/// Lanes of every vector.
const LANES: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_the_two() {
        let level = Level::Portable;
        let of_level = LevelSpeeds { level, multiply_add: 16.0, functions: [0.0; 7] };
        let speeds = Speeds { copied_byte_ns: 0.7, updated_byte_ns: 0.5, levels: vec![of_level] };
        let operations = Operations { multiply_adds: 3.0, ..Operations::default() };
        let floor = |bytes| speeds.floor_ns(&Needs { bytes, operations, level });
        assert_eq!((floor(4.0), floor(8.0)), (3.0, 4.0));
        assert_eq!(of_level.gflop_per_s(), 2.0);
    }

    #[test]
    fn measured_speeds_are_plausible() {
        let speeds = LevelSpeeds::measure(Level::Portable, 1e-3);
        assert!((0.05..1e3).contains(&speeds.multiply_add), "{speeds:?}");
        assert!(speeds.functions.iter().all(|ns| (0.05..1e4).contains(ns)), "{speeds:?}");
    }
}
