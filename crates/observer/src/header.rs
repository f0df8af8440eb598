//! Headers of records that requests wait for.

/// The process that appended the record.
pub(crate) const PROCESS: &str = "observer";
/// The number of the request in that process.
pub(crate) const REQUEST: &str = "request";
