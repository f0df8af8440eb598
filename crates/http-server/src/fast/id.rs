//! A request id without an allocation.

use http::HeaderValue;

use crate::context::{self, MAX_ID_BYTES};

/// An `x-request-id`: 1–128 visible ASCII characters.
#[derive(Clone, Copy)]
pub(crate) struct RequestId {
    bytes: [u8; MAX_ID_BYTES],
    length: u8,
}

impl RequestId {
    /// The `given` id if it is valid, or a new one.
    pub(super) fn of(given: Option<&[u8]>) -> Self {
        match given.filter(|id| context::is_id(id)) {
            Some(id) => Self::copy(id),
            None => Self::copy(&context::new_id_text()),
        }
    }

    fn copy(id: &[u8]) -> Self {
        let mut bytes = [0; MAX_ID_BYTES];
        bytes[..id.len()].copy_from_slice(id);
        #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
        let length = id.len() as u8;
        Self { bytes, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub(crate) fn to_header(self) -> HeaderValue {
        HeaderValue::from_bytes(self.as_bytes()).expect("visible ASCII")
    }
}
