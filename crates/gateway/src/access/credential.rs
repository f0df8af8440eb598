//! The API key of a request.

use contract::header;

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
            let key = match name.as_bytes() {
                name if is(name, AUTHORIZATION) => after(BEARER, value),
                name if is(name, header::API_KEY) || is(name, AZURE_KEY) => Some(value),
                _ => None,
            };
            if let Some(key) = key {
                found = match found {
                    Self::None => Self::One(key.trim_ascii()),
                    _ => Self::Several,
                };
            }
        }
        found
    }
}

/// The headers that may carry a key, and the word before it in the first.
const AUTHORIZATION: &str = "authorization";
/// The header by which clients of Azure send one.
const AZURE_KEY: &str = "ocp-apim-subscription-key";
const BEARER: &str = "bearer ";

/// What comes after `scheme` in `value`. `None` if the value is of another scheme.
fn after<'a>(scheme: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    let (given, key) = value.split_at_checked(scheme.len())?;
    is(given, scheme).then_some(key)
}

/// Whether `text` is `word` in any case. The word has small letters, hyphens and blanks only; no
/// other byte that a header may have differs from one of these by the bit of the case.
///
/// The words are known when it is compiled, so that it takes a few instructions for all bytes.
#[inline]
fn is(text: &[u8], word: &str) -> bool {
    if text.len() != word.len() {
        return false;
    }
    let differing = text.iter().zip(word.bytes());
    let differing = differing.fold(0, |all, (byte, letter)| all | ((byte | 0x20) ^ letter));
    differing == 0
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
        assert_eq!(of(&[("Ocp-Apim-Subscription-Key", "k")]), key);
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
