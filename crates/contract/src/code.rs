//! The codes of problems: the words by which a program tells errors apart.

/// Declares [`ProblemCode`]: for each variant its word on the wire and its HTTP status.
macro_rules! problem_codes {
    ($($(#[$about:meta])* $variant:ident = $word:literal, $status:literal;)+) => {
        /// The reason for a reply that is not a success, as a stable word.
        ///
        /// A published word keeps its spelling and its status. New ones may be added, so a client
        /// treats a word that it does not know by the status alone.
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $($(#[$about])* #[cfg_attr(feature = "schema", schemars(rename = $word))] $variant,)+
        }

        impl ProblemCode {
            /// All codes, by status.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire: `code` in the body of a [`Problem`](crate::Problem).
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The HTTP status of replies with this code.
            ///
            /// Two codes also stand for refusals by the HTTP server that have no code of their
            /// own: [`Self::BadRequest`] for any other status below 500, and
            /// [`Self::InternalError`] for any from 500 up.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }
        }
    };
}

problem_codes! {
    /// The request is malformed in a way that has no code of its own.
    BadRequest = "bad_request", 400;
    /// The connection ended before the request body did, or its chunks are malformed.
    BodyIncomplete = "body_incomplete", 400;
    /// The columns of the request are not those of the model, or only one of both has columns.
    ColumnsMismatch = "columns_mismatch", 400;
    /// All training points have the same value, and the request does not allow that.
    ConstantData = "constant_data", 400;
    /// The training points are too few.
    InsufficientData = "insufficient_data", 400;
    /// The path names an alias that breaks the rules for aliases.
    InvalidAlias = "invalid_alias", 400;
    /// The request body is said to be gzip, and is not.
    InvalidEncoding = "invalid_encoding", 400;
    /// A header has a value that cannot be used; `detail` names it.
    InvalidHeader = "invalid_header", 400;
    /// The file to import is not an unchanged export of a model.
    InvalidModelFile = "invalid_model_file", 400;
    /// A query parameter is unknown, repeated or has an invalid value; `detail` names it.
    InvalidParameter = "invalid_parameter", 400;
    /// The detector does not take these parameters, or the points do not suit them.
    InvalidParams = "invalid_params", 400;
    /// The request body is not the JSON object that the route takes; `errors` names the field.
    InvalidPayload = "invalid_payload", 400;
    /// The path names a series by an id that breaks the rules for ids.
    InvalidSeriesId = "invalid_series_id", 400;
    /// The path names a version that is not of the form `v1`.
    InvalidVersion = "invalid_version", 400;
    /// There are no points, or not as many timestamps as values.
    LengthMismatch = "length_mismatch", 400;
    /// The request is not valid HTTP/1.1.
    MalformedRequest = "malformed_request", 400;
    /// A plot was asked for without saying of which series.
    MissingSeriesId = "missing_series_id", 400;
    /// A timestamp counts in another unit than those that the model was fitted on.
    WrongTimeUnit = "wrong_time_unit", 400;
    /// The request comes from none of the services, and only those are answered here.
    ServiceTokenRequired = "service_token_required", 401;
    /// The call needs an API key, and the request has none that is valid.
    Unauthorized = "unauthorized", 401;
    /// The API key lacks the scope of the call, or is not for this series; `detail` says which.
    Forbidden = "forbidden", 403;
    /// The file to import was not exported by an installation that is trusted.
    ForeignModel = "foreign_model", 403;
    /// The series does not have this alias.
    AliasNotFound = "alias_not_found", 404;
    /// There is no such anomaly.
    AnomalyNotFound = "anomaly_not_found", 404;
    /// There is no such incident.
    IncidentNotFound = "incident_not_found", 404;
    /// The series does not have this version, or does not have any model.
    ModelNotFound = "model_not_found", 404;
    /// The model has training points, but none between `from` and `to`.
    NoPointsInRange = "no_points_in_range", 404;
    /// There is no model of this series and version, or its training points are not kept here.
    NoTrainingData = "no_training_data", 404;
    /// There is no such route.
    NotFound = "not_found", 404;
    /// There is no such series.
    SeriesNotFound = "series_not_found", 404;
    /// There is no such silence.
    SilenceNotFound = "silence_not_found", 404;
    /// The series has no stream.
    StreamNotFound = "stream_not_found", 404;
    /// The route does not answer this method; the header `allow` lists those that it does.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The request body did not arrive in time.
    BodyTimeout = "body_timeout", 408;
    /// The request head did not arrive in time.
    RequestTimeout = "request_timeout", 408;
    /// A request with the same `Idempotency-Key` is still in progress.
    IdempotencyKeyInUse = "idempotency_key_in_use", 409;
    /// The model cannot be deleted while an alias names it.
    ModelInUse = "model_in_use", 409;
    /// No other model served before, or the one that did is gone.
    NothingToRollBackTo = "nothing_to_roll_back_to", 409;
    /// The series has as many aliases as a series may have.
    TooManyAliases = "too_many_aliases", 409;
    /// `If-Match` names another revision than the one the series is at.
    RevisionMismatch = "revision_mismatch", 412;
    /// The request body is longer than the route takes.
    BodyTooLarge = "body_too_large", 413;
    /// The request target is too long.
    UriTooLong = "uri_too_long", 414;
    /// The request body is packed in a way that is not taken; `accept-encoding` says what is.
    UnsupportedEncoding = "unsupported_encoding", 415;
    /// The request body is of a kind that the route does not take.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// Another request of the series had the same `Idempotency-Key`.
    IdempotencyKeyReused = "idempotency_key_reused", 422;
    /// The caller has used what it may; `retry-after` says when to return.
    RateLimited = "rate_limited", 429;
    /// There are as many streams as there may be.
    TooManyStreams = "too_many_streams", 429;
    /// The request head is too long or has too many fields.
    HeadersTooLarge = "headers_too_large", 431;
    /// The platform failed in a way that it should not; trying again does not help.
    InternalError = "internal_error", 500;
    /// A service behind the gateway gave a reply that is not valid.
    BadGateway = "bad_gateway", 502;
    /// The database, or another service that this needs, does not answer at the moment.
    BackendUnavailable = "backend_unavailable", 503;
    /// It is not known whether the points were stored. Sending them again is safe.
    NotAcknowledged = "not_acknowledged", 503;
    /// The model was fitted but could not be stored durably, so it does not exist.
    NotDurable = "not_durable", 503;
    /// The service lacks something that it needs; a readiness check only.
    NotReady = "not_ready", 503;
    /// As many requests of this kind are in progress as may be; `retry-after` says when to return.
    Overloaded = "overloaded", 503;
    /// The service is about to end; a readiness check only.
    ShuttingDown = "shutting_down", 503;
    /// The model exists, but its training points are still being stored.
    TrainingDataPending = "training_data_pending", 503;
    /// The service is not available.
    Unavailable = "unavailable", 503;
    /// A service behind the gateway did not answer in time.
    UpstreamTimeout = "upstream_timeout", 503;
    /// A service behind the gateway cannot be reached.
    UpstreamUnavailable = "upstream_unavailable", 503;
    /// The model is not in memory, and the request has `cache-control: only-if-cached`.
    NotCached = "not_cached", 504;
    /// The disk of the platform is full, or nearly so; `detail` says how much is left.
    InsufficientStorage = "insufficient_storage", 507;
    /// As much is stored as may be; `detail` names the setting that limits it.
    QuotaExceeded = "quota_exceeded", 507;
}

impl ProblemCode {
    /// The reason phrase of [`Self::status`], as RFC 9110 registers it.
    pub const fn title(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            409 => "Conflict",
            412 => "Precondition Failed",
            413 => "Payload Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Entity",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            507 => "Insufficient Storage",
            _ => "Internal Server Error",
        }
    }
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs outside rely on these: a line is added, never changed or removed.
    const PUBLISHED: &str = "
        400 bad_request
        400 body_incomplete
        400 columns_mismatch
        400 constant_data
        400 insufficient_data
        400 invalid_alias
        400 invalid_encoding
        400 invalid_header
        400 invalid_model_file
        400 invalid_parameter
        400 invalid_params
        400 invalid_payload
        400 invalid_series_id
        400 invalid_version
        400 length_mismatch
        400 malformed_request
        400 missing_series_id
        400 wrong_time_unit
        401 service_token_required
        401 unauthorized
        403 forbidden
        403 foreign_model
        404 alias_not_found
        404 anomaly_not_found
        404 incident_not_found
        404 model_not_found
        404 no_points_in_range
        404 no_training_data
        404 not_found
        404 series_not_found
        404 silence_not_found
        404 stream_not_found
        405 method_not_allowed
        408 body_timeout
        408 request_timeout
        409 idempotency_key_in_use
        409 model_in_use
        409 nothing_to_roll_back_to
        409 too_many_aliases
        412 revision_mismatch
        413 body_too_large
        414 uri_too_long
        415 unsupported_encoding
        415 unsupported_media_type
        422 idempotency_key_reused
        429 rate_limited
        429 too_many_streams
        431 headers_too_large
        500 internal_error
        502 bad_gateway
        503 backend_unavailable
        503 not_acknowledged
        503 not_durable
        503 not_ready
        503 overloaded
        503 shutting_down
        503 training_data_pending
        503 unavailable
        503 upstream_timeout
        503 upstream_unavailable
        504 not_cached
        507 insufficient_storage
        507 quota_exceeded";

    #[test]
    fn published_codes_keep_their_spelling_and_status() {
        let codes = ProblemCode::ALL.iter();
        let lines: Vec<String> = codes
            .map(|code| format!("{} {code}", code.status()))
            .collect();
        let published: Vec<&str> = PUBLISHED.trim().lines().map(str::trim).collect();
        assert_eq!(lines, published);
    }
}
