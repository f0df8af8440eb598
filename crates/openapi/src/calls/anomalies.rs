//! Anomalies, incidents, silences and alerts.

use contract::{EndpointName as Name, ProblemCode as Code};

use super::{AFTER, At::Row, Call, GONE, LABEL, LIMIT, Parameter, json, query, reply};

const MOMENT: &str = r##"{"$ref":"#/components/schemas/Moment"}"##;
const FOUND_FROM: Parameter = query(
    "from",
    r##"{"$ref":"#/components/schemas/Timestamp"}"##,
    "The first timestamp, in the unit of the series: an integer.",
);
const FOUND_TO: Parameter = query(
    "to",
    r##"{"$ref":"#/components/schemas/Timestamp"}"##,
    "The last timestamp, included: an integer.",
);
const SINCE: Parameter = query("since", MOMENT, "Found at or after this moment.");
const UNTIL: Parameter = query("until", MOMENT, "Found before this moment.");
const KIND: Parameter = query(
    "kind",
    r#"{"type":"string","enum":["value","missing","level","clock"]}"#,
    "What it is about: the values, points that do not come, a level that has moved, timestamps that go back.",
);
const LEAST: Parameter = query(
    "severity",
    r#"{"type":"string","enum":["none","low","medium","high","critical"]}"#,
    "The least severity.",
);
const STATUS: Parameter = query(
    "status",
    r#"{"type":"string","enum":["open","closed"]}"#,
    "Whether it goes on.",
);
const ORDER: Parameter = query(
    "order",
    r#"{"type":"string","enum":["time","ratio"],"default":"time"}"#,
    "`time` for the newest first, `ratio` for the strongest first.",
);

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Row(Name::ListAnomalies),
        summary: "List anomalies",
        about: "Those that streams have found, the newest first. One can be asked for within half a second of the reply that names it.",
        query: &[
            SINCE,
            UNTIL,
            FOUND_FROM,
            FOUND_TO,
            query(
                "series",
                r##"{"$ref":"#/components/schemas/SeriesId"}"##,
                "Those of this series.",
            ),
            query(
                "prefix",
                r#"{"type":"string"}"#,
                "Those of series whose ids begin with it.",
            ),
            LABEL,
            KIND,
            LEAST,
            STATUS,
            ORDER,
            LIMIT,
            AFTER,
        ],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["AnomalyList"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::ListSeriesAnomalies),
        summary: "List the anomalies of a series",
        about: "",
        query: &[
            SINCE, UNTIL, FOUND_FROM, FOUND_TO, LABEL, KIND, LEAST, STATUS, ORDER, LIMIT, AFTER,
        ],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["AnomalyList"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::ShowAnomaly),
        summary: "Show an anomaly with the points before it",
        about: "",
        query: &[],
        body: &[],
        replies: &[reply(200, "As it is.", &[json(&["AnomalyDetail"])])],
        codes: &[Code::AnomalyNotFound],
    },
    Call {
        at: Row(Name::SetFeedback),
        summary: "Say what an anomaly is",
        about: "`confirmed` keeps its points out of the next fits of the series. `dismissed` keeps people from being told of anomalies of the series that are no stronger, for 30 days. Neither changes what a running stream finds.",
        query: &[],
        body: &[json(&["FeedbackRequest"])],
        replies: &[reply(200, "The anomaly.", &[json(&["Anomaly"])])],
        codes: &[Code::AnomalyNotFound],
    },
    Call {
        at: Row(Name::RemoveFeedback),
        summary: "Take back what was said of an anomaly",
        about: "With its effects from then on.",
        query: &[],
        body: &[],
        replies: &[GONE],
        codes: &[Code::AnomalyNotFound],
    },
    Call {
        at: Row(Name::ListIncidents),
        summary: "List incidents",
        about: "Anomalies that people are told of together: those of a series, or of series with the same values of the labels `INCIDENT_GROUP_BY`, that overlap in time. The newest first.",
        query: &[STATUS, LIMIT, AFTER],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["IncidentList"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::ShowIncident),
        summary: "Show an incident with its worst anomalies",
        about: "",
        query: &[],
        body: &[],
        replies: &[reply(200, "As it is.", &[json(&["IncidentDetail"])])],
        codes: &[Code::IncidentNotFound],
    },
    Call {
        at: Row(Name::ListSilences),
        summary: "List the silences",
        about: "",
        query: &[],
        body: &[],
        replies: &[reply(200, "All of them.", &[json(&["SilenceList"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::CreateSilence),
        summary: "Make a silence",
        about: "Nobody is told of anomalies of the series that it matches; they are found and kept as always. A matcher compares a label, or the id as `series`; all have to hold. It needs `ends_at` or `intervals`. There are at most 1,000.",
        query: &[],
        body: &[json(&["SilenceRequest"])],
        replies: &[reply(201, "It is made.", &[json(&["Silence"])])],
        codes: &[Code::QuotaExceeded],
    },
    Call {
        at: Row(Name::DeleteSilence),
        summary: "Remove a silence",
        about: "",
        query: &[],
        body: &[],
        replies: &[GONE],
        codes: &[Code::SilenceNotFound],
    },
    Call {
        at: Row(Name::TestAlerts),
        summary: "Send a test by every channel",
        about: "Once, whatever the silences and `ALERT_MIN_SEVERITY` are. The notifier sends it, so what it says is about the way that real notifications take.",
        query: &[],
        body: &[],
        replies: &[
            reply(
                200,
                "What became of it on each channel that is set.",
                &[json(&["AlertTestReply"])],
            ),
            reply(
                202,
                "After eight seconds it is not known of all; without `channels`, no notifier has taken the test.",
                &[json(&["AlertTestReply"])],
            ),
        ],
        codes: &[],
    },
    Call {
        at: Row(Name::ListFailedAlerts),
        summary: "List what could not be told",
        about: "Notifications that were given up, the newest first. Kept as long as anomalies are.",
        query: &[LIMIT, AFTER],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["FailedAlertList"])])],
        codes: &[],
    },
];
