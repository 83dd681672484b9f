//! The benchmark suite: experiments as data, their records, and what these show.
//!
//! Data flow **definition -> training -> runs -> record -> score -> claim**:
//!
//! * [`definition`]: an experiment, read from `definitions/NAME.toml`.
//! * [`training`]: weights trained for one experiment alone.
//! * [`run`]: does it, on several threads; [`lengths`] and [`memory`] are
//!   experiments without races.
//! * [`log`]: the files of its [record](crate::record) while they grow.
//! * [`claim`]: shown, not shown or open, by the [scores](crate::score); [`findings`]: a record read again.

pub mod claim;
pub mod definition;
pub mod findings;
pub mod lengths;
pub mod log;
pub mod memory;
pub mod run;
pub mod training;
