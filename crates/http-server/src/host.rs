//! The `Host` of a request. HTTP/1.1 asks for exactly one (RFC 9112, section 3.2): with none, two or a
//! malformed one, proxies and servers might disagree about whom a request is for.

use http::{HeaderMap, Request, Version, header::HOST, uri::Authority};

/// Whether `request` has the one valid `Host` that its version of HTTP demands.
pub(crate) fn has_valid_host<B>(request: &Request<B>) -> bool {
    request.version() != Version::HTTP_11 || is_valid(request.headers())
}

fn is_valid(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    // Empty if the target has no authority.
    host.is_empty() || is_plain(host.as_bytes()) || is_authority(host.as_bytes())
}

fn is_authority(host: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(host) else {
        return false;
    };
    let port = authority.as_str().strip_prefix(authority.host());
    !authority.as_str().contains('@')
        && !authority.host().is_empty()
        && port.is_some_and(|port| port.is_empty() || port == ":" || authority.port_u16().is_some())
}

/// Whether `host` is a usual one: a name or an IPv4 address, and perhaps a port.
pub(crate) fn is_plain(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':');
    let (name, port) = match colon {
        Some(colon) => (&host[..colon], &host[colon + 1..]),
        None => (host, &b"0"[..]),
    };
    let is_port = match port.len() {
        1..=4 => true,
        5 => port <= &b"65535"[..],
        _ => false,
    };
    let is_name =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    !name.is_empty() && name.iter().all(is_name) && is_port && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        is_valid(&headers)
    }

    #[test]
    fn one_valid_host_is_accepted_and_nothing_else() {
        for host in [
            "",
            "h",
            "my_backend",
            "a.example:8080",
            "a:0",
            "a:65535",
            "[::1]",
            "[::1]:80",
            "127.0.0.1:80",
        ] {
            assert!(accepts(&[host]), "{host}");
        }
        for host in [
            "a b", "a/b", "a@b", "a:65536", "a:x", "a:99999", ":80", "[::1", "a,b c", "a?b", "a#b",
            "<a>", "a:80:80",
        ] {
            assert!(!accepts(&[host]), "{host}");
        }
        assert!(!accepts(&[]));
        assert!(!accepts(&["a", "a"]));
    }

    #[test]
    fn a_plain_host_is_a_valid_one() {
        for host in [
            "h",
            "a.example:8080",
            "a:65536",
            "a:99999",
            "a:",
            "",
            ":1",
            "a:b",
            "a b",
            "[::1]",
        ] {
            assert!(!is_plain(host.as_bytes()) || accepts(&[host]), "{host}");
        }
        assert!(is_plain(b"127.0.0.1:18080") && !is_plain(b"[::1]:80"));
    }
}
