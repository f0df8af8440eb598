//! Fits, predictions, detections and plots.

use contract::{EndpointName as Name, ProblemCode as Code};

use super::{At::Row, Call, Content, FROM, Parameter, Reply, TO, VERSION, json, query, reply};

const FITTED: &[&str] = &["x-series-revision", "x-model-version"];
const SVG_OR_PNG: &[Content] = &[
    Content {
        media: "image/png",
        schemas: &[],
    },
    Content {
        media: "image/svg+xml",
        schemas: &[],
    },
];
const WIDTH: Parameter = query(
    "width",
    r#"{"type":"integer","minimum":200,"maximum":4000,"default":800}"#,
    "Width of the picture, before `scale`, in pixels.",
);
const HEIGHT: Parameter = query(
    "height",
    r#"{"type":"integer","minimum":200,"maximum":4000,"default":400}"#,
    "Height of the picture, before `scale`, in pixels.",
);
const SCALE: Parameter = query(
    "scale",
    r#"{"type":"integer","minimum":1,"maximum":4,"default":1}"#,
    "Pixels of the picture for each of `width` and `height`; it has at most 4,000 along each side.",
);
const FORMAT: Parameter = query(
    "format",
    r#"{"type":"string","enum":["png","svg"],"default":"png"}"#,
    "The format of the picture.",
);

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Row(Name::Fit),
        summary: "Fit a new version of a series",
        about: "A 200 means that the model is durable. Points that share a timestamp are all used. At least three are needed, and two distinct values unless `allow_constant` is true; of several columns at least ten rows. Unknown fields are ignored, and named in `warnings`. With an `Idempotency-Key` it may be sent again without making a version too many.",
        query: &[],
        body: &[json(&["FitRequest", "ColumnsFitRequest"])],
        replies: &[Reply {
            status: 200,
            about: "The model is fitted, and durable.",
            content: &[json(&["FitReply"])],
            headers: FITTED,
        }],
        codes: &[
            Code::LengthMismatch,
            Code::InsufficientData,
            Code::ConstantData,
            Code::InvalidParams,
            Code::InvalidHeader,
            Code::IdempotencyKeyInUse,
            Code::IdempotencyKeyReused,
            Code::NotDurable,
            Code::InsufficientStorage,
            Code::QuotaExceeded,
        ],
    },
    Call {
        at: Row(Name::Predict),
        summary: "Judge one point",
        about: "By the model that serves, or by the one that is named. Nothing is learned from it. Unknown fields and query parameters are ignored, and named in `warnings`.",
        query: &[VERSION],
        body: &[json(&["PredictRequest", "ColumnsPredictRequest"])],
        replies: &[reply(
            200,
            "The verdict.",
            &[json(&["PredictReply", "ColumnsPredictReply"])],
        )],
        codes: &[
            Code::ColumnsMismatch,
            Code::WrongTimeUnit,
            Code::ModelNotFound,
            Code::AliasNotFound,
        ],
    },
    Call {
        at: Row(Name::Batch),
        summary: "Judge many points",
        about: "Each point is context for the next ones; nothing is learned. At most {MAX_BATCH} points.",
        query: &[VERSION],
        body: &[json(&["BatchRequest", "ColumnsBatchRequest"])],
        replies: &[reply(
            200,
            "The verdicts.",
            &[json(&["BatchReply", "ColumnsBatchReply"])],
        )],
        codes: &[
            Code::ColumnsMismatch,
            Code::WrongTimeUnit,
            Code::ModelNotFound,
            Code::AliasNotFound,
        ],
    },
    Call {
        at: Row(Name::Detect),
        summary: "Fit on the first points of a series and judge the others",
        about: "It goes on learning from point to point. Nothing is stored. This is the strongest form for a series that drifts. With `Accept: application/x-ndjson` each verdict is one line, as soon as it is known, and the last line has all other fields. Unknown fields are refused.",
        query: &[],
        body: &[json(&["DetectRequest", "ColumnsDetectRequest"])],
        replies: &[reply(
            200,
            "What was found.",
            &[
                json(&[
                    "DetectReply",
                    "ColumnarDetectReply",
                    "TableDetectReply",
                    "ColumnsDetectReply",
                ]),
                Content {
                    media: "application/x-ndjson",
                    schemas: &["DetectLine"],
                },
            ],
        )],
        codes: &[
            Code::InsufficientData,
            Code::ConstantData,
            Code::InvalidParams,
        ],
    },
];

pub(super) const PLOTS: &[Call] = &[
    Call {
        at: Row(Name::Plot),
        summary: "Draw a model with its training points",
        about: "What the model expects, its normal range, and the anomalies among the points. Unknown query parameters are ignored.",
        query: &[
            query(
                "series_id",
                r##"{"$ref":"#/components/schemas/SeriesId"}"##,
                "The series. Required.",
            ),
            VERSION,
            FROM,
            TO,
            WIDTH,
            HEIGHT,
            SCALE,
            FORMAT,
        ],
        body: &[],
        replies: &[reply(200, "The picture.", SVG_OR_PNG)],
        codes: &[
            Code::MissingSeriesId,
            Code::NoTrainingData,
            Code::NoPointsInRange,
            Code::TrainingDataPending,
        ],
    },
    Call {
        at: Row(Name::DetectPlot),
        summary: "Draw what a detection finds",
        about: "The body is that of `POST /v1/detect`. Nothing is stored.",
        query: &[
            query(
                "title",
                r#"{"type":"string","minLength":1,"maxLength":{MAX_TITLE_BYTES}}"#,
                "The title: one line of 1 to {MAX_TITLE_BYTES} bytes.",
            ),
            FROM,
            TO,
            WIDTH,
            HEIGHT,
            SCALE,
            FORMAT,
        ],
        body: &[json(&["DetectRequest", "ColumnsDetectRequest"])],
        replies: &[reply(200, "The picture.", SVG_OR_PNG)],
        codes: &[
            Code::InsufficientData,
            Code::ConstantData,
            Code::InvalidParams,
            Code::NoPointsInRange,
        ],
    },
];
