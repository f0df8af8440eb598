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

/// Whether a byte may stand in a usual name. Looked up, since every request has one.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte as u8;
        table[byte] = ascii.is_ascii_alphanumeric() || matches!(ascii, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// Whether `host` is a usual one: a name or an IPv4 address, and perhaps a port.
pub(crate) fn is_plain(host: &[u8]) -> bool {
    let name = host.iter().take_while(|byte| IN_NAME[usize::from(**byte)]);
    let (name, port) = host.split_at(name.count());
    let is_port = match port {
        [] => true,
        [b':', port @ ..] => {
            let fits = match port.len() {
                1..=4 => true,
                5 => port <= &b"65535"[..],
                _ => false,
            };
            fits && port.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    !name.is_empty() && is_port
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
