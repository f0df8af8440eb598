//! Tells when a file that is read while the program runs has changed.

use std::{io, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

/// The state of a file. Two stamps differ once it was written or replaced, also by way of a
/// symbolic link, as Kubernetes replaces secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    modified: SystemTime,
    bytes: u64,
    device: u64,
    inode: u64,
}

impl FileStamp {
    /// The state of the file at `path`, behind symbolic links.
    ///
    /// # Errors
    /// When there is no file, or it cannot be looked at.
    pub async fn of(path: &Path) -> io::Result<Self> {
        let file = tokio::fs::metadata(path).await?;
        Ok(Self {
            modified: file.modified()?,
            bytes: file.len(),
            device: file.dev(),
            inode: file.ino(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[tokio::test]
    async fn a_file_that_another_takes_the_place_of_has_changed() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            fs::write(at(name), "same")?;
            let modified = fs::File::options().write(true).open(at(name))?;
            modified.set_modified(SystemTime::UNIX_EPOCH)?;
        }
        symlink(at("one"), at("link"))?;
        let before = FileStamp::of(&at("link")).await?;
        assert_eq!(before, FileStamp::of(&at("link")).await?);
        symlink(at("two"), at("next"))?;
        fs::rename(at("next"), at("link"))?;
        assert_ne!(before, FileStamp::of(&at("link")).await?);
        assert!(FileStamp::of(&at("none")).await.is_err());
        Ok(())
    }
}
