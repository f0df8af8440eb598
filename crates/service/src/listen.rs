//! The addresses that a service listens on.

use std::net::{IpAddr, SocketAddr};

/// The addresses that a service listens on. Every service reads the same variables.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
pub struct ListenConfig {
    /// Address to listen on.
    #[arg(long, env = "APP_HOST", default_value = "127.0.0.1")]
    pub app_host: IpAddr,
    /// Port for operators: Prometheus metrics and health.
    #[arg(long, env = "ADMIN_PORT", default_value_t = 9090)]
    pub admin_port: u16,
}

impl ListenConfig {
    /// The address for clients, at `port`.
    pub fn app_addr(&self, port: u16) -> SocketAddr {
        (self.app_host, port).into()
    }

    /// The address for operators.
    pub fn admin_addr(&self) -> SocketAddr {
        (self.app_host, self.admin_port).into()
    }
}
