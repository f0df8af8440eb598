//! Requests about several columns at once: where a series has one number, they have an object of
//! named ones.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    BadJson, BatchRequest, Columns, DetectRequest, FitOptions, FitRequest, MAX_BATCH, Parsed,
    PredictRequest, Table, Train, VersionRef,
    columns::{ColumnsContext, ContextFields},
    fields::fields,
    fit::FitOptionFields,
    json::{self, Body, Notes},
    judge::check_rate,
    timestamps::{Timestamp, Timestamps},
};

/// A request about a series of numbers, or about columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Requested<S, C> {
    /// About a series of numbers.
    Series(S),
    /// About columns.
    Columns(C),
}

/// The body of a fit of columns.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnsFitRequest {
    /// The training rows, sorted by timestamp, stably; at least one.
    #[serde(flatten)]
    pub table: Table,
    /// The detector of the columns and its options; without a direction.
    #[serde(flatten)]
    pub options: FitOptions,
}

/// The body of a prediction about one row.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnsPredictRequest {
    /// The time of the row.
    pub timestamp: i64,
    /// The value of each column.
    pub value: Columns<f64>,
    /// The false-alarm rate, in `(0, 0.5]`; `None`: that of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// The version to score by; `None`: the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRef>,
    /// The rows just before, oldest first, at most [`MAX_CONTEXT`](crate::MAX_CONTEXT); `None` if they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Table>,
}

/// The body of a batch of rows. The rows before one in the batch are its context.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnsBatchRequest {
    /// The rows to score, in the order in which they were sent; 1 to [`MAX_BATCH`].
    #[serde(flatten)]
    pub table: Table,
    /// The false-alarm rate, in `(0, 0.5]`; `None`: that of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// The version to score by; `None`: the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRef>,
    /// The rows just before the first one, oldest first, at most [`MAX_CONTEXT`](crate::MAX_CONTEXT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Table>,
}

/// The body of a detection over columns. An unknown field is refused.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnsDetectRequest {
    /// The rows, sorted by timestamp, stably; at least one.
    #[serde(flatten)]
    pub table: Table,
    /// The part of the rows that is fitted on; the rest is scored.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub train: Train,
    /// The detector of the columns and its options; without a direction.
    #[serde(flatten)]
    pub fit: FitOptions,
}

fields! {
    /// The fields of a fit of columns.
    struct ColumnsFitFields {
        timestamps: Timestamps,
        values: Columns<Vec<f64>>,
    }
    and options: FitOptionFields
}

fields! {
    /// The fields that predictions and batches of rows have in common.
    struct ColumnsJudgeFields {
        false_alarm_rate: Option<f64>,
        version: Option<VersionRef>,
        context: Option<ColumnsContext>,
    }
}

fields! {
    /// The fields of a prediction about a row.
    struct ColumnsPredictFields {
        timestamp: Timestamp,
        value: Columns<f64>,
    }
    and judge: ColumnsJudgeFields
}

fields! {
    /// The fields of a batch of rows.
    struct ColumnsBatchFields {
        timestamps: Timestamps,
        values: Columns<Vec<f64>>,
    }
    and judge: ColumnsJudgeFields
}

fields! {
    /// The fields of a detection over columns.
    struct ColumnsDetectFields {
        timestamps: Timestamps,
        values: Columns<Vec<f64>>,
        train: Option<Train>,
    }
    and fit: FitOptionFields
}

/// The rows of a request that are whole. The others are counted in `notes`.
fn table(
    timestamps: Timestamps,
    values: Columns<Vec<f64>>,
    notes: &mut Notes,
) -> Result<Table, String> {
    notes.unit = timestamps.unit;
    let timestamps = timestamps.counts;
    let table = Table { timestamps, values }.check()?;
    let (table, gaps) = table.without_gaps()?;
    notes.gaps(gaps, "row");
    Ok(table)
}

/// The rows of a context, in one unit with `times`, which may change.
fn context(
    context: Option<ColumnsContext>,
    times: &mut Timestamps,
    notes: &mut Notes,
) -> Result<Option<Table>, String> {
    let Some(ColumnsContext(ContextFields {
        mut timestamps,
        values,
    })) = context
    else {
        return Ok(None);
    };
    let fault = |why| format!("context: {why}");
    times.align(&mut timestamps).map_err(fault)?;
    table(timestamps, values, notes).map(Some).map_err(fault)
}

/// The options of a fit, of which columns have no sides.
fn options(fields: FitOptionFields) -> Result<FitOptions, String> {
    if fields.direction.is_some() {
        return Err("direction: a row of columns has no sides".to_owned());
    }
    fields.options()
}

impl Body for ColumnsFitRequest {
    type Fields = ColumnsFitFields;
    const CONTENT: &'static str = "timestamps and values";

    fn build(fields: ColumnsFitFields, notes: &mut Notes) -> Result<Self, String> {
        Ok(Self {
            table: table(fields.timestamps, fields.values, notes)?.sorted(),
            options: options(fields.options)?,
        })
    }
}

impl Body for ColumnsPredictRequest {
    type Fields = ColumnsPredictFields;
    const CONTENT: &'static str = "timestamp and value";

