//! Request bodies, bounded.

use axum::body::Body;
use bytes::Bytes;

use crate::http::Fallible;

/// Reads all of `body`.
///
/// # Errors
/// 413 as soon as it is certain to have more than `limit` bytes; 408 if it stalls for 30 s; 400 if it breaks off.
pub async fn read_body(body: Body, limit: usize) -> Fallible<Bytes> {
    let _ = (body, limit);
    todo!()
}
