//! What people reported in public about other tools, each made small: the situation, and what is
//! right in it. Every module names the reports; the series are our own. A test asks in the ways
//! that users have: a point alone, with context, a batch, and online.
//!
//! `support` makes the series. A test that fails today is ignored, and says why it fails.

mod support;

mod absurd_reading;
mod bounded_and_leaking;
mod bursts;
mod constant;
mod drift;
mod gap;
mod growth;
mod held_back;
mod level_changes;
mod long_history;
mod missing_points;
mod new_level;
mod newest_point;
mod nightly_job;
mod noon_outage;
mod one_side;
mod outage_in_training;
mod outage_that_lasts;
mod recurring_events;
mod rounding;
mod season_and_context;
mod shapes;
mod skewed_counts;
mod sparse_counts;
mod summer_time;
mod there_and_back;
mod uneven_sampling;
mod units_and_order;
mod week_of_days;
mod wrong_hour;
