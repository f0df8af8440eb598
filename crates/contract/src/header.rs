//! The names of the headers that services and clients exchange beyond those that HTTP defines.
//!
//! All are lower case, as `http::HeaderName::from_static` takes them.

/// The id of a request, in requests and replies: 1 to 128 visible ASCII characters.
///
/// A request without one, or with an invalid one, is given a new id.
pub const REQUEST_ID: &str = "x-request-id";

/// The trace that a request belongs to, as W3C Trace Context defines it.
pub const TRACEPARENT: &str = "traceparent";

/// The time after which to try again, in milliseconds; more exact than `retry-after` beside it.
pub const RETRY_AFTER_MS: &str = "retry-after-ms";

/// In fits and imports: a name that the client gives to the request, 1 to 255 visible ASCII
/// characters. Further tries with the same name and body make no further version.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// In an import that a gateway passes on: `refuse`, if the client may only import models that a
/// trusted installation has exported.
pub const FOREIGN_MODEL: &str = "x-foreign-model";

/// In requests between services: the secret that they share, if there is one.
pub const SERVICE_TOKEN: &str = "x-service-token";

/// In requests to a predictor: the newest [`Revision`](crate::Revision) of the series that the
/// caller knows of. The reply comes from a model that was serving at this revision or later.
pub const MIN_REVISION: &str = "x-min-revision";

/// In replies of a trainer: the [`Revision`](crate::Revision) of the series after the request.
pub const SERIES_REVISION: &str = "x-series-revision";

/// In replies of a trainer to a fit, an import or a change of an alias: the version that it made or
/// named.
pub const MODEL_VERSION: &str = "x-model-version";

/// In requests for a list of series to a trainer: the list has only series whose ids begin with one
/// of these, percent-encoded and separated by commas.
pub const SERIES_PREFIXES: &str = "x-series-prefixes";

/// In requests to an observer: `any`, if it is to append points and commands of partitions that it
/// does not own too. It refuses them with 421 otherwise.
pub const APPEND: &str = "x-append";

/// In requests of clients: their API key. `authorization: Bearer KEY` says the same.
pub const API_KEY: &str = "x-api-key";
