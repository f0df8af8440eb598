//! The addresses that a service listens on.

use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses that a service listens on. Every service reads the same variables.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
pub struct ListenConfig {
    /// Address to listen on: that of an interface, `localhost`, or `*` for all.
    #[arg(long, env = "APP_HOST", default_value = "127.0.0.1", value_parser = host)]
    pub app_host: IpAddr,
    /// Address for operators: as the one for clients. Health checks from outside and Prometheus need
    /// another one than the default.
    #[arg(long, env = "ADMIN_HOST", default_value = "127.0.0.1", value_parser = host)]
    pub admin_host: IpAddr,
    /// Port for operators: Prometheus metrics and health.
    #[arg(long, env = "ADMIN_PORT", default_value_t = 9090)]
    pub admin_port: u16,
}

/// The address that `text` means. IPv6 may stand in brackets, as in a URL.
fn host(text: &str) -> Result<IpAddr, AddrParseError> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        // Takes IPv4 as well, where there is IPv6 at all.
        "*" if has_ipv6() => Ok(Ipv6Addr::UNSPECIFIED.into()),
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        _ => match text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            Some(bare) => bare.parse::<Ipv6Addr>().map(IpAddr::V6),
            None => text.parse(),
        },
    }
}

fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

impl ListenConfig {
    /// The address for clients, at `port`.
    pub fn app_addr(&self, port: u16) -> SocketAddr {
        (self.app_host, port).into()
    }

    /// The address for operators.
    pub fn admin_addr(&self) -> SocketAddr {
        (self.admin_host, self.admin_port).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_as_people_write_it() {
        for (text, address) in [
            ("localhost", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::", "::"),
            ("[::]", "::"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(text), Ok(address.parse().unwrap()), "{text}");
        }
        assert!(host("*").unwrap().is_unspecified());
        for wrong in ["example.org", "[127.0.0.1]", "[::1", "127.0.0.1:80", ""] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
