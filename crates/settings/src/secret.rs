//! Secrets that lie in files, so that they are in no environment and on no command line.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file with a secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret in {}", path.display())]
pub struct UnreadableSecret {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The file that a setting names. An empty path stands for none, as in a `.env` file.
pub fn named(file: Option<&Path>) -> Option<&Path> {
    file.filter(|file| !file.as_os_str().is_empty())
}

/// The secret in `file`, without the end of its line; blanks are a part of it. `None` if no file is
/// named.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn secret(file: Option<&Path>) -> Result<Option<String>, UnreadableSecret> {
    let Some(path) = named(file) else {
        return Ok(None);
    };
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(source) => Err(UnreadableSecret {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_the_end_of_its_line_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for end in ["", "\n", "\r\n"] {
            fs::write(&file, format!(" p w {end}")).unwrap();
            assert_eq!(secret(Some(&file)).unwrap().as_deref(), Some(" p w "));
        }
        let missing = folder.path().join("missing");
        let error = secret(Some(&missing)).unwrap_err();
        assert!(error.to_string().ends_with("missing"), "{error}");
    }

    #[test]
    fn an_empty_path_stands_for_none() {
        for file in [None, Some(Path::new(""))] {
            assert_eq!(named(file), None);
            assert_eq!(secret(file).unwrap(), None);
        }
    }
}
