//! Limits that several parts of the server keep to.

use std::time::Duration;

/// The longest head of a request, request line and fields, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The longest request target (path and query), in bytes.
pub(crate) const MAX_URI_BYTES: usize = 8 * 1024;
/// The most header fields of a request.
pub(crate) const MAX_HEADERS: usize = 100;
/// How long a client may take to send the rest of a head, or to read the final response, once the
/// server stops.
pub(crate) const STOP_LINGER: Duration = Duration::from_millis(500);
