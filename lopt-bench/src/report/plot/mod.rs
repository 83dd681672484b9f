//! Charts as SVG and PNG.

pub mod axis;
pub mod bars;
pub mod canvas;
pub mod chart;
pub mod panels;
