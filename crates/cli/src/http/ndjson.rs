//! Reads replies of newline-delimited JSON.

use std::io::{self, BufRead, BufReader};

use serde::de::DeserializeOwned;
use ureq::{Body, BodyReader, http::Response};

use super::{BaseUrl, ClientError};

/// Reads the lines of a reply.
pub(crate) struct NdjsonReader {
    reader: BufReader<BodyReader<'static>>,
    line: String,
    status: u16,
    url: BaseUrl,
}

impl NdjsonReader {
    pub(super) fn new(reply: Response<Body>, url: BaseUrl) -> Self {
        Self {
            status: reply.status().as_u16(),
            reader: BufReader::new(reply.into_body().into_reader()),
            line: String::new(),
            url,
        }
    }

    /// Waits for the next line, without its end; `None` after the last one.
    ///
    /// # Errors
    /// When the reply broke off.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, ClientError> {
        self.line.clear();
        let read = self.reader.read_line(&mut self.line);
        let length = read.map_err(|source| self.broken_off(source))?;
        Ok((length > 0).then(|| self.line.trim_end()))
    }

    /// Reads the line that [`Self::next`] returned last.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let line = self.line.trim_end();
        serde_json::from_str(line).map_err(|_| ClientError::foreign(&self.url, self.status, line))
    }

    /// The error of a reply that ended properly, but before its last line.
    pub(crate) fn ended_early(&self) -> ClientError {
        self.broken_off(io::ErrorKind::UnexpectedEof.into())
    }

    fn broken_off(&self, source: io::Error) -> ClientError {
        ClientError::BrokenOff {
            url: self.url.clone(),
            source,
        }
    }
}
