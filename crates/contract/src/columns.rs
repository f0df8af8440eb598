//! Values of several columns by name, and rows of them.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    ColumnReply, MAX_CONTEXT, SeriesId, fields::duplicate, judge::ValuesVisitor,
    timestamps::Timestamps,
};

/// The smallest and the largest number of columns.
pub const COLUMNS: std::ops::RangeInclusive<usize> = 2..=64;

/// A `T` for each of several columns, by name, in the order in which they were sent. Names keep the
/// rules of [`SeriesId`] and are distinct.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns<T>(Vec<(String, T)>);

/// Rows of several columns.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The timestamps of the rows.
    pub timestamps: Vec<i64>,
    /// The values of each column, one for each timestamp; all finite.
    pub values: Columns<Vec<f64>>,
}

impl<T> Columns<T> {
    /// Columns of these names, which keep the rules.
    ///
    /// # Errors
    /// A sentence that says which rule is broken.
    pub fn new(columns: Vec<(String, T)>) -> Result<Self, String> {
        if !COLUMNS.contains(&columns.len()) {
            let (n, least, most) = (columns.len(), COLUMNS.start(), COLUMNS.end());
            return Err(format!(
                "there are {n} columns, which is not {least} to {most}"
            ));
        }
        for (i, (name, _)) in columns.iter().enumerate() {
            SeriesId::validate(name).map_err(|rule| format!("column name {name:?}: {rule}"))?;
            if columns[..i].iter().any(|(other, _)| other == name) {
                return Err(format!("duplicate field `{name}`"));
            }
        }
        Ok(Self(columns))
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and contents, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> + Clone {
        self.0
            .iter()
            .map(|(name, content)| (name.as_str(), content))
    }

    /// Names and contents, in order.
    pub fn into_vec(self) -> Vec<(String, T)> {
        self.0
    }

    /// The contents in the order of `names`.
    ///
    /// # Errors
    /// A sentence that names the first column that is missing, or else one that is not in `names`.
    pub fn in_order_of<'a>(
        &self,
        names: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> Result<Vec<&T>, String> {
        let of = |name: &str| {
            let found = self.0.iter().find(|(other, _)| other == name);
            found.map(|(_, content)| content).ok_or_else(|| {
                format!("the model has a column {name:?} that the request does not have")
            })
        };
        let ordered = names.clone().map(of).collect::<Result<Vec<&T>, String>>()?;
        match self
            .names()
            .find(|name| !names.clone().any(|known| known == *name))
        {
            Some(name) => Err(format!("the model has no column {name:?}")),
            None => Ok(ordered),
        }
    }
}

impl Table {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.timestamps.len()
    }

    /// Checks that every column has a value for each timestamp.
    pub(crate) fn check(self) -> Result<Self, String> {
        let rows = self.rows();
        if rows == 0 {
            return Err("there are no rows".to_owned());
        }
        for (name, values) in self.values.iter() {
            if values.len() != rows {
                let n = values.len();
                return Err(format!(
                    "column {name:?} has {n} values for {rows} timestamps"
                ));
            }
        }
        Ok(self)
    }

    /// The rows of which no value is NaN, and the number of the others.
    ///
    /// # Errors
    /// When none is whole.
    pub(crate) fn without_gaps(mut self) -> Result<(Self, usize), String> {
        let is_whole = |row: &usize| self.values.iter().all(|(_, values)| !values[*row].is_nan());
        let whole: Vec<usize> = (0..self.rows()).filter(is_whole).collect();
        let gaps = self.rows() - whole.len();
        if whole.is_empty() {
            return Err("values: every row has a null".to_owned());
        }
        if gaps > 0 {
            self.take_rows(&whole);
        }
        Ok((self, gaps))
    }

    /// The rows sorted by timestamp, stably.
    pub(crate) fn sorted(mut self) -> Self {
        if self.timestamps.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by_key(|&row| self.timestamps[row]);
        self.take_rows(&order);
        self
    }

