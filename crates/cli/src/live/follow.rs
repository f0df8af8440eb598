//! A file that grows.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use crate::stop::Stop;

/// The time between two looks at a file that has not grown.
const PAUSE: Duration = Duration::from_millis(200);
const CHUNK: usize = 64 * 1024;

/// A part of a file that grows.
pub(crate) struct Part {
    /// Whole lines, with their line feeds.
    pub(crate) lines: Vec<u8>,
    /// Whether they were there when the file was opened first.
    pub(crate) is_old: bool,
}

/// Reads a file to its end and then what is added. Goes on from the start when it is cut, and with
/// its successor when another file takes its name.
pub(crate) struct Follower {
    path: PathBuf,
    file: File,
    /// What tells it from other files.
    id: (u64, u64),
    /// The bytes that were read.
    read: u64,
    /// The bytes that were there at first.
    old: u64,
    /// The start of a line that has no end yet.
    rest: Vec<u8>,
}

impl Follower {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let about = file.metadata()?;
        Ok(Self {
            path,
            file,
            id: id(&about),
            read: 0,
            old: about.len(),
            rest: Vec::new(),
        })
    }

    /// The next lines: waits for them. `None` when it is time to `stop`.
    pub(crate) fn next(&mut self, stop: &Stop) -> io::Result<Option<Part>> {
        let mut was_renamed = false;
        loop {
            let is_old = self.read < self.old;
            if let Some(lines) = self.read_lines()? {
                return Ok(Some(Part { lines, is_old }));
            }
            if was_renamed {
                if let Some(lines) = self.go_on_with_successor()? {
                    return Ok(Some(Part {
                        lines,
                        is_old: false,
                    }));
                }
                was_renamed = false;
                continue;
            }
            match fs::metadata(&self.path) {
                // It may have grown until then: its end is read before the other file.
                Ok(about) if id(&about) != self.id => was_renamed = true,
                Ok(about) if about.len() < self.read => {
                    self.file.seek(SeekFrom::Start(0))?;
                    (self.read, self.old) = (0, 0);
                    self.rest.clear();
                }
                Ok(_) if stop.wait(PAUSE) => return Ok(None),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // Between two files of the name.
                Err(_) if stop.wait(PAUSE) => return Ok(None),
                _ => {}
            }
        }
    }

    /// The whole lines in the next bytes; `None` at the end.
    fn read_lines(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let mut chunk = vec![0; CHUNK];
            let length = self.file.read(&mut chunk)?;
            if length == 0 {
                return Ok(None);
            }
            self.read += length as u64;
            self.rest.extend_from_slice(&chunk[..length]);
            if let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.rest, rest)));
            }
        }
    }

    /// Opens the file that has the name now. The last line of the one before, if it had no end.
    fn go_on_with_successor(&mut self) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        self.id = id(&file.metadata()?);
        self.file = file;
        (self.read, self.old) = (0, 0);
        let last = std::mem::take(&mut self.rest);
        Ok((!last.is_empty()).then_some(last))
    }
}

fn id(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}
