//! Wrong options of predictions, and wrong batches and detections.

use super::{Attack, post, shown};

/// Wrong options of a prediction or a batch, and the fault of each.
const OF_JUDGING: [(&str, &str); 24] = [
    (r#""false_alarm_rate":0"#, "false_alarm_rate"),
    (r#""false_alarm_rate":0.6"#, "false_alarm_rate"),
    (r#""false_alarm_rate":-1e-3"#, "false_alarm_rate"),
    (r#""false_alarm_rate":NaN"#, "false_alarm_rate"),
    (r#""min_deviation":-1"#, "min_deviation: -1 is less than 0"),
    (
        r#""min_deviation":1e400"#,
        "min_deviation: number out of range",
    ),
    (r#""min_deviation":Infinity"#, "min_deviation"),
    (
        r#""direction":"pattern""#,
        "direction: unknown variant `pattern`",
    ),
    (r#""direction":["above"]"#, "direction"),
    (r#""version":3"#, "version: invalid type"),
    (r#""version":"v0""#, "version: it is neither"),
    (r#""version":"V1""#, "version: it is neither"),
    (
        r#""version":"v1","version":"v2""#,
        "duplicate field `version`",
    ),
    (r#""context":[[1],[1]]"#, "context: invalid type: sequence"),
    (
        r#""context":[{"timestamp":1,"value":1}]"#,
        "context: invalid type: sequence",
    ),
    (r#""context":"none""#, "context"),
    (r#""context":{}"#, "context: missing field `timestamps`"),
    (
        r#""context":{"timestamps":[1]}"#,
        "context: missing field `values`",
    ),
    (
        r#""context":{"timestamps":[1],"values":[1,2]}"#,
        "context: there are 1 timestamps and 2 values",
    ),
    (
        r#""context":{"timestamps":[2,1],"values":[1,2]}"#,
        "context: the oldest point must come first",
    ),
    (
        r#""context":{"timestamps":[1],"values":[1e400]}"#,
        "context: number out of range",
    ),
    (
        r#""context":{"timestamps":[1],"values":[null]}"#,
        "context: values: all are null",
    ),
    (
        r#""context":{"timestamps":[1.5],"values":[1]}"#,
        "context: invalid value: floating point",
    ),
    (
        r#""context":{"timestamps":[1],"values":[1],"unit":"C"}"#,
        "context: unknown field `unit`",
    ),
];

/// Wrong batches, and the fault of each.
const BATCHES: [(&str, &str); 12] = [
    ("", "eof"),
    ("[]", "an object with timestamps and values"),
    ("{}", "missing field `timestamps`"),
    (r#"{"timestamp":1,"value":1}"#, "missing field `timestamps`"),
    (r#"{"timestamps":[1]}"#, "missing field `values`"),
    (
        r#"{"timestamps":[1],"values":[1,2]}"#,
        "there are 1 timestamps and 2 values",
    ),
    (r#"{"timestamps":[],"values":[]}"#, "there are no points"),
    (
        r#"{"timestamps":[1],"values":[1e999]}"#,
        "values: number out of range",
    ),
    (r#"{"timestamps":[1],"values":[NaN]}"#, "values"),
    (
        r#"{"timestamps":["1"],"values":[1]}"#,
        "timestamps: invalid value: string",
    ),
    (
        r#"{"timestamps":[1],"values":[1]} {}"#,
        "trailing characters",
    ),
    (
        r#"{"timestamps":[1],"values":[1],"values":[2]}"#,
        "duplicate field `values`",
    ),
];

/// Wrong detections, and the fault of each.
const DETECTIONS: [(&str, &str); 24] = [
    ("", "eof"),
    ("[[1,2,3],[1,2,3]]", "an object with timestamps and values"),
    ("{}", "missing field `timestamps`"),
    (r#"{"timestamps":[1,2,3,4]}"#, "missing field `values`"),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3]}"#,
        "same non-zero length",
    ),
    (r#"{"timestamps":[],"values":[]}"#, "same non-zero length"),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"colour":"red"}"#,
        "unknown field `colour`",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"version":"v1"}"#,
        "unknown field `version`",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"context":{}}"#,
        "unknown field `context`",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":0}"#,
        "train: 0 is neither",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":-3}"#,
        "train: -3 is neither",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":1.5}"#,
        "train: 1.5 is neither",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":1e400}"#,
        "train: number out of range",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":"all"}"#,
        "train: invalid type",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":4}"#,
        "train: 4 of 4 points leave none to judge",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":1e9}"#,
        "leave none to judge",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":2}"#,
        "insufficient or constant data",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[7,7,7,8],"train":3}"#,
        "insufficient or constant data",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":3,"detector":"magic"}"#,
        "detector: unknown variant",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":3,"params":{"nonsense":1}}"#,
        "nonsense",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":3,"min_deviation":-1}"#,
        "min_deviation",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":3,"false_alarm_rate":2}"#,
        "false_alarm_rate",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,1e400],"train":3}"#,
        "values: number out of range",
    ),
    (
        r#"{"timestamps":[1,2,3,4],"values":[1,2,3,4],"train":3}{}"#,
        "trailing characters",
    ),
];

/// Wrong ways to name a model, and the fault of each.
const QUERIES: [(&str, &str); 6] = [
    ("/predict/victim?version=v0", "version"),
    ("/predict/victim?version=V1", "version"),
    ("/predict/victim?version=", "version"),
    ("/predict/victim?version=%FF", "version"),
    ("/predict/victim?version=v1&version=v2", "version"),
    ("/predict/victim/batch?version=v01", "version"),
];

pub(super) fn of_judging() -> Vec<Attack> {
    let times: Vec<_> = (0..=2_048).map(|t: u32| t.to_string()).collect();
    let times = times.join(",");
    let huge = format!(r#""context":{{"timestamps":[{times}],"values":[{times}]}}"#);
    let huge = (&*huge, "context: 2049 points are more than 2048");
    let mut attacks = Vec::new();
    for (option, fault) in OF_JUDGING.into_iter().chain([huge]) {
        let one = format!(r#"{{"timestamp":3,"value":1,{option}}}"#);
        attacks.push(sent("/predict/victim", &one, option, fault));
        let many = format!(r#"{{"timestamps":[3,4],"values":[1,2],{option}}}"#);
        attacks.push(sent("/predict/victim/batch", &many, option, fault));
    }
    for (body, fault) in BATCHES {
        attacks.push(sent("/predict/victim/batch", body, body, fault));
    }
    for (target, fault) in QUERIES {
        let body = match target.contains("batch") {
            true => r#"{"timestamps":[1],"values":[1]}"#,
            false => r#"{"timestamp":1,"value":1}"#,
        };
        attacks.push(sent(target, body, "", fault));
    }
    attacks
}

pub(super) fn of_detection() -> Vec<Attack> {
    let detections = DETECTIONS.into_iter();
    detections
        .map(|(body, fault)| sent("/v1/detect", body, body, fault))
        .collect()
}

/// A POST of `body` that is refused with 400.
fn sent(target: &str, body: &str, shows: &str, fault: &'static str) -> Attack {
    Attack {
        name: format!("{target} {}", shown(shows.as_bytes())),
        request: post(target, body.as_bytes()),
        statuses: &[400],
        fault,
    }
}
