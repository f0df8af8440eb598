//! The revision of a series as an ETag, and the conditions that a request puts on it (RFC 9110,
//! sections 8.8.3 and 13.1).
//!
//! Every reply about a series has the ETag of the whole series, so a client may send the ETag of
//! any of them in `If-Match`.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use contract::Revision;
use store::Precondition;

use crate::error::Error;

/// `revision` as an ETag: `"r12"`.
pub(super) fn etag(revision: Revision) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\""))
        .expect("quotes, a letter and digits make a header value")
}

/// The conditions of a request on the revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// The value of a conditional header.
#[derive(Clone, Debug, PartialEq)]
enum Tags {
    /// `*`: any revision.
    Any,
    /// A list of tags.
    List(Vec<Tag>),
}

/// One ETag of a list.
#[derive(Clone, Debug, PartialEq)]
struct Tag {
    is_weak: bool,
    /// The revision that it names. `None`: it is not one of our tags.
    revision: Option<Revision>,
}

/// The outcome of the conditions of a request that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The reply is sent.
    Send,
    /// The client has the reply already.
    NotModified,
}

impl Conditions {
    /// Reads the conditional headers.
    ///
    /// # Errors
    /// The name of a header that is malformed.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            if_match: tags(headers, IF_MATCH)?,
            if_none_match: tags(headers, IF_NONE_MATCH)?,
        })
    }

    /// Checks the conditions of a request that reads a series at revision `present`.
    ///
    /// # Errors
    /// When `If-Match` does not hold.
    pub(super) fn read(&self, present: Revision) -> Result<Reading, Error> {
        let matches = |tags: &Tags| tags.name(present, |tag| !tag.is_weak);
        if self.if_match.as_ref().is_some_and(|tags| !matches(tags)) {
            return Err(Error::Refused(store::Refusal::Stale(present)));
        }
        let knows = |tags: &Tags| tags.name(present, |_| true);
        if self.if_none_match.as_ref().is_some_and(knows) {
            return Ok(Reading::NotModified);
        }
        Ok(Reading::Send)
    }

    /// The precondition of a request that changes something. Weak tags never match.
    ///
    /// # Errors
    /// For `If-None-Match`, because to ignore it could do what the client excluded.
    pub(super) fn change(self) -> Result<Precondition, Error> {
        if self.if_none_match.is_some() {
            return Err(invalid(&IF_NONE_MATCH, "a change takes If-Match only"));
        }
        Ok(match self.if_match {
            None => Precondition::Any,
            Some(Tags::Any) => Precondition::Exists,
            Some(Tags::List(tags)) => {
                let strong = tags.into_iter().filter(|tag| !tag.is_weak);
                Precondition::Revision(strong.filter_map(|tag| tag.revision).collect())
            }
        })
    }
}

impl Tags {
    /// Whether they name `present`. Only tags for which `counts` holds are considered.
    fn name(&self, present: Revision, counts: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => {
                let mut counted = tags.iter().filter(|tag| counts(tag));
                counted.any(|tag| tag.revision == Some(present))
            }
        }
    }
}

/// The tags in all fields called `name`. `None` if there is no such field.
fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Error> {
    let fields: Vec<&[u8]> = headers
        .get_all(&name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let value = fields.join(&b","[..]);
    if value.trim_ascii() == b"*" {
        return Ok(Some(Tags::Any));
    }
    let list = list(&value).filter(|tags| !tags.is_empty());
    let list =
        list.ok_or_else(|| invalid(&name, "it is neither * nor a list of ETags in quotes"))?;
    Ok(Some(Tags::List(list)))
}

/// The ETags in `value`. `None` if it is not a list of ETags. Empty elements are skipped.
fn list(mut value: &[u8]) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        value = value.trim_ascii_start();
        if !value.is_empty() && value[0] != b',' {
            let (tag, rest) = tag(value)?;
            tags.push(tag);
            value = rest.trim_ascii_start();
        }
        match value.split_first() {
            None => return Some(tags),
            Some((b',', rest)) => value = rest,
            Some(_) => return None,
        }
    }
}

/// The ETag at the beginning of `value`, and the rest of `value`.
fn tag(value: &[u8]) -> Option<(Tag, &[u8])> {
    let (is_weak, quoted) = match value.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, value),
    };
    let opaque = quoted.strip_prefix(b"\"")?;
    let end = opaque.iter().position(|byte| *byte == b'"')?;
    let (opaque, rest) = (&opaque[..end], &opaque[end + 1..]);
    // A header contains no control characters except tabs. A tag contains neither tabs nor spaces.
    if opaque.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        return None;
    }
    let revision = std::str::from_utf8(opaque).ok();
    let revision = revision.and_then(|text| text.parse::<Revision>().ok().zip(Some(text)));
    // Tags are compared byte by byte: "r01" is not "r1".
    let revision = revision.filter(|(revision, text)| revision.to_string() == *text);
    let tag = Tag {
        is_weak,
        revision: revision.map(|(revision, _)| revision),
    };
    Some((tag, rest))
}

