//! Digits drawn by strokes: a small stand-in for handwriting, made in a fraction of a second.
//!
//! Each of the ten glyphs is a few polylines in the unit square. An image turns, shears, scales
//! and shifts its glyph, bends it by a slow wave, draws it with a pen of random width and
//! strength, crosses it now and then with a stray stroke, and adds pixel noise.

use std::f64::consts::PI;

use lopt_core::rng::{Rng, below, normal, uniform, unit};

use crate::instance::{Array, Dataset};

/// `rows` images of shape `(size, size, 1)` with values from 0 to 1, labels uniformly random.
pub(super) fn digits(size: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let glyphs: Vec<Glyph> = (0..10).map(glyph).collect();
    let mut values = Vec::with_capacity(rows * size * size);
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let label = below(rng, 10);
        draw(&glyphs[label], size, rng, &mut values);
        labels.push(label);
    }
    Dataset { features: Array::new([rows, size, size, 1], values), labels, classes: 10 }
}

type Point = [f64; 2];

/// Polylines; `x` to the right, `y` down, both from 0 to 1.
type Glyph = Vec<Vec<Point>>;

/// Appends one image to `values`.
fn draw(glyph: &Glyph, size: usize, rng: &mut Rng, values: &mut Vec<f32>) {
    let warp = Warp::draw(rng);
    let mut segments = Vec::new();
    for line in glyph {
        let line: Vec<Point> = line.iter().map(|&point| warp.apply(point)).collect();
        segments.extend(line.windows(2).map(|ends| [ends[0], ends[1]]));
    }
    if unit(rng) < STRAY_PROBABILITY {
        let mut point = || [uniform(rng, 0.0, 1.0), uniform(rng, 0.0, 1.0)];
        let (from, to) = (point(), point());
        let along = |f: f64| from[0] + STRAY_LENGTH * (to[0] - from[0]) * f;
        let down = |f: f64| from[1] + STRAY_LENGTH * (to[1] - from[1]) * f;
        segments.push([from, [along(1.0), down(1.0)]]);
    }
    let pen = uniform(rng, PEN.0, PEN.1);
    let strength = uniform(rng, STRENGTH.0, STRENGTH.1);
    let noise = uniform(rng, NOISE.0, NOISE.1);
    let pixel = 1.0 / size as f64;
    for row in 0..size {
        for column in 0..size {
            let centre = [(column as f64 + 0.5) * pixel, (row as f64 + 0.5) * pixel];
            let nearest = segments.iter().map(|s| squared_distance(centre, s));
            let distance = nearest.fold(f64::INFINITY, f64::min).sqrt();
            let ink = ((pen - distance) / pixel + 0.5).clamp(0.0, 1.0);
            values.push((strength * ink + noise * normal(rng)).clamp(0.0, 1.0) as f32);
        }
    }
}

/// A random affine map about the centre, and a wave of half a period across the image.
struct Warp {
    linear: [[f64; 2]; 2],
    shift: Point,
    wave: Point,
    phase: Point,
}

impl Warp {
    fn draw(rng: &mut Rng) -> Self {
        let (sin, cos) = (TURN * normal(rng)).sin_cos();
        let shear = SHEAR * normal(rng);
        let (wide, high) = (uniform(rng, SCALE.0, SCALE.1), uniform(rng, SCALE.0, SCALE.1));
        let mut pair = |deviation: f64| [deviation * normal(rng), deviation * normal(rng)];
        Self {
            linear: [
                [wide * cos, high * (shear * cos - sin)],
                [wide * sin, high * (shear * sin + cos)],
            ],
            shift: pair(SHIFT),
            wave: pair(WAVE),
            phase: pair(PI),
        }
    }

    fn apply(&self, [x, y]: Point) -> Point {
        let x = x - 0.5 + self.wave[0] * (PI * y + self.phase[0]).sin();
        let y = y - 0.5 + self.wave[1] * (PI * x + self.phase[1]).sin();
        let turned = |row: [f64; 2], shift: f64| 0.5 + shift + row[0] * x + row[1] * y;
        [turned(self.linear[0], self.shift[0]), turned(self.linear[1], self.shift[1])]
    }
}

