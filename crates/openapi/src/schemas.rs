//! The schemas of bodies: those of the types in `contract`, with the ranges of their fields.

use contract::{self as c, azure, open_inference};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::texts::{ABSENT, NULL, prose, with_constants};

/// Fields that are timestamps of points, where they are whole numbers.
const TIMESTAMPS: [&str; 17] = [
    "about",
    "at",
    "began",
    "end",
    "first_timestamp",
    "from",
    "gaps",
    "last_timestamp",
    "learned_until",
    "outside",
    "peak",
    "peak_timestamp",
    "since",
    "start",
    "timestamp",
    "timestamps",
    "to",
];

/// Schemas with a field of such a name that is a time in seconds instead.
const IN_SECONDS: [&str; 2] = ["AlarmHistogram", "SystemHistory"];

/// Schemas of requests that are not called so.
const REQUESTS: [&str; 4] = ["PointColumns", "PointLine", "Restart", "Table"];

/// Requests with a field too many are refused.
const STRICT: [&str; 5] = [
    "AliasRequest",
    "ColumnsDetectRequest",
    "DetectRequest",
    "FeedbackRequest",
    "SilenceRequest",
];

/// Requests about several columns, which have no sides, though their options share a type with
/// those about one.
const WITHOUT_SIDES: [&str; 2] = ["ColumnsDetectRequest", "ColumnsFitRequest"];

