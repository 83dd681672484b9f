//! Line charts as SVG.

pub mod axis;
pub mod chart;