fn squared_distance(point: Point, [from, to]: &[Point; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let offset = [point[0] - from[0], point[1] - from[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(f64::MIN_POSITIVE);
    let share = ((offset[0] * along[0] + offset[1] * along[1]) / length).clamp(0.0, 1.0);
    let gap = [offset[0] - share * along[0], offset[1] - share * along[1]];
    gap[0] * gap[0] + gap[1] * gap[1]
}

/// The strokes of a digit below 10.
fn glyph(digit: usize) -> Glyph {
    match digit {
        0 => vec![arc([0.5, 0.5], [0.24, 0.38], 0.0, 360.0)],
        1 => vec![vec![[0.36, 0.28], [0.54, 0.12], [0.54, 0.88]]],
        2 => {
            let mut line = arc([0.5, 0.34], [0.22, 0.22], 190.0, 395.0);
            line.extend([[0.26, 0.88], [0.76, 0.88]]);
            vec![line]
        }
        3 => vec![
            arc([0.47, 0.31], [0.23, 0.19], 200.0, 450.0),
            arc([0.47, 0.69], [0.26, 0.19], 270.0, 520.0),
        ],
        4 => vec![vec![[0.62, 0.88], [0.62, 0.12], [0.24, 0.62], [0.78, 0.62]]],
        5 => {
            let mut line = vec![[0.72, 0.12], [0.34, 0.12], [0.31, 0.46]];
            line.extend(arc([0.47, 0.64], [0.25, 0.23], 230.0, 510.0));
            vec![line]
        }
        6 => vec![
            vec![[0.64, 0.12], [0.42, 0.32], [0.30, 0.52], [0.28, 0.66]],
            arc([0.50, 0.67], [0.22, 0.20], 0.0, 360.0),
        ],
        7 => vec![vec![[0.25, 0.13], [0.75, 0.13], [0.56, 0.45], [0.44, 0.88]]],
        8 => vec![
            arc([0.5, 0.31], [0.19, 0.18], 0.0, 360.0),
            arc([0.5, 0.69], [0.23, 0.20], 0.0, 360.0),
        ],
        _ => vec![
            arc([0.49, 0.34], [0.21, 0.21], 0.0, 360.0),
            vec![[0.70, 0.34], [0.69, 0.55], [0.60, 0.88]],
        ],
    }
}

/// Points on an ellipse from one angle to another, in degrees clockwise from the right.
fn arc(centre: Point, radii: Point, from: f64, to: f64) -> Vec<Point> {
    let pieces = ((to - from) / 30.0).ceil() as usize;
    let point = |i: usize| {
        let angle = (from + (to - from) * i as f64 / pieces as f64).to_radians();
        [centre[0] + radii[0] * angle.cos(), centre[1] + radii[1] * angle.sin()]
    };
    (0..=pieces).map(point).collect()
}

/// Standard deviation of the rotation in radians.
const TURN: f64 = 0.14;
/// Standard deviation of the shear.
const SHEAR: f64 = 0.15;
/// Range of the scale of each axis.
const SCALE: (f64, f64) = (0.75, 1.1);
/// Standard deviation of the shift of each axis.
const SHIFT: f64 = 0.04;
/// Standard deviation of the height of the wave.
const WAVE: f64 = 0.04;
/// Range of half the pen's width.
const PEN: (f64, f64) = (0.03, 0.075);
/// Range of the ink's grey value.
const STRENGTH: (f64, f64) = (0.5, 1.0);
/// Range of the standard deviation of the pixel noise.
const NOISE: (f64, f64) = (0.05, 0.15);
/// Share of the images with a stray stroke.
const STRAY_PROBABILITY: f64 = 0.2;
/// Length of the stray stroke relative to the distance of two random points.
const STRAY_LENGTH: f64 = 0.5;
