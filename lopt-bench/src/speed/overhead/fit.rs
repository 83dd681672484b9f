//! The gradient's time as a line, and where the overhead crosses a tenth.

use serde::{Deserialize, Serialize};

use super::curve::Point;
use crate::speed::rounds::median;

/// `t = fixed_ns + per_row_ns batch`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What every gradient costs.
    pub fixed_ns: f64,
    /// What a row adds.
    pub per_row_ns: f64,
}

impl Line {
    /// Least squares of relative errors, so that small batches count as much as large ones.
    pub fn fit(points: &[Point]) -> Self {
        let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for point in points {
            let (x, y) = (point.batch as f64, point.gradient_ns);
            let weight = 1.0 / (y * y);
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * x * x;
            wxy += weight * x * y;
        }
        let determinant = w * wxx - wx * wx;
        if determinant <= 0.0 {
            // One batch size says nothing about a fixed part.
            return Self { fixed_ns: 0.0, per_row_ns: if wx > 0.0 { wy / wx } else { 0.0 } };
        }
        let per_row_ns = (w * wxy - wx * wy) / determinant;
        let fixed_ns = (wy - per_row_ns * wx) / w;
        if fixed_ns < 0.0 {
            // No gradient takes less than its rows: noise.
            return Self { fixed_ns: 0.0, per_row_ns: wxy / wxx };
        }
        Self { fixed_ns, per_row_ns }
    }
}

/// The batch size from which on the overhead is below 10 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "how")]
pub enum Crossing {
    /// The smallest measured batch below 10 % with none above 10 % after it.
    Measured {
        /// Rows.
        batch: usize,
    },
    /// By the fitted line: no measured batch is large enough.
    Extrapolated {
        /// Rows.
        batch: usize,
    },
}

impl Crossing {
    /// Looks at the points, and at the line where these end too early.
    pub fn find(points: &[Point], line: Line) -> Self {
        let below = points.iter().rev().take_while(|point| point.overhead < LIMIT).last();
        if let Some(point) = below {
            return Self::Measured { batch: point.batch };
        }
        let learned_ns = median(points.iter().map(|point| point.learned_ns));
        let rows = (learned_ns / LIMIT - line.fixed_ns) / line.per_row_ns;
        // Not less than what was measured to be too small.
        let least = points.last().map_or(1, |point| point.batch + 1);
        Self::Extrapolated { batch: (rows.ceil() as usize).max(least) }
    }
}

/// The overhead that is asked about.
const LIMIT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(batch: usize, gradient_ns: f64, learned_ns: f64) -> Point {
        let overhead = learned_ns / gradient_ns;
        Point { batch, gradient_ns, learned_ns, adam_ns: 1.0, overhead, overhead_over_adam: 0.0 }
    }

    #[test]
    fn a_line_is_found_again() {
        let points = [1, 4, 64].map(|batch| point(batch, 50.0 + 7.0 * batch as f64, 100.0));
        let line = Line::fit(&points);
        assert!((line.fixed_ns - 50.0).abs() < 1e-6 && (line.per_row_ns - 7.0).abs() < 1e-9);
        // 1000 = 50 + 7 * 135.7
        assert_eq!(Crossing::find(&points, line), Crossing::Extrapolated { batch: 136 });
        assert_eq!(Line::fit(&points[..1]).per_row_ns, 57.0);
    }

    #[test]
    fn measured_crossings_come_first() {
        let points = [point(1, 10.0, 5.0), point(2, 60.0, 5.0), point(4, 120.0, 5.0)];
        let line = Line::fit(&points);
        assert_eq!(Crossing::find(&points, line), Crossing::Measured { batch: 2 });
        let noisy = [point(1, 60.0, 5.0), point(2, 40.0, 5.0), point(4, 120.0, 5.0)];
        assert_eq!(Crossing::find(&noisy, line), Crossing::Measured { batch: 4 });
    }
}
