//! The address of Postgres, and how to connect to it.

use std::{fmt, path::PathBuf};

use clap::{
    ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};
use settings::named;
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::StoreError;

/// The address of Postgres. Every service reads the same variables.
#[derive(Clone, clap::Args)]
pub struct PostgresConfig {
    /// Whole address, `postgres://user:password@host:port/db`; overrides the parts.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Host, or the folder of its socket.
    #[arg(long, env = "POSTGRES_HOST", default_value = "127.0.0.1")]
    pub postgres_host: String,
    /// Port.
    #[arg(long, env = "POSTGRES_PORT", default_value_t = 5432)]
    pub postgres_port: u16,
    /// Database.
    #[arg(long, env = "POSTGRES_DB", default_value = "anomaly")]
    pub postgres_db: String,
    /// User.
    #[arg(long, env = "POSTGRES_USER", default_value = "anomaly")]
    pub postgres_user: String,
    /// Password.
    #[arg(long, env = "POSTGRES_PASSWORD", hide_env_values = true)]
    pub postgres_password: Option<String>,
    /// File that holds the password; overrides `POSTGRES_PASSWORD`, and serves a `DATABASE_URL`
    /// that has none.
    // An empty value stands for no file.
    #[arg(long, env = "POSTGRES_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_password_file: Option<PathBuf>,
    /// Connections of this process at most.
    #[arg(long, env = "POSTGRES_MAX_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub postgres_max_connections: u32,
    /// How connections are secured by TLS. `sslmode` of `DATABASE_URL` overrides it.
    #[arg(
        long,
        env = "POSTGRES_SSL_MODE",
        value_enum,
        ignore_case = true,
        default_value_t
    )]
    pub postgres_ssl_mode: SslMode,
    /// File with the certificates (PEM) of the authorities that the server is trusted by; those of
    /// the system by default.
    #[arg(long, env = "POSTGRES_SSL_CA", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_ssl_ca: Option<PathBuf>,
    /// File with our certificate (PEM), for a server that asks for one.
    #[arg(long, env = "POSTGRES_SSL_CERTIFICATE", requires = "postgres_ssl_key", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_ssl_certificate: Option<PathBuf>,
    /// File with the private key (PEM) of our certificate.
    #[arg(long, env = "POSTGRES_SSL_KEY", requires = "postgres_ssl_certificate", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_ssl_key: Option<PathBuf>,
    /// Prepared statements that a connection keeps. 0 behind a pooler that gives a connection away
    /// after each transaction, such as `PgBouncer` in transaction mode: nothing outlives one then.
    #[arg(long, env = "POSTGRES_STATEMENT_CACHE", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub postgres_statement_cache: u16,
}

/// How connections to Postgres are secured, in the words of its `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it. Whoever is in between can prevent it.
    #[default]
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, with a server whose certificate a trusted authority has signed. The client library
    /// checks the name of the host all the same.
    VerifyCa,
    /// TLS, with a server whose certificate is for the name of the host, and is signed by a trusted
    /// authority.
    VerifyFull,
}

impl PostgresConfig {
    /// The options of a connection.
    ///
    /// # Errors
    /// When the address is not valid or the password file cannot be read.
    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let mut options = match self.url() {
            Some(url) => parse(url)?,
            None => self.parts(),
        };
        if let Some(password) = self.password()? {
            options = options.password(&password);
        }
        if options.get_application_name().is_none() {
            options = options.application_name(&program());
        }
        if !self.url().is_some_and(|url| url.contains("sslmode=")) {
            options = options.ssl_mode(self.postgres_ssl_mode.into());
        }
        if let Some(file) = named(self.postgres_ssl_ca.as_deref()) {
            options = options.ssl_root_cert(file);
        }
        if let Some(file) = named(self.postgres_ssl_certificate.as_deref()) {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = named(self.postgres_ssl_key.as_deref()) {
            options = options.ssl_client_key(file);
        }
        // Poolers such as PgBouncer refuse what they do not know among the parameters of a start.
        Ok(options.extra_float_digits(None).disable_statement_logging())
    }

    /// Whether a connection is ours for the length of a transaction only.
    pub(crate) fn is_pooled(&self) -> bool {
        self.postgres_statement_cache == 0
    }

    fn url(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.is_empty())
    }

    fn parts(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.postgres_host)
            .port(self.postgres_port)
            .database(&self.postgres_db)
            .username(&self.postgres_user)
    }

    /// The password to use. `None` when the address contains one, or none is configured.
    fn password(&self) -> Result<Option<String>, StoreError> {
        if self.url().is_some_and(has_password) {
            return Ok(None);
        }
        if let Some(password) = settings::secret(self.postgres_password_file.as_deref())? {
            return Ok(Some(password));
        }
        Ok(match self.url() {
            Some(_) => None,
            None => self.postgres_password.clone(),
        })
    }
}