/// What the types alone do not say: the range of a field, by the names of schemas and fields.
const RANGES: &[(&[&str], &str, &str)] = &[
    (
        FITS,
        "false_alarm_rate",
        r#"{"exclusiveMinimum":0,"maximum":0.5,"default":0.001}"#,
    ),
    (
        JUDGES,
        "false_alarm_rate",
        r#"{"exclusiveMinimum":0,"maximum":0.5}"#,
    ),
    (SIDED, "min_deviation", r#"{"minimum":0,"default":0}"#),
    (FITS, "params", r#"{"maxProperties":32}"#),
    (
        &["BatchRequest", "ColumnsBatchRequest"],
        "timestamps",
        r#"{"minItems":1,"maxItems":{MAX_BATCH}}"#,
    ),
    (
        &["BatchRequest"],
        "values",
        r#"{"minItems":1,"maxItems":{MAX_BATCH}}"#,
    ),
    (&["FitRequest"], "timestamps", r#"{"minItems":3}"#),
    (&["FitRequest"], "values", r#"{"minItems":3}"#),
    (
        &["ColumnsFitRequest", "ColumnsDetectRequest"],
        "timestamps",
        r#"{"minItems":10}"#,
    ),
    (
        &["ObserveManyRequest"],
        "timestamps",
        r#"{"minItems":1,"maxItems":{MAX_OBSERVED}}"#,
    ),
    (
        &["ObserveManyRequest"],
        "values",
        r#"{"minItems":1,"maxItems":{MAX_OBSERVED}}"#,
    ),
    (
        &["StreamOptions"],
        "warmup",
        r#"{"minimum":10,"maximum":100000,"default":{DEFAULT_WARMUP}}"#,
    ),
    (
        &["StreamOptions"],
        "lateness",
        r#"{"minimum":0,"default":0}"#,
    ),
    (
        &["StreamOptions"],
        "labels",
        r#"{"maxProperties":{MAX_LABELS}}"#,
    ),
    (&["Budget"], "alarms", r#"{"minimum":1,"maximum":10000}"#),
    (&["FeedbackRequest"], "comment", r#"{"maxLength":1000}"#),
    (
        &["SilenceRequest"],
        "matchers",
        r#"{"minItems":1,"maxItems":{MAX_MATCHERS}}"#,
    ),
    (
        &["SilenceRequest"],
        "intervals",
        r#"{"maxItems":{MAX_INTERVALS}}"#,
    ),
    (
        &["SilenceRequest"],
        "comment",
        r#"{"maxLength":{MAX_SILENCE_TEXT},"default":""}"#,
    ),
    (
        &["SilenceRequest"],
        "created_by",
        r#"{"maxLength":{MAX_SILENCE_TEXT}}"#,
    ),
    (
        &["JudgedReply", "PredictReply"],
        "score",
        r#"{"minimum":0,"exclusiveMaximum":1}"#,
    ),
    (
        &["JudgedReply", "PredictReply"],
        "p_value",
        r#"{"minimum":0,"maximum":1}"#,
    ),
    (&["Problem"], "type", r#"{"const":"about:blank"}"#),
];
const FITS: &[&str] = &[
    "FitRequest",
    "DetectRequest",
    "ColumnsFitRequest",
    "ColumnsDetectRequest",
];
const JUDGES: &[&str] = &[
    "PredictRequest",
    "BatchRequest",
    "ColumnsPredictRequest",
    "ColumnsBatchRequest",
    "StreamOptions",
];
const SIDED: &[&str] = &[
    "PredictRequest",
    "BatchRequest",
    "DetectRequest",
    "StreamOptions",
];

/// Adds the schemas of these types.
macro_rules! add {
    ($generator:ident: $($type:ty),+ $(,)?) => { $($generator.subschema_for::<$type>();)+ };
}

/// All schemas by name.
pub(crate) fn all() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    add_requests(&mut generator);
    add_replies(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.extend(written());
    for (name, schema) in &mut schemas {
        let is_request = name.ends_with("Request") || REQUESTS.contains(&name.as_str());
        polish(name, schema, is_request);
    }
    for name in STRICT {
        schemas[name]["additionalProperties"] = false.into();
    }
    for name in WITHOUT_SIDES {
        let fields = schemas[name]["properties"].as_object_mut();
        fields.and_then(|fields| fields.remove("direction"));
    }
    limit(&mut schemas);
    let code = &mut schemas["Problem"]["properties"]["code"];
    *code = json!({"$ref": "#/components/schemas/ProblemCode", "description": code["description"]});
    number_codes(&mut schemas["ProblemCode"]);
    schemas
}

fn add_requests(generator: &mut SchemaGenerator) {
    add!(generator:
        c::FitRequest, c::ColumnsFitRequest, c::PredictRequest, c::ColumnsPredictRequest,
        c::BatchRequest, c::ColumnsBatchRequest, c::DetectRequest, c::ColumnsDetectRequest,
        c::AliasRequest, c::StreamOptions, c::Restart, c::FeedbackRequest, c::SilenceRequest,
        c::SeriesId, c::VersionRef, c::AliasName, c::AnomalyId, c::IncidentId, c::Moment,
    );
}

fn add_replies(generator: &mut SchemaGenerator) {
    add!(generator:
        c::Problem, c::ProblemCode, c::FitReply, c::PredictReply, c::ColumnsPredictReply,
        c::BatchReply, ColumnsBatchReply, c::DetectReply, c::ColumnarDetectReply, c::TableDetectReply,
        ColumnsDetectReply, c::DetectLine, c::SeriesList, c::SeriesDetail, c::ModelList,
        c::ModelInfo, c::ModelFile, c::ImportReply, c::AliasInfo, c::ObserveReply,
        c::ObserveManyReply, c::AcceptedReply, c::AcceptedPoints, c::StreamReply, c::SeriesPoints,
        c::AnomalyList, c::Anomaly, c::AnomalyDetail, c::AnomalyEvent, c::IncidentList,
        c::IncidentDetail, c::IncidentNotification, c::Silence, c::SilenceList, c::AlertTestReply,
        c::FailedAlertList, c::Overview, c::AlarmHistogram, c::PointEvent, c::HealthReply,
        c::SystemReply, azure::AzureEntireReply, azure::AzureLastReply, azure::AzureChangeReply,
        azure::AzureError, open_inference::InferReply, open_inference::ServerMetadata,
        open_inference::ModelMetadata,
    );
}

/// The reply to a batch of rows of several columns.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ColumnsBatchReply {
    /// The version of the model that gave the verdicts.
    model_version: c::Version,
    /// The detector of the model.
    detector: c::DetectorName,
    /// The number of abnormal rows.
    anomalies: u64,
    /// One verdict for each row, in the order of the rows.
    verdicts: Vec<c::ColumnsJudgedReply>,
    /// One sentence for each thing in the request that was ignored; absent when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The reply to a detection over several columns.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ColumnsDetectReply {
    /// The findings on the columns as a whole.
    #[serde(flatten)]
    summary: c::ColumnsDetectSummary,
    /// One verdict for each scored row, in order.
    verdicts: Vec<c::ColumnsJudgedReply>,
}

/// The schemas of bodies that no type in `contract` has the form of, as JSON.
fn written() -> Map<String, Value> {
    let text = with_constants(include_str!("schemas.json"));
    serde_json::from_str(&text).expect("the file is checked by a test")
}

/// Makes the texts of `schema` prose, and names its timestamps as such.
fn polish(name: &str, schema: &mut Value, is_request: bool) {
    match schema {
        Value::Array(parts) => parts
            .iter_mut()
            .for_each(|part| polish(name, part, is_request)),
        Value::Object(parts) => {
            if let Some(Value::String(comment)) = parts.get_mut("description") {
                *comment = prose(comment, if is_request { ABSENT } else { NULL });
            }
            if let Some(Value::Object(fields)) = parts.get_mut("properties") {
                let tags = fields
                    .values_mut()
                    .filter(|field| field.get("const").is_some());
                for tag in tags.filter(|field| field.get("description").is_none()) {
                    tag["description"] = "Tells this form from the others.".into();
                }
                let of_points = fields.iter_mut().filter(|(field, _)| {
                    TIMESTAMPS.contains(&field.as_str()) && !IN_SECONDS.contains(&name)
                });
                of_points.for_each(|(_, field)| mark_timestamps(field, is_request));
                if let Some(values) = fields.get_mut("values").filter(|_| is_request) {
                    allow_gaps(values);
                }
            }
            parts
                .values_mut()
                .for_each(|part| polish(name, part, is_request));
        }
        _ => {}
    }
}

/// Lets the numbers in arrays of `values` be null.
fn allow_gaps(values: &mut Value) {
    let Value::Object(parts) = values else { return };
    for (name, part) in parts {
        match part.get_mut("type") {
            Some(kind) if name == "items" && *kind == "number" => {
                *kind = json!(["number", "null"]);
            }
            _ => allow_gaps(part),
        }
    }
}

/// Lets whole numbers in `field` be timestamps.
fn mark_timestamps(field: &mut Value, is_request: bool) {
    let Value::Object(parts) = field else { return };
    let kind = parts.get("type").cloned().unwrap_or_default();
    let target = match is_request {
        true => "#/components/schemas/GivenTimestamp",
        false => "#/components/schemas/Timestamp",
    };
    if kind == "integer" {
        parts.retain(|key, _| key == "description");
        parts.insert("$ref".to_owned(), target.into());
    } else if kind == json!(["integer", "null"]) {
        parts.retain(|key, _| key == "description");
        parts.insert(
            "anyOf".to_owned(),
            json!([{"$ref": target}, {"type": "null"}]),
        );
    } else {
        for part in ["items", "prefixItems"] {
            match parts.get_mut(part) {
                Some(Value::Array(items)) => {
                    items
                        .iter_mut()
                        .for_each(|item| mark_timestamps(item, is_request));
                }
                Some(item) => mark_timestamps(item, is_request),
                None => {}
            }
        }
    }
}

/// Adds the ranges of [`RANGES`].
fn limit(schemas: &mut Map<String, Value>) {
    for (names, field, range) in RANGES {
        for name in *names {
            let range = serde_json::from_str(&with_constants(range)).expect("it is JSON");
            let Value::Object(range) = range else {
                continue;
            };
            let schema = schemas.get_mut(*name);
            let found =
                schema.and_then(|schema| schema.pointer_mut(&format!("/properties/{field}")));
            let Some(Value::Object(found)) = found else {
                panic!("{name} has no field {field}");
            };
            found.extend(range);
        }
    }
}

/// Adds to each code the status that it comes with.
fn number_codes(schema: &mut Value) {
    let words = schema["oneOf"].as_array_mut().into_iter().flatten();
    for (word, code) in words.zip(c::ProblemCode::ALL) {
        assert_eq!(word["const"], code.as_str());
        word["x-status"] = code.status().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths of fields without a description, in `schema` at `path`.
    fn undescribed(path: &str, schema: &Value, found: &mut Vec<String>) {
        if let Some(fields) = schema["properties"].as_object() {
            for (field, schema) in fields {
                if schema["description"].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{path}.{field}"));
                }
            }
        }
        match schema {
            Value::Array(parts) => parts.iter().for_each(|part| undescribed(path, part, found)),
            Value::Object(parts) => parts
                .values()
                .for_each(|part| undescribed(path, part, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_and_every_field_is_described() {
        let mut found = Vec::new();
        for (name, schema) in all() {
            undescribed(&name, &schema, &mut found);
            if schema["description"].as_str().is_none_or(str::is_empty) {
                found.push(name);
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn no_text_shows_the_source() {
        let text = Value::Object(all()).to_string();
        for word in ["[`", "`None`", "`Some`", "crate::"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}
