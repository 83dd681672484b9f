//! Results for people: tables for the terminal and a page for the browser.

pub mod bench;
pub mod bench_plots;
pub mod evaluation;
pub mod field;
pub mod html;
pub mod loss_charts;
pub mod number;
pub mod page;
pub mod plot;
pub mod table;
pub mod verdict;
