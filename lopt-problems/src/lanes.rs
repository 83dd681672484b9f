//! Sixteen instances of one problem side by side.

use lopt_grad::F32x16;

use crate::instance::{Array, Instance};

/// Arrays of equal shape, one per lane.
#[derive(Debug, Clone)]
pub struct LaneArray {
    /// Extent of each axis, the same in every lane.
    pub shape: Vec<usize>,
    /// The elements, lane `l` of each from array `l`.
    pub values: Vec<F32x16>,
}

/// Lays the constants of up to 16 instances of one problem side by side.
///
/// Lanes without an instance repeat the last one.
///
/// # Panics
///
/// If there are no instances, more than 16, or two differ in the shapes of their constants.
pub fn pack_lanes(instances: &[Instance]) -> Vec<LaneArray> {
    let arrays: Vec<&[Array]> =
        instances.iter().map(|instance| instance.constants.as_slice()).collect();
    pack_arrays(&arrays)
}

/// Lays lists of arrays side by side, for instance the batches of up to 16 instances.
///
/// Lanes without a list repeat the last one.
///
/// # Panics
///
/// If there are no lists, more than 16, or two differ in length or in the shape of an array.
pub fn pack_arrays(lanes: &[&[Array]]) -> Vec<LaneArray> {
    assert!((1..=LANES).contains(&lanes.len()), "expected 1 to 16 lanes, got {}", lanes.len());
    for lane in lanes {
        let same = lane.len() == lanes[0].len()
            && lane.iter().zip(lanes[0]).all(|(a, b)| a.shape == b.shape);
        assert!(same, "the arrays of all lanes have equal shapes");
    }
    let pack = |i: usize| {
        let slices: Vec<&[f32]> = lanes.iter().map(|lane| lane[i].values.as_slice()).collect();
        LaneArray { shape: lanes[0][i].shape.clone(), values: pack_slices(&slices) }
    };
    (0..lanes[0].len()).map(pack).collect()
}

/// Lays vectors of equal length side by side, for instance the parameters of up to 16 instances.
///
/// Lanes without a vector repeat the last one.
///
/// # Panics
///
/// If there are no vectors, more than 16, or two differ in length.
pub fn pack_slices(lanes: &[&[f32]]) -> Vec<F32x16> {
    assert!((1..=LANES).contains(&lanes.len()), "expected 1 to 16 lanes, got {}", lanes.len());
    let len = lanes[0].len();
    assert!(lanes.iter().all(|lane| lane.len() == len), "all lanes have {len} values");
    let last = lanes.len() - 1;
    (0..len).map(|i| F32x16(std::array::from_fn(|lane| lanes[lane.min(last)][i]))).collect()
}

/// Number of instances side by side.
const LANES: usize = 16;
