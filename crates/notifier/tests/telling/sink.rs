//! A small HTTP server that notes what it is sent and answers as it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// The server, until it is dropped.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// The heads of the next replies; then 204.
    replies: Mutex<VecDeque<&'static str>>,
}

impl Sink {
    /// Answers with `replies`, such as `500 Oh`, and then with 204.
    pub(crate) async fn start(replies: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        state.replies.lock().unwrap().extend(replies);
        let mut server = JoinSet::new();
        let shared = Arc::clone(&state);
        server.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // One after the other will do.
                serve(stream, &shared).await;
            }
        });
        Self {
            addr,
            state,
            _server: server,
        }
    }

    /// What has come since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.received.lock().unwrap())
    }
}

async fn serve(mut stream: TcpStream, state: &State) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = header(head, "content-length").map_or(0, |n| n.parse().unwrap());
        break (head.to_owned(), length);
    };
    let begin = head.len() + 4;
    while bytes.len() < begin + length {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    let headers = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    let received = Received {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: String::from_utf8(bytes.split_off(begin)).unwrap(),
    };
    state.received.lock().unwrap().push(received);
    let reply = state.replies.lock().unwrap().pop_front();
    let reply = format!(
        "HTTP/1.1 {}\r\ncontent-length: 0\r\n\r\n",
        reply.unwrap_or("204 No Content")
    );
    stream.write_all(reply.as_bytes()).await.unwrap();
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
