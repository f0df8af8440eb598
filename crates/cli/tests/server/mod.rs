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

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Method and target, as `POST /fit/s`.
    pub(crate) line: String,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whole header lines.
    pub(crate) headers: Vec<&'static str>,
    pub(crate) body: Vec<u8>,
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
        }
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
        let listener = TcpListener::bind("127.0.0.1:0")?;
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
    while let Some(request) = read(&mut input)? {
        seen.lock().unwrap().push(request.clone());
        let reply = answer(&request);
        let mut text = format!("HTTP/1.1 {} X\r\n", reply.status);
        for header in &reply.headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
        stream.write_all(&[text.as_bytes(), &reply.body].concat())?;
    }
    Ok(())
}

fn read(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let length = name.eq_ignore_ascii_case("content-length");
        length.then(|| value.trim().parse::<u64>().unwrap())
    });
    let mut body = String::new();
    input.take(length.unwrap_or(0)).read_to_string(&mut body)?;
    let line = head.lines().next().unwrap_or_default();
    Ok(Some(Request {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        body,
    }))
}
