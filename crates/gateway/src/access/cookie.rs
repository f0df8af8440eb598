//! The API key of a web page, in a cookie.

use contract::Endpoint;
use http::{HeaderMap, HeaderName, header::COOKIE};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The name of the cookie.
const NAME: &str = "anomaly_key";

/// Where the request comes from, as browsers say and no script can.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The cookie with `secret`, which lasts until the browser is closed; or without, which removes it.
pub(crate) fn cookie(secret: Option<&str>) -> String {
    let (secret, age) = match secret {
        Some(secret) => (secret, ""),
        None => ("", "; Max-Age=0"),
    };
    let secret = utf8_percent_encode(secret, NON_ALPHANUMERIC);
    format!("{NAME}={secret}; Path=/; HttpOnly; SameSite=Strict{age}")
}

/// The secret in the cookies of a request, if exactly one of them is ours.
pub(super) fn secret(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    let cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut ours = cookies.filter_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == NAME).then_some(value)
    });
    let value = ours.next().filter(|value| !value.is_empty())?;
    if ours.next().is_some() {
        return None;
    }
    let secret = percent_decode_str(value).decode_utf8().ok()?;
    Some(secret.into_owned())
}

/// Whether a request for `endpoint` may use the key of a cookie, which a browser sends along whoever
/// made the request: one that changes something has to come from our own page.
pub(super) fn may_be_used(endpoint: &Endpoint, headers: &HeaderMap) -> bool {
    let is_our_page = headers
        .get(SEC_FETCH_SITE)
        .is_some_and(|site| site == "same-origin");
    is_our_page || !endpoint.is_change()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_in(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().expect("valid"));
        }
        secret(&headers)
    }

    #[test]
    fn a_secret_comes_back_from_its_cookie() {
        let key = "anomaly_a-b+/=;c";
        let cookie = cookie(Some(key));
        let pair = cookie.split(';').next().expect("a pair");
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !pair[12..].contains('='));
        assert_eq!(
            secret_in(&[&format!("a=b; {pair}; c")]).as_deref(),
            Some(key)
        );
        assert_eq!(secret_in(&["theme=dark", pair]).as_deref(), Some(key));
        for lines in [
            &[][..],
            &["a=b"],
            &["anomaly_key="],
            &[pair, pair],
            &["xanomaly_key=1"],
        ] {
            assert_eq!(secret_in(lines), None, "{lines:?}");
        }
        assert!(super::cookie(None).starts_with("anomaly_key=; "));
    }
}
