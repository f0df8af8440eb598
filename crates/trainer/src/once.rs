//! Requests that make one version however often they are sent: those with an `Idempotency-Key`.
//!
//! The receipt of such a request becomes durable in the transaction that makes its version visible.
//! So a try after a crash finds either both or neither, and of two trainers that work on the same
//! request one finds that it came second.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use contract::{ProblemCode, SeriesId, header};
use http_server::ProblemReply;
use serde::Serialize;
use service::work::blocking;
use sha2::{Digest, Sha256};
use store::Note;

use crate::error::{Error, RETRY_AFTER};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(header::IDEMPOTENCY_KEY);

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// The value of `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct Key(String);

/// A request with a key.
#[derive(Debug)]
pub(crate) struct Once {
    pub(crate) key: String,
    /// SHA-256 of what is asked for, in hexadecimal.
    pub(crate) digest: String,
}

/// Why a request with a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// An earlier try of it is not finished.
    #[error("request is in progress already")]
    InProgress,
    /// Another request of this series had the key.
    #[error("another request had this key")]
    Reused,
}

impl Key {
    /// The key in `headers`, if there is one.
    ///
    /// # Errors
    /// When there are several, or it is not 1 to 255 visible ASCII characters.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
        let Some(first) = values.next() else {
            return Ok(None);
        };
        let is_key = |bytes: &[u8]| {
            (1..=MAX_KEY_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
        };
        match first.to_str() {
            Ok(key) if is_key(key.as_bytes()) && values.next().is_none() => {
                Ok(Some(Self(key.to_owned())))
            }
            _ => Err(Error::InvalidHeader(format!(
                "Invalid {IDEMPOTENCY_KEY}: it has to be one of 1 to {MAX_KEY_BYTES} visible ASCII \
                 characters"
            ))),
        }
    }

    /// The request with this key that asks `route` for what is in `body`.
    pub(crate) async fn over(self, route: &'static str, body: &Bytes) -> Once {
        let body = body.clone();
        let digest = blocking(move || Sha256::new().chain_update(route).chain_update(body)).await;
        let digest = digest.finalize();
        Once {
            key: self.0,
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl Once {
    /// The note of this request, which is answered by `reply`.
    pub(crate) fn note<R: Serialize>(&self, reply: &R) -> Note {
        Note {
            key: self.key.clone(),
            digest: self.digest.clone(),
            reply: serde_json::to_string(reply).expect("a reply is JSON"),
        }
    }
}

impl KeyError {
    pub(crate) fn problem(self) -> ProblemReply {
        match self {
            Self::InProgress => ProblemReply::new(
                ProblemCode::IdempotencyKeyInUse,
                "A request with this Idempotency-Key is still in progress",
            )
            .retry_after(RETRY_AFTER),
            Self::Reused => ProblemReply::new(
                ProblemCode::IdempotencyKeyReused,
                "Another request of this series had this Idempotency-Key: a new request needs a \
                 new key",
            ),
        }
    }
}

/// The requests with keys that this process works on.
#[derive(Clone, Default)]
pub(crate) struct InProgress(Arc<Mutex<HashSet<(SeriesId, String)>>>);

/// One of them, until it is dropped.
pub(crate) struct Turn {
    all: InProgress,
    request: (SeriesId, String),
}

impl InProgress {
    /// Begins a request, if it has a key.
    ///
    /// # Errors
    /// When one with this key has begun and not ended.
    pub(crate) fn begin(
        &self,
        series: &SeriesId,
        once: Option<&Once>,
    ) -> Result<Option<Turn>, KeyError> {
        let Some(once) = once else {
            return Ok(None);
        };
        let request = (series.clone(), once.key.clone());
        if !self.lock().insert(request.clone()) {
            return Err(KeyError::InProgress);
        }
        let all = self.clone();
        Ok(Some(Turn { all, request }))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(SeriesId, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.lock().remove(&self.request);
    }
}
