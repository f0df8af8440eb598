//! The data folder of a standalone process, which no second process may use.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The data folder of a standalone process, locked for as long as this value lives.
///
/// The lock belongs to the operating system, which releases it however the process ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process uses the folder. The text is its process id, if known.
    #[error("data folder {0} is in use by another process (pid {1})")]
    InUse(PathBuf, String),
    /// The folder cannot be created or locked.
    #[error("data folder {0} cannot be used")]
    Unusable(PathBuf, #[source] io::Error),
}

impl DataDir {
    /// Creates the folder if necessary, and locks it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] if another process uses it.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
        std::fs::create_dir_all(path).map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse(path.to_owned(), holder(&mut file)));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        sign(&mut file).map_err(unusable)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: file,
        })
    }

    /// The path of `file` in the folder.
    pub fn file(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }
}

/// Moves the database at `path` out of the way, with the files that SQLite keeps beside it. Returns
/// where it lies now. Nothing may have it open.
///
/// # Errors
/// When it cannot be moved.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let with = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = with(path, &format!(".damaged-{seconds}"));
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match std::fs::rename(with(path, end), with(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// Writes our process id into the lock file, for the error message of a second process.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => pid.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_who_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("made/on/the/way");
        let held = DataDir::lock(&path).unwrap();
        assert_eq!(held.file("log.db"), path.join("log.db"));

        let refused = DataDir::lock(&path).unwrap_err().to_string();
        let pid = format!("(pid {})", std::process::id());
        assert!(refused.ends_with(&pid), "{refused}");

        drop(held);
        DataDir::lock(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = DataDir::lock(&file.join("folder")).unwrap_err();
        assert!(matches!(refused, DataDirError::Unusable(..)), "{refused}");
    }
}