    fn build(fields: ColumnsPredictFields, notes: &mut Notes) -> Result<Self, String> {
        check_rate(fields.judge.false_alarm_rate)?;
        let mut times = fields.timestamp.into();
        let context = context(fields.judge.context, &mut times, notes)?;
        notes.unit = times.unit;
        Ok(Self {
            timestamp: times.counts[0],
            value: fields.value,
            false_alarm_rate: fields.judge.false_alarm_rate,
            version: fields.judge.version,
            context,
        })
    }
}

impl Body for ColumnsBatchRequest {
    type Fields = ColumnsBatchFields;
    const CONTENT: &'static str = "timestamps and values";

    fn build(fields: ColumnsBatchFields, notes: &mut Notes) -> Result<Self, String> {
        check_rate(fields.judge.false_alarm_rate)?;
        let mut timestamps = fields.timestamps;
        let context = context(fields.judge.context, &mut timestamps, notes)?;
        let table = table(timestamps, fields.values, notes)?;
        if table.rows() > MAX_BATCH {
            return Err(format!("{} rows are more than {MAX_BATCH}", table.rows()));
        }
        Ok(Self {
            table,
            false_alarm_rate: fields.judge.false_alarm_rate,
            version: fields.judge.version,
            context,
        })
    }
}

impl Body for ColumnsDetectRequest {
    type Fields = ColumnsDetectFields;
    const CONTENT: &'static str = "timestamps and values";
    const STRICT: bool = true;

    fn build(fields: ColumnsDetectFields, notes: &mut Notes) -> Result<Self, String> {
        let table = table(fields.timestamps, fields.values, notes)?.sorted();
        let train = fields.train.unwrap_or_default();
        let (first, rows) = (train.of(table.rows()), table.rows());
        if first >= rows {
            return Err(format!("train: {first} of {rows} rows leave none to judge"));
        }
        Ok(Self {
            table,
            train,
            fit: options(fields.fit)?,
        })
    }
}

/// The fields that tell a request about columns.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

/// Reads a body about a series, or else, where its value is an object, about columns. A body that
/// is neither gets the fault that it has as one about a series.
fn either<S: Body, C: Body>(body: &[u8]) -> Result<Parsed<Requested<S, C>>, BadJson> {
    let fault = match json::parse::<S>(body) {
        Ok(parsed) => return Ok(parsed.map(Requested::Series)),
        Err(fault) => fault,
    };
    let has_columns = serde_json::from_slice(body).is_ok_and(|Peek { values, value }| {
        let content = values.or(value);
        content.is_some_and(|content| content.get().starts_with('{'))
    });
    if !has_columns {
        return Err(fault);
    }
    Ok(json::parse::<C>(body)?.map(Requested::Columns))
}

macro_rules! either {
    ($($series:ident or $columns:ident,)+) => {
        $(impl $series {
            /// Reads a request body about a series of numbers or about columns.
            ///
            /// # Errors
            /// A message that names the field, line and column of the first fault; in columns also
            /// the column and the place in it.
            pub fn parse_any(
                body: &[u8],
            ) -> Result<Parsed<Requested<Self, $columns>>, BadJson> {
                either(body)
            }
        })+
    };
}

