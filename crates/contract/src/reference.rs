//! References to models: aliases, versions or aliases, and revisions of a series.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Version;

/// A name that a series gives to one of its versions: 1 to 64 of `a-z`, `0-9`, `_` and `-`, but not
/// of the form `1` or `v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AliasName(Arc<str>);

/// A text that is not a valid alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an alias is 1 to 64 of a-z, 0-9, _ and -, and not of the form 1 or v1")]
pub struct InvalidAlias;

impl AliasName {
    /// The alias of the version that serves requests that do not name one.
    pub const CHAMPION: &str = "champion";

    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Checks `name`.
    ///
    /// # Errors
    /// When it is not a valid alias.
    pub fn new(name: &str) -> Result<Self, InvalidAlias> {
        let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let is_alias = (1..=Self::MAX_BYTES).contains(&name.len()) && name.bytes().all(known);
        let digits = name.strip_prefix('v').unwrap_or(name);
        // A bare number is meant as a version, too: a request for 3 is told to write v3.
        let is_version = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if is_alias && !is_version {
            Ok(Self(name.into()))
        } else {
            Err(InvalidAlias)
        }
    }

    /// The alias [`Self::CHAMPION`].
    pub fn champion() -> Self {
        Self(Self::CHAMPION.into())
    }

    /// Whether this alias decides which version serves.
    pub fn is_champion(&self) -> bool {
        &*self.0 == Self::CHAMPION
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reference to a version, by its number or by an alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// The version with this number.
    Version(Version),
    /// The version that has this alias at the moment.
    Alias(AliasName),
}

/// A text that is neither a version nor an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is neither a version of the form v1, v2, … nor an alias of 1 to 64 of a-z, 0-9, _ and -"
)]
pub struct InvalidVersionRef;

/// The number of changes to a series: versions that became ready, changes of aliases, deletions.
/// Written `r12`; never decreases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// A text that is not `r` and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision is not of the form r1, r2, …")]
pub struct InvalidRevision;

impl FromStr for AliasName {
    type Err = InvalidAlias;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl FromStr for VersionRef {
    type Err = InvalidVersionRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        AliasName::new(text)
            .map(Self::Alias)
            .map_err(|_| InvalidVersionRef)
    }
}

impl FromStr for Revision {
    type Err = InvalidRevision;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('r').ok_or(InvalidRevision)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidRevision);
        }
        digits.parse().map(Self).map_err(|_| InvalidRevision)
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Types whose JSON is the text that they display as.
macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

pub(crate) use as_text;

as_text!(AliasName, VersionRef, Revision);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_never_taken_for_a_version() {
        for name in [
            "champion",
            "canary-2",
            "v",
            "version1",
            "v1a",
            "_",
            &"a".repeat(64),
        ] {
            let alias = AliasName::new(name).unwrap();
            assert_eq!(name.parse(), Ok(VersionRef::Alias(alias)), "{name}");
        }
        for name in [
            "",
            "7",
            "v0",
            "v01",
            "v99999999999",
            "A",
            "a b",
            "é",
            "a/b",
            &"a".repeat(65),
        ] {
            assert_eq!(AliasName::new(name), Err(InvalidAlias), "{name}");
            assert_eq!(name.parse::<VersionRef>(), Err(InvalidVersionRef), "{name}");
        }
        assert_eq!(
            "v7".parse(),
            Ok(VersionRef::Version(Version::new(7).unwrap()))
        );
        assert!(AliasName::champion().is_champion());
    }

    #[test]
    fn a_revision_reads_what_it_writes() {
        assert_eq!(Revision(12).to_string().parse(), Ok(Revision(12)));
        for text in ["", "r", "12", "r+1", "r1 ", "v1"] {
            assert_eq!(text.parse::<Revision>(), Err(InvalidRevision), "{text}");
        }
    }
}
