//! A server that speaks just enough of Kafka's protocol to say which brokers there are, as a Kafka
//! that has just started does.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};

use crate::fixture::TOPICS;

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const UNSUPPORTED_VERSION: i16 = 35;
const LEADER_NOT_AVAILABLE: i16 = 5;

/// Names the broker of another cluster, or none. Serves until the process ends.
pub(crate) struct Front {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    /// The port of the only broker, on the loopback; 0 if there is none.
    broker: AtomicU16,
    /// How often it was asked for the brokers.
    asked: AtomicUsize,
}

impl Front {
    /// Names the broker at `port` of the loopback.
    pub(crate) fn start(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            broker: AtomicU16::new(port),
            asked: AtomicUsize::new(0),
        });
        let serving = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = serving.clone();
                // Ends when the client goes.
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Ok(Self {
            address: address.to_string(),
            state,
        })
    }

    /// From now on the only broker is that at `port`, or there is none.
    pub(crate) fn name(&self, port: Option<u16>) {
        self.state.asked.store(0, Ordering::SeqCst);
        self.state.broker.store(port.unwrap_or(0), Ordering::SeqCst);
    }

    /// How often it was asked for the brokers since they changed.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    loop {
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        let mut request = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut request)?;
        let short = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let mut reply = Reply(request[4..8].to_vec());
        match (short(0), short(2)) {
            (API_VERSIONS, version) => reply.versions(version),
            (METADATA, _) => {
                state.asked.fetch_add(1, Ordering::SeqCst);
                reply.metadata(state.broker.load(Ordering::SeqCst));
            }
            _ => return Ok(()),
        }
        stream.write_all(&u32::try_from(reply.0.len()).unwrap_or(0).to_be_bytes())?;
        stream.write_all(&reply.0)?;
    }
}

struct Reply(Vec<u8>);

impl Reply {
    fn short(&mut self, n: i16) {
        self.0.extend(n.to_be_bytes());
    }

    fn int(&mut self, n: i32) {
        self.0.extend(n.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.short(i16::try_from(text.len()).unwrap_or(0));
        self.0.extend(text.as_bytes());
    }

    /// Version 0 of `ApiVersions`, which clients understand whatever they asked for.
    fn versions(&mut self, asked: i16) {
        self.short(if asked == 0 { 0 } else { UNSUPPORTED_VERSION });
        self.int(2);
        for (api, newest) in [(METADATA, 1), (API_VERSIONS, 0)] {
            self.short(api);
            self.short(0);
            self.short(newest);
        }
    }

    /// Version 1 of `Metadata`: the broker at `port`, and all of our topics.
    fn metadata(&mut self, port: u16) {
        let (leader, error) = match port {
            0 => (-1, LEADER_NOT_AVAILABLE),
            _ => (1, 0),
        };
        self.int(i32::from(port != 0));
        if port != 0 {
            self.int(leader);
            self.text("127.0.0.1");
            self.int(port.into());
            self.short(-1);
        }
        self.int(leader);
        self.int(i32::try_from(TOPICS.len()).unwrap_or(0));
        for topic in TOPICS {
            self.short(0);
            self.text(topic.name);
            self.0.push(0);
            self.int(topic.partitions);
            for partition in 0..topic.partitions {
                self.short(error);
                self.int(partition);
                self.int(leader);
                self.int(0);
                self.int(0);
            }
        }
    }
}
