//! Who may do what: API keys with scopes, each for the series of its prefixes.
//!
//! Every call of the table is checked here and nowhere else. The fast path asks the same question
//! with [`Access::admits`] and leaves refusals to the routes, which word them.

mod config;
mod credential;
mod keyring;

use std::{convert::Infallible, future::pending};

use axum::extract::Request;
use contract::{
    Endpoint, ProblemCode,
    endpoint::{Scope, Subject},
};
use http::HeaderMap;
use http_server::{Fallible, FastRequest, ProblemReply, Query};
use service::series::decode_series_text;

pub use config::AccessSettings;
use credential::Credential;
use keyring::{Key, KeyFile};

/// The access to the API.
pub(crate) struct Access {
    /// `None`: everyone may do everything.
    keys: Option<KeyFile>,
}

/// Why a request is refused.
enum Denied {
    /// It has no key.
    NoKey,
    /// It has several keys.
    SeveralKeys,
    /// Its key is not valid.
    UnknownKey,
    /// Its key lacks this scope.
    Scope(Scope),
    /// Its key is only for series that begin with one of these.
    Series(Vec<String>),
}

impl Access {
    /// Reads the keys that `settings` name.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is not valid.
    pub(crate) async fn open(settings: &AccessSettings) -> anyhow::Result<Self> {
        let keys = match settings.keys_file() {
            Some(path) => Some(KeyFile::open(path.clone()).await?),
            None => None,
        };
        Ok(Self { keys })
    }

    /// Lets `request` for `endpoint` in.
    ///
    /// # Errors
    /// 401 without a valid key, 403 if the key is not for this call or this series, and 400 if the
    /// series in the path is none.
    pub(crate) fn admit(&self, endpoint: &Endpoint, request: &Request) -> Fallible<()> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let credential = Credential::of(lines(request.headers()));
        let checked = with_key(keys, credential, endpoint.scope, |key| {
            let uri = request.uri();
            let denied = || Denied::Series(key.prefixes().unwrap_or_default().to_vec());
            let is_for = match endpoint.subject {
                Subject::Path => {
                    let series = endpoint.series_in(uri.path()).unwrap_or_default();
                    key.is_for(&decode_series_text(series)?)
                }
                // The trainer reads the query likewise. Without one series in it, it says so.
                Subject::Query => {
                    match Query::parse(uri.query().unwrap_or_default()).get("series_id") {
                        Ok(Some(series)) => key.is_for(series),
                        Ok(None) | Err(_) => true,
                    }
                }
                Subject::All => key.prefixes().is_none(),
                Subject::None => true,
            };
            is_for.then_some(()).ok_or_else(|| denied().into())
        });
        checked?
    }

    /// Whether `request` for a prediction of `series`, which is decoded, may be answered.
    pub(crate) fn admits(
        &self,
        request: &FastRequest<'_>,
        endpoint: &Endpoint,
        series: &str,
    ) -> bool {
        let Some(keys) = &self.keys else {
            return true;
        };
        let lines = request.headers.iter().map(|line| (line.name, line.value));
        let checked = with_key(keys, Credential::of(lines), endpoint.scope, |key| {
            key.is_for(series)
        });
        checked.unwrap_or(false)
    }

    /// Follows changes of the keys, for ever.
    pub(crate) async fn watch(&self) -> Infallible {
        match &self.keys {
            Some(keys) => keys.watch().await,
            None => pending().await,
        }
    }
}

/// What `then` makes of the key of a request, if that is valid and has `scope`.
fn with_key<T>(
    keys: &KeyFile,
    credential: Credential<'_>,
    scope: Scope,
    then: impl FnOnce(&Key) -> T,
) -> Result<T, Denied> {
    let secret = match credential {
        Credential::One(secret) => secret,
        Credential::None => return Err(Denied::NoKey),
        Credential::Several => return Err(Denied::SeveralKeys),
    };
    let checked = keys.find(secret, |key| match key.has(scope) {
        true => Ok(then(key)),
        false => Err(Denied::Scope(scope)),
    });
    checked.unwrap_or(Err(Denied::UnknownKey))
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let lines = headers.iter();
    lines.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

impl From<Denied> for ProblemReply {
    fn from(denied: Denied) -> Self {
        let unauthorized = |detail| Self::new(ProblemCode::Unauthorized, detail);
        let forbidden = |detail| Self::new(ProblemCode::Forbidden, detail);
        match denied {
            Denied::NoKey => {
                unauthorized("An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY")
            }
            Denied::SeveralKeys => unauthorized("The request has more than one API key"),
            Denied::UnknownKey => unauthorized("The API key is not valid, or not any more"),
            Denied::Scope(scope) => forbidden(format!("The API key lacks the scope {scope}")),
            Denied::Series(prefixes) => {
                let prefixes = prefixes.join(", ");
                forbidden(format!(
                    "The API key is only for series that begin with: {prefixes}"
                ))
            }
        }
    }
}
