//! Settings of the access to the API.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};

/// Who may call the API.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct AccessSettings {
    /// File with the API keys, each on a line as `anomaly key new` prints it. It is read again when
    /// it changes. With it, every call needs a key. Empty is as good as absent.
    #[arg(long, env = "API_KEYS_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub api_keys_file: Option<PathBuf>,
}

impl AccessSettings {
    /// The file with the keys, if there is one.
    pub(crate) fn keys_file(&self) -> Option<&PathBuf> {
        let file = self.api_keys_file.as_ref();
        file.filter(|path| !path.as_os_str().is_empty())
    }
}
