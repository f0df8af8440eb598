//! The largest request head that the server takes.

/// The longest head of a request, request line and fields, in bytes.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The longest request target (path and query), in bytes.
pub(super) const MAX_URI_BYTES: usize = 8 * 1024;
/// The most header fields of a request.
pub(super) const MAX_HEADERS: usize = 100;
