//! The data folder of a standalone process, which no second process may use.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The data folder of a standalone process, locked for as long as this value lives.
///
/// The lock belongs to the operating system, which releases it however the process ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// `None`: the disk cannot be written, by nobody.
    _lock: Option<File>,
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
    /// Creates the folder if necessary, for its owner only, and locks it. A folder that exists is
    /// taken from others only if nothing but our files is in it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] if another process uses it.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |error| DataDirError::Unusable(path.to_owned(), error);
        if path.is_dir() {
            make_private(path);
        } else {
            let mut folder = DirBuilder::new();
            folder.recursive(true).mode(0o700);
            folder.create(path).map_err(unusable)?;
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if cannot_be_written(&error) => {
                return Ok(Self {
                    path: path.to_owned(),
                    _lock: None,
                });
            }
            Err(error) => return Err(unusable(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse(path.to_owned(), holder(&mut file)));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // On a full disk a second process learns only that there is a first.
        let _ = sign(&mut file);
        Ok(Self {
            path: path.to_owned(),
            _lock: Some(file),
        })
    }

    /// The path of `file` in the folder.
    pub fn file(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }
}

/// Whether the disk is full or may not be written.
fn cannot_be_written(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | ReadOnlyFilesystem | QuotaExceeded
    )
}

/// Keeps others out of `path`, if all of its files are ours. Otherwise, or if this fails because
/// the folder belongs to somebody else, the log says so.
fn make_private(path: &Path) {
    let is_ours = |file: io::Result<fs::DirEntry>| {
        file.is_ok_and(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name == "lock"
                || ["store.db", "events.db", "stats.db", "export.key"]
                    .iter()
                    .any(|db| name.starts_with(db))
        })
    };
    if fs::read_dir(path).is_ok_and(|mut files| files.all(is_ours)) {
        let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    }
    if is_open_to_others(path) {
        tracing::warn!(folder = %path.display(), "others may look into the data folder: chmod 700");
    }
}

/// Whether others than the owner have any right on `path`.
fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Space on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still use.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
}

/// The space on the disk of `path`.
///
/// # Errors
/// When the system does not tell.
pub fn space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
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
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match fs::rename(with(path, end), with(&aside, end)) {
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
    fn only_its_owner_sees_into_a_folder_that_is_ours() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        drop(DataDir::lock(&path).unwrap());
        assert_eq!((mode(&path), mode(&path.join("lock"))), (0o700, 0o600));

        let wide = Permissions::from_mode(0o755);
        fs::set_permissions(&path, wide.clone()).unwrap();
        drop(DataDir::lock(&path).unwrap());
        assert_eq!(mode(&path), 0o700);

        // A folder with files of others stays as it is.
        fs::write(path.join("notes.txt"), "").unwrap();
        fs::set_permissions(&path, wide).unwrap();
        drop(DataDir::lock(&path).unwrap());
        assert_eq!(mode(&path), 0o755);
        assert!(is_open_to_others(&path) && !is_open_to_others(&path.join("lock")));
    }

    #[test]
    fn the_space_of_a_disk_is_told() {
        let space = space(Path::new("/")).unwrap();
        assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
        assert!(super::space(Path::new("/no such folder")).is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = DataDir::lock(&file.join("folder")).unwrap_err();
        assert!(matches!(refused, DataDirError::Unusable(..)), "{refused}");
    }
}
