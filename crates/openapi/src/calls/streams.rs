//! Streams and their points.

use contract::{EndpointName as Name, ProblemCode as Code};

use super::{At::Row, Call, Content, FROM, GONE, NOTIFY, TO, json, query, reply};

const ACCEPTED: super::Reply = reply(
    202,
    "It is durable, and will be carried out: it was not within the time that it is waited for, or another observer takes over.",
    &[json(&["AcceptedReply"])],
);

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Row(Name::Observe),
        summary: "Judge points and learn them",
        about: "One point, or arrays of up to {MAX_OBSERVED}. A stream begins at its first point: from the model that serves the series if there is one, else by warming up. Sending points again is always safe.",
        query: &[
            query(
                "wait_ms",
                r#"{"type":"integer","minimum":0,"maximum":10000,"default":2000}"#,
                "How long to wait for the verdict, in milliseconds.",
            ),
            NOTIFY,
        ],
        body: &[json(&["ObserveOneRequest", "ObserveManyRequest"])],
        replies: &[
            reply(
                200,
                "What became of the points: of one if one was sent, else of all.",
                &[json(&["ObserveReply", "ObserveManyReply"])],
            ),
            reply(
                202,
                "The points are durable and will be judged, but were not within `wait_ms`, or another observer takes over.",
                &[json(&["AcceptedReply"])],
            ),
        ],
        codes: &[
            Code::NotAcknowledged,
            Code::TooManyStreams,
            Code::InsufficientStorage,
        ],
    },
    Call {
        at: Row(Name::AppendPoints),
        summary: "Take points of any series",
        about: "One JSON object a line. If a line is not valid, 400 names it and nothing is stored.",
        query: &[NOTIFY],
        body: &[Content {
            media: "application/x-ndjson",
            schemas: &["PointLine"],
        }],
        replies: &[reply(
            202,
            "All are durable, and will be judged.",
            &[json(&["AcceptedPoints"])],
        )],
        codes: &[Code::NotAcknowledged, Code::InsufficientStorage],
    },
    Call {
        at: Row(Name::RemoteWrite),
        summary: "Take samples as Prometheus sends them",
        about: "Remote write 1.0: a `prometheus.WriteRequest` in a block of Snappy, up to 64 MiB unpacked and 500,000 samples. The id of a series is the name of the metric, a colon, and 16 hexadecimal digits of a hash of all labels. Values that are not finite are left out. The example is in Base64.",
        query: &[],
        body: &[Content {
            media: "application/x-protobuf",
            schemas: &[],
        }],
        replies: &[reply(204, "All are durable, and will be judged.", &[])],
        codes: &[
            Code::UnsupportedMediaType,
            Code::NotAcknowledged,
            Code::InsufficientStorage,
        ],
    },
    Call {
        at: Row(Name::ShowStream),
        summary: "Show a stream",
        about: "",
        query: &[],
        body: &[],
        replies: &[reply(200, "As it is.", &[json(&["StreamReply"])])],
        codes: &[Code::StreamNotFound],
    },
    Call {
        at: Row(Name::SetStream),
        summary: "Begin a stream, or change its options",
        about: "All options are replaced, from the next point on; all may be left out. Another detector, other parameters, another warm-up or another transform let it learn anew. Labels may have {MAX_LABEL_BYTES} bytes together.",
        query: &[],
        body: &[json(&["StreamOptions"])],
        replies: &[
            reply(200, "It has these options now.", &[json(&["StreamReply"])]),
            reply(201, "It has begun.", &[json(&["StreamReply"])]),
            ACCEPTED,
        ],
        codes: &[
            Code::InvalidParams,
            Code::TooManyStreams,
            Code::NotAcknowledged,
            Code::InsufficientStorage,
        ],
    },
    Call {
        at: Row(Name::EndStream),
        summary: "End a stream",
        about: "Its anomalies stay.",
        query: &[],
        body: &[],
        replies: &[GONE, ACCEPTED],
        codes: &[Code::StreamNotFound, Code::NotAcknowledged],
    },
    Call {
        at: Row(Name::RestartStream),
        summary: "Begin a stream anew",
        about: "From the model that judges the series, from a version, or from nothing.",
        query: &[],
        body: &[json(&["Restart"])],
        replies: &[
            reply(
                200,
                "It begins anew at the next point.",
                &[json(&["StreamReply"])],
            ),
            ACCEPTED,
        ],
        codes: &[
            Code::StreamNotFound,
            Code::ModelNotFound,
            Code::NotAcknowledged,
            Code::ColumnsMismatch,
        ],
    },
    Call {
        at: Row(Name::ListPoints),
        summary: "Show the points of a stream",
        about: "With what was expected of each, for people to look at. Points of streams are kept for `KEEP_POINTS_DAYS` (14 days). A series without a stream shows the training points of the model that serves, each judged by itself.",
        query: &[
            FROM,
            TO,
            query(
                "max",
                r#"{"type":"integer","minimum":1,"maximum":{MAX_SHOWN_POINTS},"default":2000}"#,
                "The most points of the reply; of more, neighbours are put together in buckets.",
            ),
            query(
                "version",
                r##"{"$ref":"#/components/schemas/VersionRef"}"##,
                "A version or an alias: its training points, also where there is a stream.",
            ),
        ],
        body: &[],
        replies: &[reply(
            200,
            "The points, and what was found in them.",
            &[json(&["SeriesPoints"])],
        )],
        codes: &[
            Code::ColumnsMismatch,
            Code::StreamNotFound,
            Code::NoTrainingData,
            Code::TrainingDataPending,
        ],
    },
];
