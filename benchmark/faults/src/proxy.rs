//! A network between two parts that can be slow, silent or hostile.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// How connections behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Every piece of data takes this long each way.
    Latency(Duration),
    /// Nothing arrives, in either direction; what was sent arrives once the trouble is over, as TCP
    /// sends it again.
    Silence,
    /// The same for replies only: requests arrive.
    NoReplies,
    /// Connections are reset as soon as they are used, old and new ones.
    Resets,
    /// Connections stay open and lead nowhere, also later: the other end has forgotten them.
    HalfOpen,
}

type Mode = Option<Trouble>;

/// A TCP proxy on a port of its own.
pub(crate) struct Proxy {
    addr: SocketAddr,
    mode: watch::Sender<Mode>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Passes connections on to `upstream`.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (mode, seen) = watch::channel(None);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connect(client, upstream, seen.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            addr,
            mode,
            _serving: serving,
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets connections have `trouble` from now on.
    pub(crate) fn set(&self, trouble: Mode) {
        self.mode.send_replace(trouble);
    }
}

/// Which way data goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn connect(mut client: TcpStream, upstream: SocketAddr, mut mode: watch::Receiver<Mode>) {
    if mode
        .wait_for(|mode| !is_silent(*mode, Way::Back))
        .await
        .is_err()
    {
        return;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    // Small requests and replies are not to wait for each other.
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let outcome = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            outcome = pump(from_client, to_server, Way::There, mode.clone()) => outcome,
            outcome = pump(from_server, to_client, Way::Back, mode.clone()) => outcome,
            _ = mode.wait_for(|mode| *mode == Some(Trouble::Resets)) => Err(reset()),
        }
    };
    if outcome.is_err() {
        _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn is_silent(mode: Mode, way: Way) -> bool {
    mode == Some(Trouble::Silence) || mode == Some(Trouble::NoReplies) && way == Way::Back
}

/// Passes on what arrives, until the end of the connection.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let now = *mode.borrow();
        match now {
            Some(Trouble::Latency(time)) => tokio::time::sleep(time).await,
            Some(Trouble::HalfOpen) => {
                // Once it is reached again, it answers with a reset.
                _ = mode.wait_for(|mode| *mode != Some(Trouble::HalfOpen)).await;
                return Err(reset());
            }
            _ => {
                let over = mode.wait_for(|mode| !is_silent(*mode, way)).await;
                over.map_err(|_| reset())?;
            }
        }
        to.write_all(&buffer[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    /// A proxy before a server that repeats what it is sent, and a connection through it.
    async fn echo() -> anyhow::Result<(Proxy, TcpStream)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let proxy = Proxy::start(listener.local_addr()?).await?;
        let client = TcpStream::connect(proxy.addr()).await?;
        let (mut server, _) = listener.accept().await?;
        #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
        tokio::spawn(async move {
            let (mut from, mut to) = server.split();
            tokio::io::copy(&mut from, &mut to).await
        });
        Ok((proxy, client))
    }

    async fn exchange(client: &mut TcpStream) -> io::Result<[u8; 2]> {
        client.write_all(b"hi").await?;
        let mut reply = [0; 2];
        client.read_exact(&mut reply).await?;
        Ok(reply)
    }

    /// Whether `exchange` takes at least a tenth of a second.
    async fn is_slow(exchange: impl Future) -> bool {
        tokio::time::timeout(Duration::from_millis(100), exchange)
            .await
            .is_err()
    }

    #[tokio::test]
    async fn passes_on_and_holds_back_what_is_sent_in_silence() -> anyhow::Result<()> {
        let (proxy, mut client) = echo().await?;
        assert_eq!(&exchange(&mut client).await?, b"hi");
        for trouble in [Trouble::Silence, Trouble::NoReplies] {
            proxy.set(Some(trouble));
            client.write_all(b"ab").await?;
            let mut reply = [0; 2];
            assert!(is_slow(client.read_exact(&mut reply)).await);
            proxy.set(None);
            client.read_exact(&mut reply).await?;
            assert_eq!(&reply, b"ab");
        }
        proxy.set(Some(Trouble::Latency(Duration::from_millis(60))));
        assert!(is_slow(exchange(&mut client)).await);
        Ok(())
    }

    #[tokio::test]
    async fn resets_at_once_or_after_a_time_half_open() -> anyhow::Result<()> {
        let (proxy, mut client) = echo().await?;
        proxy.set(Some(Trouble::Resets));
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let (proxy, mut client) = echo().await?;
        proxy.set(Some(Trouble::HalfOpen));
        assert!(is_slow(exchange(&mut client)).await);
        proxy.set(None);
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        Ok(())
    }
}
