//! The overview, events, figures, sessions, and the calls of other services' clients.

use contract::{EndpointName as Name, ProblemCode as Code};

use super::{AFTER, At::Row, Call, Content, LABEL, LIMIT, Reply, json, query, reply};

const SECONDS: &str = r#"{"type":"integer"}"#;
const COOKIE: &[&str] = &["set-cookie?"];

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Row(Name::Overview),
        summary: "List all series, those that need attention first",
        about: "With open anomalies, then with anomalies in the last 24 hours, then the others; the most severe first, then the latest, then by name. Anomalies that are `silenced` do not count, and neither do moves of the level.",
        query: &[
            query(
                "q",
                r#"{"type":"string"}"#,
                "A part of the id or of a label such as `team=core`, in small or large letters.",
            ),
            LABEL,
            query(
                "severity",
                r#"{"type":"string"}"#,
                "One or several of `low,medium,high,critical`: of the row.",
            ),
            query(
                "from",
                SECONDS,
                "Series with an anomaly that began at or after it, in seconds since 1970.",
            ),
            query(
                "to",
                SECONDS,
                "Series with an anomaly that began before it, in seconds since 1970.",
            ),
            query(
                "series",
                r#"{"type":"string"}"#,
                "Only these ids, separated by commas; a comma in an id is percent-encoded twice.",
            ),
            query(
                "spark",
                r#"{"type":"string","enum":["true","false"],"default":"true"}"#,
                "`false` leaves the sparklines out.",
            ),
            LIMIT,
            AFTER,
        ],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["Overview"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::AlarmHistogram),
        summary: "Count anomalies by time and severity",
        about: "Those that began, without those that the overview leaves out. At most {MAX_HISTOGRAM_STEPS} steps.",
        query: &[
            query(
                "from",
                SECONDS,
                "The first second, since 1970; absent: 24 hours before `to`.",
            ),
            query(
                "to",
                SECONDS,
                "The second after the last one, since 1970; absent: now.",
            ),
            query(
                "step",
                r#"{"type":"integer","minimum":1,"default":900}"#,
                "The length of a step, in seconds.",
            ),
            LABEL,
        ],
        body: &[],
        replies: &[reply(200, "The numbers.", &[json(&["AlarmHistogram"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::Events),
        summary: "Follow what happens, as it happens",
        about: "Server-sent events: `anomaly` (an `AnomalyEvent`), `rows` (an array of rows of the overview, first all of the series that are followed, then those that have changed), `point` (a `PointEvent`, if one series is followed) and `counts` (those of the overview). Each comes at most once a second. A comment comes every 15 seconds of silence. A stream ends after an hour, when the client does not keep up, and when the platform stops; then come again with `Last-Event-ID`. An address has at most 8 at once: a ninth ends the first.",
        query: &[query(
            "series",
            r#"{"type":"string"}"#,
            "The ids of up to {MAX_FOLLOWED} series to follow, separated by commas.",
        )],
        body: &[],
        replies: &[reply(
            200,
            "Events, as long as the stream lasts.",
            &[Content {
                media: "text/event-stream",
                schemas: &[],
            }],
        )],
        codes: &[],
    },
    Call {
        at: Row(Name::System),
        summary: "Show what runs, how well, and how the last hour was",
        about: "Figures are at most two seconds old, latencies are those of the last five minutes, and what is not known is `null`.",
        query: &[],
        body: &[],
        replies: &[reply(200, "As it is.", &[json(&["SystemReply"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::Healthcheck),
        summary: "Show the figures of the last five minutes",
        about: "503 if trainer or predictor do not answer. A key with prefixes sees `model_usage` of its series only.",
        query: &[],
        body: &[],
        replies: &[reply(200, "The figures.", &[json(&["HealthReply"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::BeginSession),
        summary: "Put the API key into a cookie, for web pages",
        about: "The key comes in a header, and the cookie `anomaly_key` (`HttpOnly`, `SameSite=Strict`, `Secure` over TLS) stands for it until the browser is closed. Without API keys there is no cookie.",
        query: &[],
        body: &[],
        replies: &[Reply {
            headers: COOKIE,
            ..super::GONE
        }],
        codes: &[],
    },
    Call {
        at: Row(Name::EndSession),
        summary: "Remove that cookie",
        about: "",
        query: &[],
        body: &[],
        replies: &[Reply {
            headers: COOKIE,
            ..super::GONE
        }],
        codes: &[],
    },
];

const MODEL: Reply = reply(200, "What it takes and gives.", &[json(&["ModelMetadata"])]);
const READY: Reply = reply(200, "It can judge.", &[json(&["InferReady"])]);
const INFERRED: Reply = reply(
    200,
    "One element for each point in every tensor.",
    &[json(&["InferReply"])],
);
const NO_MODEL: &[Code] = &[Code::ModelNotFound, Code::AliasNotFound];
const NOT_INFERRED: &[Code] = &[
    Code::ModelNotFound,
    Code::AliasNotFound,
    Code::WrongTimeUnit,
    Code::ColumnsMismatch,
];
const TENSORS: &[Content] = &[json(&["InferRequest"])];

pub(super) const COMPATIBLE: &[Call] = &[
    Call {
        at: Row(Name::AzureDetect),
        summary: "Judge a whole series as Azure Anomaly Detector does",
        about: "`entire` gives a verdict on every point, `last` on the last one, and `changepoint` finds where the level changes. Nothing is kept. Refusals are `{\"code\",\"message\"}` with the header `x-ms-error-code`.",
        query: &[],
        body: &[json(&["AzureRequest"])],
        replies: &[reply(
            200,
            "The verdicts: of `entire`, `last` or `changepoint`.",
            &[json(&[
                "AzureEntireReply",
                "AzureLastReply",
                "AzureChangeReply",
            ])],
        )],
        codes: &[Code::NotFound],
    },
    Call {
        at: Row(Name::InferServer),
        summary: "Tell what this is, as the Open Inference Protocol asks",
        about: "A series is a model of version 2 of the protocol.",
        query: &[],
        body: &[],
        replies: &[reply(
            200,
            "Name, version and extensions.",
            &[json(&["ServerMetadata"])],
        )],
        codes: &[],
    },
    Call {
        at: Row(Name::InferModel),
        summary: "Show what the model of a series takes and gives",
        about: "",
        query: &[],
        body: &[],
        replies: &[MODEL],
        codes: NO_MODEL,
    },
    Call {
        at: Row(Name::InferModelVersion),
        summary: "The same of one version",
        about: "A version is `v3`, `3` or an alias.",
        query: &[],
        body: &[],
        replies: &[MODEL],
        codes: NO_MODEL,
    },
    Call {
        at: Row(Name::InferReady),
        summary: "Tell whether the model of a series can judge",
        about: "",
        query: &[],
        body: &[],
        replies: &[READY],
        codes: NO_MODEL,
    },
    Call {
        at: Row(Name::InferReadyVersion),
        summary: "The same of one version",
        about: "",
        query: &[],
        body: &[],
        replies: &[READY],
        codes: NO_MODEL,
    },
    Call {
        at: Row(Name::Infer),
        summary: "Judge points that come as tensors",
        about: "As a batch without options does. Tensors may be in binary.",
        query: &[],
        body: TENSORS,
        replies: &[INFERRED],
        codes: NOT_INFERRED,
    },
    Call {
        at: Row(Name::InferVersion),
        summary: "The same by one version",
        about: "",
        query: &[],
        body: TENSORS,
        replies: &[INFERRED],
        codes: NOT_INFERRED,
    },
];
