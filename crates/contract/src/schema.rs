//! JSON Schemas of the types that are written as texts or numbers of their own form. Those of all
//! others follow from their fields and the comments on these.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    AliasName, AnomalyId, COLUMNS, IncidentId, MinuteOfDay, Moment, MonthDays, Months, Origin,
    Revision, SeriesId, TimeZone, Train, Version, VersionRef, Weekdays,
};

/// Points as two arrays.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PointColumns {
    /// The times of the points, one for each value.
    timestamps: Vec<i64>,
    /// The values of the points, all finite.
    values: Vec<f64>,
}

/// Stands in `skip_serializing_if` of what a request may leave out.
pub(crate) fn absent<T>(_: &T) -> bool {
    true
}

/// Says what the JSON of each type is.
macro_rules! schemas {
    ($($type:ident: $schema:tt)+) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

schemas! {
    SeriesId: {
        "description": "The id of a series: 1 to 200 bytes of UTF-8 without `/` and control \
                        characters, and neither `.` nor `..`. Ids are opaque.",
        "type": "string",
        "minLength": 1,
        "maxLength": SeriesId::MAX_BYTES,
        "pattern": r"^[^/\x00-\x1f\x7f-\x9f]+$",
    }
    Version: {
        "description": "The number of a model of one series, counted from 1. Numbers never repeat; \
                        there may be gaps.",
        "type": "string",
        "pattern": "^v[1-9][0-9]*$",
    }
    AliasName: {
        "description": "A name that a series gives to one of its versions: 1 to 64 of `a-z`, `0-9`, \
                        `_` and `-`, not of the form `3` or `v3`. The one called `champion` serves.",
        "type": "string",
        "maxLength": 64,
        "pattern": "^(?!v?[0-9]+$)[a-z0-9_-]+$",
    }
    VersionRef: {
        "description": "A version, such as `v3`, or an alias, such as `champion`.",
        "type": "string",
        "maxLength": 64,
        "pattern": "^[a-z0-9_-]+$",
    }
    Revision: {
        "description": "The number of changes to a series; it never decreases. In double quotes it \
                        is the `ETag` of the series.",
        "type": "string",
        "pattern": "^r[0-9]+$",
    }
    Moment: {
        "description": "A moment by the clock of the platform: RFC 3339. Replies have it in UTC, \
                        with milliseconds.",
        "type": "string",
        "format": "date-time",
    }
    AnomalyId: {
        "description": "The id of an anomaly.",
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
    }
    IncidentId: {
        "description": "The id of an incident or a silence.",
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
    }
    TimeZone: {
        "description": "A time zone of the IANA database, such as `Europe/Berlin`.",
        "type": "string",
    }
    Origin: {
        "description": "What a stream begins from: `champion`, the model that judges the series; a \
                        version such as `v3`; or `nothing`, and then it warms up.",
        "type": "string",
        "pattern": "^(nothing|champion|v[1-9][0-9]*)$",
    }
    Train: {
        "description": "How many of the first points are fitted on: a fraction between 0 and 1, \
                        which stands for [`MAX_TRAIN_SHARE`] points at most, or a whole number of \
                        points.",
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1e9,
        "default": crate::DEFAULT_TRAIN,
    }
    MinuteOfDay: {
        "description": "A time of day in whole minutes, `00:00` to `24:00`.",
        "type": "string",
        "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$",
    }
    Weekdays: {
        "description": "A day of the week, or a range: `monday`, `monday:friday`. The week begins \
                        with Sunday.",
        "type": "string",
        "pattern": "^[a-z]+(:[a-z]+)?$",
    }
    MonthDays: {
        "description": "A day of the month, or a range: `1:5`. Those below 0 count from its end: \
                        `-1` is the last one.",
        "type": "string",
        "pattern": "^-?[0-9]+(:-?[0-9]+)?$",
    }
    Months: {
        "description": "A month, or a range: `january`, `1:3`.",
        "type": "string",
        "pattern": "^[a-z0-9]+(:[a-z0-9]+)?$",
    }
}

impl<T: JsonSchema> JsonSchema for crate::Columns<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ColumnsOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
            "minProperties": COLUMNS.start(),
            "maxProperties": COLUMNS.end(),
        })
    }
}
