//! Files: points that commands read, and results that they save.

use std::{fs, io::Write, path::Path};

use crate::{
    Error,
    args::FormArgs,
    csv::{FileError, SeriesFile},
    render::count,
};

/// Reads a file of points. Says on standard error how many rows had to be left out.
pub(crate) fn read(path: &Path, form: &FormArgs) -> Result<SeriesFile, FileError> {
    let file = SeriesFile::read(path, form)?;
    if file.skipped > 0 {
        eprintln!("left out {}", count(file.skipped, "bad row"));
    }
    Ok(file)
}

/// Writes `bytes` to `path`, or to `out` if that is `-`. Says so on `out`, unless a program reads
/// it.
pub(crate) fn save(
    path: &Path,
    bytes: &[u8],
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if path == Path::new("-") {
        return Ok(out.write_all(bytes)?);
    }
    fs::write(path, bytes).map_err(|source| Error::Output {
        to: path.display().to_string(),
        source,
    })?;
    if json {
        return Ok(());
    }
    Ok(writeln!(out, "saved {}", path.display())?)
}

/// `printed`, unless whoever read the output has stopped reading. For commands that save a picture
/// after they printed: that is still wanted.
pub(crate) fn unless_reader_is_gone(printed: Result<(), Error>) -> Result<(), Error> {
    match printed {
        Err(e) if e.reader_is_gone() => Ok(()),
        printed => printed,
    }
}