fn invalid(name: &HeaderName, why: &str) -> Error {
    let name = match *name {
        IF_MATCH => "If-Match",
        _ => "If-None-Match",
    };
    Error::InvalidHeader(format!("Invalid {name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESENT: Revision = Revision(12);

    fn conditions(fields: &[(&'static str, &'static str)]) -> Result<Conditions, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Conditions::of(&headers)
    }

    #[test]
    fn only_a_strong_tag_of_the_present_revision_lets_a_change_be_made() {
        let revisions = |numbers: &[u64]| {
            Precondition::Revision(numbers.iter().copied().map(Revision).collect())
        };
        for (value, demanded) in [
            ("*", Precondition::Exists),
            (" * ", Precondition::Exists),
            (r#""r12""#, revisions(&[12])),
            (r#""r1" ,"r2","#, revisions(&[1, 2])),
            (r#", ,"r1""#, revisions(&[1])),
            (r#"W/"r12""#, revisions(&[])),
            (r#"W/"r12", "r3""#, revisions(&[3])),
            (r#""r012""#, revisions(&[])),
            (r#""R12""#, revisions(&[])),
            (r#""a,b","r4""#, revisions(&[4])),
            (r#""""#, revisions(&[])),
            (r#""*""#, revisions(&[])),
            (r#""r99999999999999999999""#, revisions(&[])),
        ] {
            let asked = conditions(&[("if-match", value)]).unwrap();
            assert_eq!(asked.change().unwrap(), demanded, "{value}");
        }
        assert_eq!(
            conditions(&[]).unwrap().change().unwrap(),
            Precondition::Any
        );
        let twice = conditions(&[("if-match", r#""r1""#), ("if-match", r#""r2""#)]).unwrap();
        assert_eq!(twice.change().unwrap(), revisions(&[1, 2]));
    }

    #[test]
    fn a_reader_that_has_it_is_told_so_and_weakly_is_enough() {
        for (value, reading) in [
            (r#""r12""#, Reading::NotModified),
            (r#"W/"r12""#, Reading::NotModified),
            (r#""r1", "r12""#, Reading::NotModified),
            ("*", Reading::NotModified),
            (r#""r11""#, Reading::Send),
            (r#""r120""#, Reading::Send),
            (r#""""#, Reading::Send),
        ] {
            let asked = conditions(&[("if-none-match", value)]).unwrap();
            assert_eq!(asked.read(PRESENT).unwrap(), reading, "{value}");
        }
        assert_eq!(
            conditions(&[]).unwrap().read(PRESENT).unwrap(),
            Reading::Send
        );
    }

    #[test]
    fn a_reader_can_demand_a_revision_too() {
        for (value, holds) in [
            ("*", true),
            (r#""r12""#, true),
            (r#""r1","r12""#, true),
            (r#"W/"r12""#, false),
            (r#""r11""#, false),
        ] {
            let asked = conditions(&[("if-match", value)]).unwrap();
            assert_eq!(asked.read(PRESENT).is_ok(), holds, "{value}");
        }
        let both = [("if-match", r#""r11""#), ("if-none-match", r#""r12""#)];
        assert!(conditions(&both).unwrap().read(PRESENT).is_err());
    }

    #[test]
    fn what_is_malformed_is_refused_by_name() {
        for value in [
            "",
            "r12",
            "\"r12",
            "r12\"",
            "'r12'",
            "*, \"r12\"",
            "\"r12\", *",
            "\"r12\" \"r13\"",
            "w/\"r12\"",
            "W/ \"r12\"",
            "W/",
            "\"r 12\"",
            ",",
            "\"r12\";",
        ] {
            for (name, shown) in [("if-match", "If-Match"), ("if-none-match", "If-None-Match")] {
                let fault = conditions(&[(name, value)]).unwrap_err().to_string();
                assert!(
                    fault.starts_with(&format!("Invalid {shown}: ")),
                    "{value}: {fault}"
                );
            }
        }
        let unsafe_change = conditions(&[("if-none-match", "*")]).unwrap().change();
        assert!(
            unsafe_change
                .unwrap_err()
                .to_string()
                .contains("If-None-Match")
        );
    }
}
