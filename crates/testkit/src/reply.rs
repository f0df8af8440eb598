//! A reply, parsed by hand from the bytes on the wire.

use anyhow::{Context, ensure};
use contract::Problem;
use serde::de::DeserializeOwned;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers: names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, assembled from its chunks.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body, parsed as `T`.
    ///
    /// # Errors
    /// When the body is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{} {:?}", self.status, self.text()))
    }

    /// The body of a success.
    ///
    /// # Errors
    /// When the status is not 200.
    pub fn ok<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        ensure!(self.status == 200, "{} {}", self.status, self.text());
        self.json()
    }

    /// The problem in the body, checked against status, content type and request id of the reply.
    ///
    /// # Errors
    /// When it is not a valid problem.
    pub fn problem(&self) -> anyhow::Result<Problem> {
        let problem: Problem = self.json()?;
        ensure!(
            self.header("content-type") == Some(Problem::CONTENT_TYPE),
            "content type {:?}",
            self.header("content-type")
        );
        ensure!(
            problem.status == self.status,
            "body says {}, reply {}",
            problem.status,
            self.status
        );
        ensure!(
            !problem.detail.is_empty() && !problem.code.is_empty() && !problem.title.is_empty(),
            "empty words in {problem:?}"
        );
        ensure!(
            problem.request_id.as_deref() == self.header("x-request-id"),
            "request id of {problem:?}"
        );
        Ok(problem)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Parses `received`.
    pub(crate) fn parse(received: &[u8]) -> anyhow::Result<Self> {
        let (mut reply, rest) = Self::head(received)
            .with_context(|| format!("no reply in {} bytes", received.len()))?;
        reply.body = match (
            reply.header("transfer-encoding"),
            reply.header("content-length"),
        ) {
            (Some("chunked"), _) => dechunk(rest).context("broken chunks")?,
            (_, Some(length)) => rest
                .get(..length.parse()?)
                .context("body cut short")?
                .to_vec(),
            _ => rest.to_vec(),
        };
        Ok(reply)
    }

    /// Whether `received` is complete by its framing. A reply that ends with the connection never
    /// is.
    pub(crate) fn is_complete(received: &[u8]) -> bool {
        let Some((reply, rest)) = Self::head(received) else {
            return false;
        };
        match (
            reply.header("transfer-encoding"),
            reply.header("content-length"),
        ) {
            (Some(_), _) => rest.ends_with(b"0\r\n\r\n"),
            (None, Some(length)) => length
                .parse()
                .is_ok_and(|length: usize| rest.len() >= length),
            (None, None) => false,
        }
    }

    fn head(received: &[u8]) -> Option<(Self, &[u8])> {
        let end = received.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&received[..end]);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) {
            return Self::head(&received[end + 4..]);
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some((
            Self {
                status,
                headers,
                body: Vec::new(),
            },
            &received[end + 4..],
        ))
    }
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(
            std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?,
            16,
        )
        .ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