impl From<SslMode> for PgSslMode {
    fn from(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Prefer => Self::Prefer,
            SslMode::Require => Self::Require,
            SslMode::VerifyCa => Self::VerifyCa,
            SslMode::VerifyFull => Self::VerifyFull,
        }
    }
}

/// Leaves passwords out.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "…");
        f.debug_struct("PostgresConfig")
            .field("database_url", &hidden(&self.database_url))
            .field("postgres_host", &self.postgres_host)
            .field("postgres_port", &self.postgres_port)
            .field("postgres_db", &self.postgres_db)
            .field("postgres_user", &self.postgres_user)
            .field("postgres_password", &hidden(&self.postgres_password))
            .field("postgres_password_file", &self.postgres_password_file)
            .field("postgres_max_connections", &self.postgres_max_connections)
            .field("postgres_ssl_mode", &self.postgres_ssl_mode)
            .finish_non_exhaustive()
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        let why = "it does not begin with postgres://";
        return Err(StoreError::BadAddress(sqlx::Error::Configuration(
            why.into(),
        )));
    }
    url.parse().map_err(StoreError::BadAddress)
}

fn has_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, _) = address.split_once('/').unwrap_or((address, ""));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|pair| pair.starts_with("password="))
}

/// The name of this program, by which a database administrator recognises its connections.
fn program() -> String {
    let path = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "anomaly".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        postgres: PostgresConfig,
    }

    fn config(args: &[&str]) -> PostgresConfig {
        Cli::parse_from(std::iter::once(&"test").chain(args)).postgres
    }

    /// The password that sqlx will use. Only the debug text of its options shows it.
    fn password(args: &[&str]) -> Option<String> {
        let options = format!("{:?}", config(args).connect_options().unwrap());
        let (_, rest) = options.split_once("password: Some(\"")?;
        rest.split_once('"')
            .map(|(password, _)| password.to_owned())
    }

    fn secret(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn the_address_beats_the_parts() {
        let args = [
            "--postgres-host=h",
            "--postgres-user=u",
            "--postgres-password=p",
        ];
        let parts = config(&args).connect_options().unwrap();
        assert_eq!(
            (parts.get_host(), parts.get_username(), parts.get_database()),
            ("h", "u", Some("anomaly"))
        );
        let url = "--database-url=postgres://w:secret@x:1/y";
        let all = [&args[..], &[url]].concat();
        let options = config(&all).connect_options().unwrap();
        assert_eq!(
            (
                options.get_host(),
                options.get_port(),
                options.get_username()
            ),
            ("x", 1, "w")
        );
        assert_eq!(options.get_database(), Some("y"));
        assert_eq!(password(&all).as_deref(), Some("secret"));
    }

    #[test]
    fn an_empty_variable_is_none() {
        let config = config(&["--database-url=", "--postgres-password-file="]);
        assert_eq!(config.connect_options().unwrap().get_host(), "127.0.0.1");
    }

    #[test]
    fn the_password_file_beats_the_variable_and_loses_its_newline_only() {
        let file = secret(" p w \r\n");
        let file = format!("--postgres-password-file={}", file.path().display());
        assert_eq!(
            password(&["--postgres-password=x", &file]).as_deref(),
            Some(" p w ")
        );
        assert_eq!(
            password(&["--database-url=postgres://u@h/d", &file]).as_deref(),
            Some(" p w ")
        );
        assert_eq!(
            password(&["--database-url=postgres://u:own@h/d", &file]).as_deref(),
            Some("own")
        );
        assert_eq!(
            password(&["--database-url=postgres://u@h/d", "--postgres-password=x"]),
            None
        );
    }

    #[test]
    fn passwords_are_not_in_debug_output() {
        let config = config(&[
            "--database-url=postgres://u:hunter2@h/d",
            "--postgres-password=hunter2",
        ]);
        let text = format!("{config:?}");
        assert!(
            !text.contains("hunter2") && text.contains("127.0.0.1"),
            "{text}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_telling_the_secret() {
        for (args, fault) in [
            (&["--database-url=mysql://u:hunter2@h/d"][..], "postgres://"),
            (
                &["--database-url=postgres://u:hunter2@h:port/d"],
                "invalid port",
            ),
            (
                &["--postgres-password-file=/nowhere/at/all"],
                "/nowhere/at/all",
            ),
        ] {
            let error = config(args).connect_options().unwrap_err();
            let chain = format!("{:#}", anyhow::Error::from(error));
            assert!(
                chain.contains(fault) && !chain.contains("hunter2"),
                "{chain}"
            );
        }
        assert!(Cli::try_parse_from(["test", "--postgres-max-connections=0"]).is_err());
    }

    #[test]
    fn a_folder_as_host_is_that_of_the_socket() {
        let options = config(&["--postgres-host=/run/postgresql", "--postgres-port=1"])
            .connect_options()
            .unwrap();
        assert_eq!(options.get_host(), "/run/postgresql");
    }
}
