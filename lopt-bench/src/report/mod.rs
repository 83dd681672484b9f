//! Results for people: tables for the terminal and a page for the browser.

pub mod bench;
pub mod bench_plots;
pub mod evaluation;
pub mod field;
pub mod html;
pub mod number;
pub mod plot;
pub mod race_plots;
pub mod table;
pub mod verdict;
