//! A tiny HTTP server: answers as a test tells it to and remembers what it was asked.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A request that was received.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Method and target, as `POST /fit/s`.
    pub(crate) line: String,
    /// Header lines, in lower case.
    headers: Vec<String>,
    /// Empty where the client waits for permission to send it.
    pub(crate) body: String,
}

impl Request {
    /// The value of header `name`, both in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then(|| value.trim())
        })
    }
}

/// The reply to a request.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whole header lines.
    pub(crate) headers: Vec<&'static str>,
    pub(crate) body: Vec<u8>,
    /// Bytes that it lacks at its end.
    pub(crate) missing: usize,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            missing: 0,
        }
    }

    /// The same, but the connection ends one byte before it does.
    pub(crate) fn broken_off(mut self) -> Self {
        self.missing = 1;
        self
    }

    pub(crate) fn with(mut self, header: &'static str) -> Self {
        self.headers.push(header);
        self
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port until the test process ends.
    pub(crate) fn start(
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0", answer)
    }

    /// Listens at `addr` until the test process ends.
    pub(crate) fn start_at(
        addr: &str,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let server = Self {
            url: format!("http://{}", listener.local_addr()?),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections) = (server.seen.clone(), server.connections.clone());
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer) = (seen.clone(), answer.clone());
                thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Ok(server)
    }

    /// All requests so far, in the order of their coming.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Answers the requests of one connection until it ends.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    while let Some(mut request) = read_head(&mut input)? {
        if request.header("expect").is_some() {
            let reply = answer(&request);
            if reply.status >= 400 {
                seen.lock().unwrap().push(request);
                return stream.write_all(&bytes_of(&reply));
            }
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.header("content-length").unwrap_or("0");
        let length = length.parse().unwrap();
        input
            .by_ref()
            .take(length)
            .read_to_string(&mut request.body)?;
        seen.lock().unwrap().push(request.clone());
        let reply = answer(&request);
        stream.write_all(&bytes_of(&reply))?;
        if reply.missing > 0 {
            return Ok(());
        }
    }
    Ok(())
}

fn bytes_of(reply: &Reply) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} X\r\n", reply.status);
    for header in &reply.headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    let length = reply.body.len() + reply.missing;
    text.push_str(&format!("content-length: {length}\r\n\r\n"));
    [text.as_bytes(), &reply.body].concat()
}

fn read_head(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    Ok(Some(Request {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: lines.map(str::to_lowercase).collect(),
        body: String::new(),
    }))
}
