//! The query of a request target.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode;

/// At most this many characters of an unknown name are repeated in the error.
const MAX_SHOWN: usize = 100;

/// The parameters of a query, decoded; `+` is a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a>(Vec<Parameter<'a>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter<'a> {
    name: Cow<'a, str>,
    /// `None` if the value is not UTF-8.
    value: Option<Cow<'a, str>>,
}

/// An invalid parameter. The message names it and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadParameter(String);

impl BadParameter {
    /// The value of `name` breaks `rule`.
    pub fn invalid(name: &str, rule: impl fmt::Display) -> Self {
        Self(format!("Invalid {name}: {rule}"))
    }

    fn unknown(name: &str) -> Self {
        let shown: String = name.chars().take(MAX_SHOWN).collect();
        Self(format!("Unknown query parameter: {shown}"))
    }
}

impl<'a> Query<'a> {
    /// Reads the query `text`, which may be empty.
    pub fn parse(text: &'a str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = match decode(name) {
                Some(name) => name,
                None => Cow::Owned(char::REPLACEMENT_CHARACTER.to_string()),
            };
            let value = decode(value);
            Parameter { name, value }
        });
        Self(parameters.collect())
    }

    /// The value of the parameter `name`, if it is there.
    ///
    /// # Errors
    /// When it is there twice, or not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, BadParameter> {
        let mut found = self.0.iter().filter(|parameter| parameter.name == name);
        let Some(parameter) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(BadParameter::invalid(name, "it is given more than once"));
        }
        let not_text = || BadParameter::invalid(name, "it is not UTF-8");
        parameter.value.as_deref().ok_or_else(not_text).map(Some)
    }

    /// The names that are not among `known`, in order.
    pub fn unknown(&self, known: &[&str]) -> impl Iterator<Item = &str> {
        let names = self.0.iter().map(|parameter| &*parameter.name);
        names.filter(|name| !known.contains(name))
    }

    /// Refuses any parameter: for routes that do not take any.
    ///
    /// # Errors
    /// Names the first parameter of `text`.
    pub fn none(text: Option<&str>) -> Result<(), BadParameter> {
        Query::parse(text.unwrap_or_default())
            .of_only(&[])
            .map(drop)
    }

    /// The query, if all its parameters are `known`.
    ///
    /// # Errors
    /// Names the first parameter that is not.
    pub fn of_only(self, known: &[&str]) -> Result<Self, BadParameter> {
        let unknown = self.unknown(known).next().map(BadParameter::unknown);
        unknown.map_or(Ok(self), Err)
    }
}

/// `text`, percent-decoded; `None` if that is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
        return Some(Cow::Owned(decoded.into_owned()));
    }
    percent_decode(text.as_bytes()).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: fmt::Debug>(outcome: Result<T, BadParameter>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse("a=1&&%62+c=x%3D%C3%A9=+%2B&d");
        assert_eq!(query.get("a"), Ok(Some("1")));
        assert_eq!(query.get("b c"), Ok(Some("x=é= +")));
        assert_eq!(query.get("d"), Ok(Some("")));
        assert_eq!(query.get("e"), Ok(None));
        assert_eq!(Query::parse("").get(""), Ok(None));
    }

    #[test]
    fn a_fault_names_its_parameter() {
        let query = Query::parse("a=1&a=1&b=%FF&%FF=1");
        assert_eq!(
            fault(query.get("a")),
            "Invalid a: it is given more than once"
        );
        assert_eq!(fault(query.get("b")), "Invalid b: it is not UTF-8");
        let unknown: Vec<_> = query.unknown(&["a"]).collect();
        assert_eq!(unknown, ["b", "\u{FFFD}"]);
        assert!(query.clone().of_only(&["b", "\u{FFFD}", "a"]).is_ok());
        assert_eq!(fault(query.of_only(&["a"])), "Unknown query parameter: b");
        assert_eq!(
            fault(Query::none(Some("b=1"))),
            "Unknown query parameter: b"
        );
        assert_eq!((Query::none(None), Query::none(Some(""))), (Ok(()), Ok(())));
        let long = "x".repeat(10_000);
        assert!(fault(Query::parse(&long).of_only(&[])).len() < 200);
    }
}
