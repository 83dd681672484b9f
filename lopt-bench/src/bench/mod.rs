//! The benchmark suite: experiments as data, their records, and what these show.
//!
//! Data flow **definition -> training -> runs -> record -> score -> claim**:
//!
//! * [`definition`]: an experiment, read from `definitions/NAME.toml`.
//! * [`training`]: weights trained for one experiment alone.
//! * [`experiment`]: does it, on several threads; [`lengths`] and [`memory`] are
//!   experiments without races.
//! * [`log`]: the files while they grow; [`record`]: their content.
//! * [`score`]: one cell per workload and contender, and profiles; [`claim`]: shown, not shown or open.

pub mod claim;
pub mod definition;
pub mod experiment;
pub mod findings;
pub mod lengths;
pub mod log;
pub mod memory;
pub mod record;
pub mod score;
pub mod training;
