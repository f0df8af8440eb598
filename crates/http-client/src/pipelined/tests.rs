//! A pipelined connection over a real connection whose other end the test holds.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    Failure, NotJoined, OVERLOADED_AFTER, PendingReply, PipelinedConnection, UNQUESTIONED,
};
use crate::{Error, Origins, backend::Backend};

const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, and its backend once that has accepted.
async fn connection(
    patience: Duration,
) -> anyhow::Result<(
    Arc<PipelinedConnection>,
    impl Future<Output = std::io::Result<(TcpStream, std::net::SocketAddr)>>,
)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let connection =
        PipelinedConnection::open(backend(address), patience, TcpStream::connect(address));
    Ok((connection, async move { listener.accept().await }))
}

fn join(connection: &Arc<PipelinedConnection>, request: &str) -> Option<PendingReply> {
    let joined = connection.join(PATIENCE, |out| out.extend_from_slice(request.as_bytes()));
    joined.ok()
}

fn backend(address: SocketAddr) -> Arc<Backend> {
    let origins: Origins = format!("http://{address}").parse().expect("a URL");
    Arc::new(Backend::new(origins.0[0].clone(), Some(address)))
}

fn reply(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn body_of(answer: Option<PendingReply>) -> String {
    let reply = answer.expect("there is room").await.expect("is answered");
    String::from_utf8(reply.whole.unwrap_or_default().to_vec()).expect("is text")
}

#[tokio::test]
async fn who_does_not_wait_for_a_reply_leaves_those_of_others_in_order() -> anyhow::Result<()> {
    let (connection, backend) = connection(PATIENCE).await?;
    let mut answers: Vec<_> = ["a", "b", "c", "d"].map(|r| join(&connection, r)).into();
    let (mut backend, _) = backend.await?;
    // Before it was sent, and after.
    answers[0] = None;
    let mut sent = [0; 4];
    backend.read_exact(&mut sent).await?;
    assert_eq!(&sent, b"abcd");
    answers[2] = None;
    let replies = ["a", "b", "c", "d"].map(reply).concat();
    backend.write_all(replies.as_bytes()).await?;
    assert_eq!(body_of(answers[3].take()).await, "d");
    // And one that is answered already.
    answers[1] = None;
    let next = join(&connection, "e");
    backend.write_all(reply("e").as_bytes()).await?;
    assert_eq!(body_of(next).await, "e");
    Ok(())
}

#[tokio::test]
async fn requests_that_are_ready_together_are_sent_together() -> anyhow::Result<()> {
    let (connection, backend) = connection(PATIENCE).await?;
    let (mut backend, _) = backend.await?;
    let requests = "x".repeat(1_000);
    for _ in 0..3 {
        let _answers = [join(&connection, &requests), join(&connection, &requests)];
        let mut sent = [0; 4_000];
        assert_eq!(backend.read(&mut sent).await?, 2_000);
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_sends_nothing() -> anyhow::Result<()> {
    let refused = async { Err(std::io::ErrorKind::ConnectionRefused.into()) };
    let connection =
        PipelinedConnection::open(backend(([127, 0, 0, 1], 1).into()), PATIENCE, refused);
    for answer in [join(&connection, "a"), join(&connection, "b")] {
        let failure = answer.expect("nobody knows yet").await.unwrap_err();
        assert!(matches!(failure, Failure::Unsent), "{failure:?}");
    }
    assert!(join(&connection, "c").is_none());
    Ok(())
}

#[tokio::test]
async fn whoever_has_less_patience_than_the_connection_goes_another_way() -> anyhow::Result<()> {
    let (connection, _backend) = connection(PATIENCE).await?;
    let less = PATIENCE - Duration::from_millis(1);
    assert_eq!(connection.join(less, |_| ()).err(), Some(NotJoined::Closed));
    assert!(connection.join(PATIENCE, |_| ()).is_ok());
    Ok(())
}

#[tokio::test]
async fn the_first_loss_on_a_connection_may_be_the_fault_of_its_request() -> anyhow::Result<()> {
    let (connection, backend) = connection(PATIENCE).await?;
    let answers = [join(&connection, "a"), join(&connection, "b")];
    let (mut backend, _) = backend.await?;
    backend.read_exact(&mut [0; 2]).await?;
    drop(backend);
    let mut stale = Vec::new();
    for answer in answers.into_iter().flatten() {
        match answer.await {
            Err(Failure::Lost { stale: is, .. }) => stale.push(is),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stale, [false, true]);
    Ok(())
}

#[tokio::test]
async fn a_connection_is_late_when_its_next_reply_is() -> anyhow::Result<()> {
    let patience = Duration::from_millis(50);
    let (connection, backend) = connection(patience).await?;
    let first = connection.join(patience, |out| out.push(b'a'));
    let second = connection.join(PATIENCE, |out| out.push(b'b'));
    let (mut backend, _) = backend.await?;
    // Its start does not count.
    backend.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    let late = first.expect("there is room").await;
    assert!(matches!(late, Err(Failure::Final(Error::Timeout(_)))));
    let behind = second.expect("there is room").await;
    assert!(matches!(behind, Err(Failure::Lost { stale: true, .. })));
    assert!(!connection.takes(PATIENCE));
    Ok(())
}

#[tokio::test]
async fn a_connection_that_does_not_keep_up_refuses_further_requests() -> anyhow::Result<()> {
    let (connection, backend) = connection(PATIENCE).await?;
    let mut waiting: Vec<_> = (0..UNQUESTIONED).map(|_| join(&connection, "a")).collect();
    // As many as these wait for as long as it takes, and more while the oldest is young.
    waiting.push(join(&connection, "a"));
    assert!(waiting.iter().all(Option::is_some));
    tokio::time::sleep(OVERLOADED_AFTER + Duration::from_millis(50)).await;
    let refused = connection.join(PATIENCE, |_| ()).err();
    assert_eq!(refused, Some(NotJoined::Overloaded));
    let (mut backend, _) = backend.await?;
    for answer in waiting.drain(..) {
        backend.write_all(reply("b").as_bytes()).await?;
        assert_eq!(body_of(answer).await, "b");
    }
    assert!(join(&connection, "c").is_some());
    Ok(())
}
