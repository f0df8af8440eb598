//! Backends for tests that go and come back.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A port that nothing else gets, whether the test listens on it or not. While it does not,
/// connections are refused.
pub(crate) struct ReservedPort {
    addr: SocketAddr,
    _bound: TcpSocket,
}

impl ReservedPort {
    pub(crate) fn new() -> io::Result<Self> {
        let bound = bound(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self {
            addr: bound.local_addr()?,
            _bound: bound,
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts connections until the listener is dropped.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        bound(self.addr)?.listen(128)
    }
}

/// A socket that shares `addr` with others of this test.
fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
