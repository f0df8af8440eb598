//! The part of all series that a caller may see, which the gateway tells by the prefixes of its API
//! key.

use axum::http::HeaderMap;
use contract::{SeriesId, header::SERIES_PREFIXES};
use percent_encoding::percent_decode_str;

/// The prefixes of the series that begin with `asked` and that the caller may see by its `headers`.
/// They are sorted, and none begins with another: listed one after the other, all series come once
/// and in order.
pub fn within(headers: &HeaderMap, asked: &str) -> Vec<String> {
    let Some(allowed) = headers.get(SERIES_PREFIXES) else {
        return vec![asked.to_owned()];
    };
    let allowed = allowed.to_str().unwrap_or_default().split(',');
    let mut prefixes: Vec<String> = allowed
        // Neither an empty prefix nor one that is not UTF-8 ever comes from a gateway.
        .filter(|prefix| !prefix.is_empty())
        .filter_map(|prefix| {
            let prefix = percent_decode_str(prefix).decode_utf8().ok()?;
            let narrower = match prefix.starts_with(asked) {
                true => &prefix,
                false => asked.starts_with(&*prefix).then_some(asked)?,
            };
            Some(narrower.to_owned())
        })
        .collect();
    prefixes.sort();
    prefixes.dedup_by(|later, earlier| later.starts_with(&**earlier));
    prefixes
}

/// The first of `series` that the caller may not touch by its `headers`.
pub fn forbidden<'a>(
    headers: &HeaderMap,
    mut series: impl Iterator<Item = &'a SeriesId>,
) -> Option<&'a SeriesId> {
    headers.get(SERIES_PREFIXES)?;
    let allowed = within(headers, "");
    series.find(|id| {
        let mut prefixes = allowed.iter();
        !prefixes.any(|prefix| id.as_str().starts_with(&**prefix))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_list_has_only_what_is_both_asked_for_and_allowed() {
        let within = |allowed: Option<&'static str>, asked: &str| {
            let mut headers = HeaderMap::new();
            if let Some(allowed) = allowed {
                headers.insert(SERIES_PREFIXES, HeaderValue::from_static(allowed));
            }
            within(&headers, asked)
        };
        assert_eq!(within(None, "a"), ["a"]);
        assert_eq!(within(Some("web%2D,shop%2E"), ""), ["shop.", "web-"]);
        assert_eq!(within(Some("web%2D,shop%2E"), "s"), ["shop."]);
        assert_eq!(within(Some("web%2D,shop%2E"), "shop.a"), ["shop.a"]);
        assert_eq!(within(Some("shop%2E"), "web"), Vec::<String>::new());
        // One within another, and twice the same.
        assert_eq!(within(Some("ab,b,a,abc,b"), ""), ["a", "b"]);
        assert_eq!(within(Some("a,ab"), "abc"), ["abc"]);
        assert_eq!(within(Some("%C3%A9,x%2Cy"), ""), ["x,y", "\u{e9}"]);
        // Nothing allowed is not everything.
        for nothing in ["", ",", "%FF"] {
            assert_eq!(within(Some(nothing), ""), Vec::<String>::new());
        }
    }
}
