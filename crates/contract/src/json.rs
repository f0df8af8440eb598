//! Request bodies, read strictly: one JSON object, no key twice, nothing after it.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{
    TimeUnit,
    fields::{FieldReader, Fields, duplicate},
};

/// A body that was accepted, with what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// The body.
    pub body: T,
    /// One sentence for each unknown field that was ignored, and for values that are gaps.
    pub warnings: Vec<String>,
    /// The unit of the timestamps, if they were written as dates or with fractions; `None`: they
    /// were integers, and count in the unit that they were sent in.
    pub unit: Option<TimeUnit>,
}

impl<T> Parsed<T> {
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed {
            body: map(self.body),
            warnings: self.warnings,
            unit: self.unit,
        }
    }
}

/// What is to be said of a body that is being built: see [`Parsed`].
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) warnings: Vec<String>,
    pub(crate) unit: Option<TimeUnit>,
}

impl Notes {
    /// Tells of `gaps` points without a value; `what` they are: `value`, `row`.
    pub(crate) fn gaps(&mut self, gaps: usize, what: &str) {
        match gaps {
            0 => {}
            1 => self
                .warnings
                .push(format!("1 {what} is null and counts as a gap")),
            n => self
                .warnings
                .push(format!("{n} {what}s are null and count as gaps")),
        }
    }
}

/// A body that is not of the form that the route takes; the message names the field, the line and
/// the column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadJson(pub(crate) String);

/// A request body that is one JSON object.
pub(crate) trait Body: Sized {
    /// The fields of the object.
    type Fields: Fields;
    /// The contents of the object, for the message when the body is not an object at all.
    const CONTENT: &'static str;
    /// Whether an unknown field is refused; else it is ignored with a warning.
    const STRICT: bool = false;

    /// Makes the body of fields that are well-formed each by itself.
    ///
    /// # Errors
    /// A sentence that says which of them is wrong, and why.
    fn build(fields: Self::Fields, notes: &mut Notes) -> Result<Self, String>;
}

/// The most unknown fields that are named; the rest is ignored silently.
const MAX_WARNINGS: usize = 10;

/// Reads `body` as the one JSON object that `T` is made of.
///
/// # Errors
/// Anything but one object with each field of `T` once, in valid UTF-8, with only white space
/// around it. A byte order mark before it is skipped.
pub(crate) fn parse<T: Body>(body: &[u8]) -> Result<Parsed<T>, BadJson> {
    // Windows PowerShell and some editors write one; RFC 8259 lets parsers skip it.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body)
        .map_err(|e| BadJson(format!("body is not UTF-8 from byte {}", e.valid_up_to())))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let field = Cell::new("");
    let object = ObjectVisitor::<T> {
        field: &field,
        of: std::marker::PhantomData,
    };
    let parsed = json
        .deserialize_map(object)
        .map_err(|e| name_field(field.get(), &e))?;
    json.end()
        .map_err(|e| BadJson(format!("after the JSON object: {e}")))?;
    Ok(parsed)
}

fn name_field(field: &str, error: &serde_json::Error) -> BadJson {
    let said = in_plain_words(&error.to_string());
    match field {
        "" => BadJson(said),
        field => BadJson(format!("{field}: {said}")),
    }
}

/// A message of the parser without the names of types.
pub(crate) fn in_plain_words(message: &str) -> String {
    let mut said = message.to_owned();
    for (of_parser, plain) in [
        ("expected f64", "expected a number"),
        ("expected i64", "expected an integer"),
        ("expected u64", "expected a whole number"),
        ("expected usize", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected u8", "expected a whole number"),
        ("expected ident", "expected null, true or false"),
    ] {
        if said.contains(of_parser) {
            said = said.replace(of_parser, plain);
        }
    }
    said
}

struct ObjectVisitor<'a, T> {
    /// The known field being read, for the message.
    field: &'a Cell<&'static str>,
    of: std::marker::PhantomData<T>,
}

impl<'de, T: Body> Visitor<'de> for ObjectVisitor<'_, T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", T::CONTENT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut partial = <T::Fields as Fields>::Partial::default();
        let mut unknown: Vec<String> = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            let mut reader = FieldReader {
                map: &mut map,
                field: self.field,
            };
            if T::Fields::read(&mut partial, &key, &mut reader)? {
                continue;
            }
            if T::STRICT {
                return Err(de::Error::unknown_field(&key, T::Fields::NAMES));
            }
            skip_unknown(&key, &mut unknown, &mut map)?;
        }
        let mut notes = Notes::default();
        let body = T::build(T::Fields::finish::<A::Error>(partial)?, &mut notes)
            .map_err(<A::Error as de::Error>::custom)?;
        let Notes { mut warnings, unit } = notes;
        let ignored = unknown.iter();
        warnings.extend(ignored.map(|key| format!("unknown field `{key}` was ignored")));
        Ok(Parsed {
            body,
            warnings,
            unit,
        })
    }
}

fn skip_unknown<'de, A: MapAccess<'de>>(
    key: &str,
    unknown: &mut Vec<String>,
    map: &mut A,
) -> Result<(), A::Error> {
    if unknown.iter().any(|name| name == key) {
        return Err(duplicate(key));
    }
    if unknown.len() < MAX_WARNINGS {
        unknown.push(key.to_owned());
    }
    map.next_value::<Skipped>().map(drop)
}

/// Reads a key without copying it where that is possible.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// A value that is skipped. Unlike `serde::de::IgnoredAny`, which serde_json skips without
/// counting, it is held to the parser's depth limit, so that deep nesting is refused here as
/// anywhere else.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
