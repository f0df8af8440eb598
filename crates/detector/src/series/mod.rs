//! Properties of a series that detectors share: clock, period, season, scale, trend, quantiles.

pub(crate) mod clock;
pub(crate) mod gaps;
pub(crate) mod linear;
pub(crate) mod quantile;
pub(crate) mod scale;
pub(crate) mod season;
pub(crate) mod seasonality;
pub(crate) mod trend;
