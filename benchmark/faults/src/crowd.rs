//! Clients that want more than their share.

use std::{net::SocketAddr, time::Duration};

use testkit::Client;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::clients;

/// The series that a crowd predicts.
const SERIES: &str = "crowd";
/// The time between two bytes of a slow client.
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// How many connections are opened at once.
const AT_ONCE: usize = 256;

/// Many clients at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// They connect and send nothing.
    Idle(usize),
    /// They begin a prediction, and send a byte of it each second.
    Slow(usize),
    /// They predict, each as soon as it has its reply.
    Greedy(usize),
}

impl Crowd {
    /// Lets the crowd come, stay for `time`, and go.
    ///
    /// # Errors
    /// When a series for it cannot be fitted.
    pub(crate) async fn comes(self, client: Client, time: Duration) -> anyhow::Result<()> {
        clients::fit(client, SERIES, 10).await?;
        let addr = client.addr();
        let mut crowd = JoinSet::new();
        let (Self::Idle(size) | Self::Slow(size) | Self::Greedy(size)) = self;
        for n in 0..size {
            match self {
                Self::Idle(_) => crowd.spawn(idle(addr)),
                Self::Slow(_) => crowd.spawn(slow(addr)),
                Self::Greedy(_) => crowd.spawn(greedy(client)),
            };
            if n % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        tokio::time::sleep(time).await;
        crowd.shutdown().await;
        Ok(())
    }
}

/// Holds a connection until it is aborted.
async fn idle(addr: SocketAddr) {
    let connection = TcpStream::connect(addr).await;
    std::future::pending::<()>().await;
    drop(connection);
}

/// Sends a request by the byte, and another once that was refused.
async fn slow(addr: SocketAddr) {
    let head =
        format!("POST /predict/{SERIES} HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 10000\r\n\r\n");
    loop {
        if let Ok(mut connection) = TcpStream::connect(addr).await {
            let mut next = connection.write_all(head.as_bytes()).await;
            while next.is_ok() {
                tokio::time::sleep(BYTE_EVERY).await;
                next = connection.write_all(b" ").await;
            }
        }
        tokio::time::sleep(BYTE_EVERY).await;
    }
}

async fn greedy(client: Client) {
    loop {
        if client.predict(SERIES, 1.5).await.is_err() {
            // A refusal costs less than a reply; without a pause nothing else would be sent.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
