//! A disk that can be full: a file system in memory. It needs root on Linux.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// The size of the disk, in bytes.
const SIZE: usize = 512 << 20;

/// A disk of its own for a folder. It goes away when dropped, with all that is on it.
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Puts `folder` and what is in it on a disk of its own.
    ///
    /// # Errors
    /// When this process may not mount.
    pub(crate) fn under(folder: &Path) -> anyhow::Result<Self> {
        let aside = tempfile::tempdir()?;
        let (inside, copy) = (folder.join("."), aside.path().join("."));
        run(Command::new("cp").arg("-a").arg(&inside).arg(&copy))?;
        let options = format!("size={SIZE}");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder))?;
        let disk = Self {
            folder: folder.to_owned(),
        };
        run(Command::new("cp").arg("-a").arg(&copy).arg(&inside))?;
        Ok(disk)
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// When anything else goes wrong.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut balloon = File::create(self.balloon())?;
        for block in [1 << 20, 4096, 1] {
            loop {
                match balloon.write_all(&vec![b'x'; block]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("filling the disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When it was not filled.
    pub(crate) fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.balloon())?)
    }

    fn balloon(&self) -> PathBuf {
        self.folder.join("balloon")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing more can be done about a file system that stays.
        drop(Command::new("umount").arg("-l").arg(&self.folder).status());
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}
