//! The API key of a request.

use contract::header;

/// The headers that may carry a key, and the word before it.
const HEADERS: [(&str, &[u8]); 2] = [("authorization", b"bearer "), (header::API_KEY, b"")];

/// The key that a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    None,
    One(&'a [u8]),
    Several,
}

impl<'a> Credential<'a> {
    /// The key in header `lines`, which are names and values.
    pub(crate) fn of(lines: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut found = Self::None;
        for (name, value) in lines {
            for (header, scheme) in HEADERS {
                if name.eq_ignore_ascii_case(header)
                    && let Some(key) = after(scheme, value)
                {
                    found = match found {
                        Self::None => Self::One(key),
                        _ => Self::Several,
                    };
                }
            }
        }
        found
    }
}

/// The key after `scheme`, which is in lower case. `None` if the value is of another scheme.
fn after<'a>(scheme: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (given, key) = value.split_at_checked(scheme.len())?;
    given.eq_ignore_ascii_case(scheme).then(|| key.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(lines: &'a [(&'a str, &'a str)]) -> Credential<'a> {
        Credential::of(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    #[test]
    fn a_key_is_taken_from_either_header_and_only_once() {
        let key = Credential::One(b"k");
        assert_eq!(of(&[("Authorization", "Bearer k")]), key);
        assert_eq!(of(&[("authorization", "bEARER   k ")]), key);
        assert_eq!(of(&[("X-API-Key", "k"), ("host", "h")]), key);
        // Meant for a proxy.
        let basic = ("authorization", "Basic dTpw");
        assert_eq!(of(&[basic, ("x-api-key", "k")]), key);
        assert_eq!(of(&[basic]), Credential::None);
        assert_eq!(of(&[("authorization", "Bearerk")]), Credential::None);
        let twice = [("authorization", "Bearer k"), ("x-api-key", "k")];
        assert_eq!(of(&twice), Credential::Several);
        assert_eq!(of(&[("x-api-key", "")]), Credential::One(b""));
    }
}
