//! A series of numbers, whatever detector looks at it: its clock, period and season, its scale, its quantiles.

pub(crate) mod clock;
pub(crate) mod period;
pub(crate) mod quantile;
pub(crate) mod scale;
pub(crate) mod season;
