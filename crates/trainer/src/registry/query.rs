//! Queries of the registry. An unknown parameter is refused, not ignored.

use contract::{SeriesId, Version};
use http_server::{BadParameter, Query};
use service::page::limit;

use crate::error::Error;

/// A page of the list of series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeriesPage {
    /// The prefix of the ids.
    pub(super) prefix: String,
    /// Only series after this one.
    pub(super) after: Option<SeriesId>,
    /// The most entries.
    pub(super) limit: u32,
}

/// A page of the models of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ModelsPage {
    /// Only versions before this one.
    pub(super) before: Option<Version>,
    /// The most entries.
    pub(super) limit: u32,
}

impl SeriesPage {
    /// Reads `?prefix=&after=&limit=`.
    ///
    /// # Errors
    /// The first parameter that is not valid, given twice or not known.
    pub(super) fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&["prefix", "after", "limit"])?;
        let prefix = query.get("prefix")?.unwrap_or_default();
        if !prefix.is_empty() && !matches!(prefix, "." | "..") {
            SeriesId::validate(prefix).map_err(|rule| invalid("prefix", rule))?;
        }
        let after = query.get("after")?.map(SeriesId::new).transpose();
        Ok(Self {
            prefix: prefix.to_owned(),
            after: after.map_err(|rule| invalid("after", rule))?,
            limit: limit(&query)?,
        })
    }
}

impl ModelsPage {
    /// Reads `?before=&limit=`.
    ///
    /// # Errors
    /// The first parameter that is not valid, given twice or not known.
    pub(super) fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&["before", "limit"])?;
        let before = query.get("before")?.map(str::parse).transpose();
        Ok(Self {
            before: before.map_err(|form| invalid("before", form))?,
            limit: limit(&query)?,
        })
    }
}

fn invalid(name: &str, rule: impl std::fmt::Display) -> Error {
    BadParameter::invalid(name, rule).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_asked_for_and_defaults_fill_in() {
        assert_eq!(
            SeriesPage::parse("").unwrap(),
            SeriesPage {
                prefix: String::new(),
                after: None,
                limit: 100
            }
        );
        assert_eq!(
            SeriesPage::parse("limit=1000&prefix=a+b%2B&&%61fter=%C3%A9").unwrap(),
            SeriesPage {
                prefix: "a b+".to_owned(),
                after: SeriesId::new("é").ok(),
                limit: 1000
            }
        );
        assert_eq!(SeriesPage::parse("prefix=..").unwrap().prefix, "..");
        let page = ModelsPage::parse("before=v12&limit=1").unwrap();
        assert_eq!((page.before, page.limit), (Version::new(12), 1));
        assert!(Query::none(Some("")).is_ok() && Query::none(Some("&")).is_ok());
    }

    #[test]
    fn a_fault_names_its_parameter() {
        for (query, fault) in [
            ("prefx=a", "Unknown query parameter: prefx"),
            ("a%0Ab=1", "Unknown query parameter: a\nb"),
            ("%FF=1", "Unknown query parameter: \u{FFFD}"),
            ("=1", "Unknown query parameter: "),
            ("before=v1", "Unknown query parameter: before"),
            (
                "prefix=a&prefix=a",
                "Invalid prefix: it is given more than once",
            ),
            ("prefix=%FF", "Invalid prefix: it is not UTF-8"),
            ("prefix=a%2Fb", "Invalid prefix: series id has a slash"),
            (
                "prefix=%00",
                "Invalid prefix: series id has a control character",
            ),
            ("after=", "Invalid after: series id is empty"),
            ("after=..", "Invalid after: series id is a relative path"),
            (
                "limit=0",
                "Invalid limit: it is not a whole number from 1 to 1000",
            ),
            ("limit=1001", "Invalid limit: "),
            ("limit=%2B5", "Invalid limit: "),
            ("limit=", "Invalid limit: "),
            ("limit=1e2", "Invalid limit: "),
            ("limit=99999999999999999999", "Invalid limit: "),
        ] {
            let message = SeriesPage::parse(query).unwrap_err().to_string();
            assert!(message.starts_with(fault), "{query}: {message}");
        }
        let message = ModelsPage::parse("before=12").unwrap_err().to_string();
        assert!(message.starts_with("Invalid before: "), "{message}");
        let long = "x".repeat(10_000);
        assert!(Query::none(Some(&long)).unwrap_err().to_string().len() < 200);
    }
}