either! {
    FitRequest or ColumnsFitRequest,
    PredictRequest or ColumnsPredictRequest,
    BatchRequest or ColumnsBatchRequest,
    DetectRequest or ColumnsDetectRequest,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(values: &str) -> Result<Requested<FitRequest, ColumnsFitRequest>, String> {
        let body = format!(r#"{{"timestamps":[3,1,2],"values":{values}}}"#);
        let parsed = FitRequest::parse_any(body.as_bytes());
        parsed.map(|parsed| parsed.body).map_err(|e| e.to_string())
    }

    #[test]
    fn an_object_of_columns_is_sorted_by_time_and_keeps_its_order() {
        let Ok(Requested::Columns(request)) = fit(r#"{"mem":[30,10,20],"cpu":[3.5,1,2]}"#) else {
            panic!("not columns");
        };
        assert_eq!(request.table.timestamps, [1, 2, 3]);
        let columns: Vec<_> = request.table.values.iter().collect();
        let expected = [
            ("mem", &vec![10.0, 20.0, 30.0]),
            ("cpu", &vec![1.0, 2.0, 3.5]),
        ];
        assert_eq!(columns, expected);
        assert!(matches!(fit("[1,2,3]"), Ok(Requested::Series(_))));
        let json = serde_json::to_string(&request).unwrap();
        let columns =
            r#"{"timestamps":[1,2,3],"values":{"mem":[10.0,20.0,30.0],"cpu":[1.0,2.0,3.5]}}"#;
        assert_eq!(json, columns);
    }

    #[test]
    fn a_fault_names_the_column_and_the_place() {
        for (values, fault) in [
            (
                r#"{"a":[1,2,3],"b":[1,true,3]}"#,
                "values: b[1]: invalid type: boolean `true`, expected a number at line 1 column 55",
            ),
            (
                r#"{"a":[1,2,3],"b":7}"#,
                "values: b[0]: invalid type: integer `7`, expected a sequence",
            ),
            (
                r#"{"a":[1,2,3],"b":[1,2]}"#,
                "column \"b\" has 2 values for 3 timestamps",
            ),
            (
                r#"{"a":[1,2,3],"a":[1,2,3]}"#,
                "values: duplicate field `a`",
            ),
            (
                r#"{"a":[1,2,3]}"#,
                "values: there are 1 columns, which is not 2 to 64",
            ),
            (
                r#"{"a":[1,2,3],"b/c":[1,2,3]}"#,
                "values: column name \"b/c\": series id has a slash",
            ),
            (
                r#"{"a":[1,2,3],"b":[1,2,1e999]}"#,
                "values: b[2]: number out of range",
            ),
            (
                r#"{"a":[1,2,3],"b":[1,2,3]},"direction":"above""#,
                "direction: a row of columns has no sides",
            ),
        ] {
            let said = fit(values).unwrap_err();
            assert!(said.starts_with(fault), "{values}: {said}");
        }
        let many: Vec<String> = (0..65).map(|i| format!("\"c{i}\":[1,2,3]")).collect();
        let said = fit(&format!("{{{}}}", many.join(","))).unwrap_err();
        assert!(
            said.starts_with("values: there are more than 64 columns"),
            "{said}"
        );
    }

    #[test]
    fn a_row_with_a_null_is_a_gap() {
        let body = br#"{"timestamps":["2023-08-31T05:45:00Z","2023-08-31T05:46:00Z"],"values":{"a":[1,2],"b":[null,4]}}"#;
        let Parsed {
            body: Requested::Columns(request),
            warnings,
            unit,
        } = FitRequest::parse_any(body).unwrap()
        else {
            panic!("a series");
        };
        assert_eq!(request.table.timestamps, [1_693_460_760]);
        assert_eq!(warnings, ["1 row is null and counts as a gap"]);
        assert_eq!(unit, Some(crate::TimeUnit::Seconds));
        let body = br#"{"timestamps":[1],"values":{"a":[1],"b":[null]}}"#;
        let said = FitRequest::parse_any(body).unwrap_err().to_string();
        assert!(said.starts_with("values: every row has a null"), "{said}");
    }

    #[test]
    fn a_body_about_a_series_keeps_its_faults_to_the_byte() {
        for body in [
            r#"{"timestamps":[1],"values":null}"#,
            r#"{"timestamps":[1.0],"values":[1]}"#,
            r#"{"timestamps":[1],"values":[{}]}"#,
            r#"{"timestamps":[1]}"#,
            r#"{"timestamps":[1],"values":[1],"values":{}}"#,
            "[1,2,3]",
            "",
        ] {
            let series = FitRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(FitRequest::parse_any(body.as_bytes()).unwrap_err(), series);
        }
        for body in [
            r#"{"timestamp":1,"value":null}"#,
            r#"{"timestamp":1,"value":[{}]}"#,
        ] {
            let series = PredictRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(
                PredictRequest::parse_any(body.as_bytes()).unwrap_err(),
                series
            );
        }
    }

    #[test]
    fn a_row_can_be_judged_with_all_that_can_be_asked_for() {
        let body = r#"{"timestamp":3,"value":{"a":1.5,"b":2.0},"false_alarm_rate":0.01,"version":"v2","context":{"timestamps":[1,2],"values":{"a":[1.0,2.0],"b":[3.0,4.0]}}}"#;
        let parsed = PredictRequest::parse_any(body.as_bytes()).unwrap();
        let Requested::Columns(request) = parsed.body else {
            panic!("not columns");
        };
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        let parsed = PredictRequest::parse_any(
            br#"{"timestamp":3,"value":{"a":1,"b":2},"direction":"above"}"#,
        );
        assert_eq!(
            parsed.unwrap().warnings,
            ["unknown field `direction` was ignored"]
        );
        for (field, fault) in [
            (
                r#""value":{"a":1,"b":"x"}"#,
                "value: b: invalid type: string \"x\", expected a number",
            ),
            (
                r#""value":{"a":1,"b":2},"context":{"timestamps":[2,1],"values":{"a":[1,2],"b":[1,2]}}"#,
                "context: the oldest row must come first",
            ),
            (
                r#""value":{"a":1,"b":2},"context":{"timestamps":[1],"values":[1]}"#,
                "context: invalid type: sequence, expected an object of named columns",
            ),
        ] {
            let body = format!(r#"{{"timestamp":1,{field}}}"#);
            let said = PredictRequest::parse_any(body.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(said.starts_with(fault), "{said}");
        }
    }

    #[test]
    fn a_detection_over_columns_is_strict() {
        let body =
            r#"{"timestamps":[1,2],"values":{"a":[1,2],"b":[1,2]},"train":1,"min_deviation":1}"#;
        let said = DetectRequest::parse_any(body.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(said.starts_with("unknown field `min_deviation`"), "{said}");
        let body = r#"{"timestamps":[1,2],"values":{"a":[1,2],"b":[1,2]},"train":2}"#;
        let said = DetectRequest::parse_any(body.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with("train: 2 of 2 rows leave none to judge"),
            "{said}"
        );
    }
}