    /// Keeps the rows of these numbers, in their order.
    fn take_rows(&mut self, rows: &[usize]) {
        self.timestamps = rows.iter().map(|&row| self.timestamps[row]).collect();
        for (_, values) in &mut self.values.0 {
            *values = rows.iter().map(|&row| values[row]).collect();
        }
    }
}

/// The content of one column: a number, or one for each row.
trait Content: Sized {
    /// Reads the content of the column `name`; errors name it, and the place in it from 0.
    fn read<'de, D: Deserializer<'de>>(name: &str, deserializer: D) -> Result<Self, D::Error>;
}

impl Content for f64 {
    fn read<'de, D: Deserializer<'de>>(name: &str, deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer).map_err(|e| de::Error::custom(format_args!("{name}: {e}")))
    }
}

impl Content for Vec<f64> {
    fn read<'de, D: Deserializer<'de>>(name: &str, deserializer: D) -> Result<Self, D::Error> {
        let mut values = Self::new();
        let read = deserializer.deserialize_seq(ValuesVisitor(&mut values));
        match read {
            Ok(()) => Ok(values),
            Err(e) => {
                let row = values.len();
                Err(de::Error::custom(format_args!("{name}[{row}]: {e}")))
            }
        }
    }
}

impl Content for ColumnReply {
    fn read<'de, D: Deserializer<'de>>(name: &str, deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer).map_err(|e| de::Error::custom(format_args!("{name}: {e}")))
    }
}

/// Reads the content of the column of this name.
struct ContentSeed<'a, T>(&'a str, PhantomData<T>);

impl<'de, T: Content> DeserializeSeed<'de> for ContentSeed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(self.0, deserializer)
    }
}

struct ColumnsVisitor<T>(PhantomData<T>);

impl<'de, T: Content> Visitor<'de> for ColumnsVisitor<T> {
    type Value = Columns<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns<T>, A::Error> {
        let mut columns: Vec<(String, T)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if columns.iter().any(|(other, _)| *other == name) {
                return Err(duplicate(&name));
            }
            if columns.len() == *COLUMNS.end() {
                let most = COLUMNS.end();
                return Err(de::Error::custom(format_args!(
                    "there are more than {most} columns"
                )));
            }
            let content = map.next_value_seed(ContentSeed(&name, PhantomData))?;
            columns.push((name, content));
        }
        Columns::new(columns).map_err(de::Error::custom)
    }
}

impl<'de, T: Content> Deserialize<'de> for Columns<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ColumnsVisitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for Columns<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The rows just before those to be scored, oldest first; their values may be NaN.
pub(crate) struct ColumnsContext(pub(crate) ContextFields);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextFields {
    pub(crate) timestamps: Timestamps,
    pub(crate) values: Columns<Vec<f64>>,
}

struct ContextVisitor;

impl<'de> Visitor<'de> for ContextVisitor {
    type Value = ContextFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with timestamps and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ContextFields, A::Error> {
        ContextFields::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for ColumnsContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let context = deserializer.deserialize_map(ContextVisitor)?;
        let rows = &context.timestamps.counts;
        if rows.len() > MAX_CONTEXT {
            let n = rows.len();
            return Err(de::Error::custom(format_args!(
                "{n} rows are more than {MAX_CONTEXT}"
            )));
        }
        if !rows.is_sorted() {
            return Err(de::Error::custom("the oldest row must come first"));
        }
        Ok(Self(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let columns = Columns::new(vec![("a".to_owned(), 1), ("b".to_owned(), 2)]).unwrap();
        assert_eq!(
            columns.in_order_of(["b", "a"].into_iter()),
            Ok(vec![&2, &1])
        );
        let missing = columns
            .in_order_of(["a", "b", "c"].into_iter())
            .unwrap_err();
        assert_eq!(
            missing,
            "the model has a column \"c\" that the request does not have"
        );
        let unknown = columns.in_order_of(["a"].into_iter()).unwrap_err();
        assert_eq!(unknown, "the model has no column \"b\"");
    }
}
