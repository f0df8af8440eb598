//! Where people are told of anomalies. Channels are settings, not rows: nobody can make the
//! platform call an address through its API, and no secret is in the database.

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use contract::{Moment, Severity};
use ring::hmac;

use crate::{
    Settings,
    http::Target,
    metrics::{ALERTMANAGER, TOPIC},
};

/// The channel of webhooks, in the store and in metrics.
pub(crate) const WEBHOOK: &str = "webhook";
/// The channel of Slack.
pub(crate) const SLACK: &str = "slack";

/// All channels that are set.
#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) webhook: Option<Webhook>,
    pub(crate) slack: Option<Target>,
    pub(crate) alertmanagers: Vec<Target>,
    /// The least severity that people are told of.
    pub(crate) min_severity: Severity,
}

/// A receiver of Standard Webhooks.
pub(crate) struct Webhook {
    pub(crate) target: Target,
    key: hmac::Key,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.target.fmt(f)
    }
}

impl Channels {
    /// # Errors
    /// When an address or a secret cannot be used. The message shows neither.
    pub(crate) fn load(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings.webhook_url.as_deref();
        let webhook = url.filter(|url| !url.trim().is_empty()).map(|url| {
            let target = Target::parse(url, "").context("WEBHOOK_URL")?;
            let secret = settings::secret(settings.webhook_secret_file.as_deref())?;
            let secret = secret.context("WEBHOOK_URL needs WEBHOOK_SECRET_FILE")?;
            let key =
                key(&secret).context("WEBHOOK_SECRET_FILE: no secret such as whsec_ and Base64")?;
            anyhow::Ok(Webhook { target, key })
        });
        let slack = settings::secret(settings.slack_webhook_url_file.as_deref())?;
        let slack = slack.map(|url| Target::parse(&url, "").context("SLACK_WEBHOOK_URL_FILE"));
        let alertmanagers = settings.alertmanager_url.iter();
        let alertmanagers = alertmanagers
            .filter(|url| !url.trim().is_empty())
            .map(|url| Target::parse(url, "/api/v2/alerts").context("ALERTMANAGER_URL"));
        Ok(Self {
            webhook: webhook.transpose()?,
            slack: slack.transpose()?,
            alertmanagers: alertmanagers.collect::<anyhow::Result<_>>()?,
            min_severity: settings.alert_min_severity,
        })
    }

    /// Whether an address is called at all.
    pub(crate) fn are_called(&self) -> bool {
        self.webhook.is_some() || self.slack.is_some() || !self.alertmanagers.is_empty()
    }

    /// The channels that are told events of incidents.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let webhook = self.webhook.as_ref().map(|_| WEBHOOK);
        let slack = self.slack.as_ref().map(|_| SLACK);
        webhook.into_iter().chain(slack).collect()
    }

    /// All channels, as a test tries them.
    pub(crate) fn tested(&self) -> Vec<&'static str> {
        let alertmanager = (!self.alertmanagers.is_empty()).then_some(ALERTMANAGER);
        let names = self.names().into_iter();
        names.chain(alertmanager).chain([TOPIC]).collect()
    }
}

/// The key in a secret of Standard Webhooks.
fn key(secret: &str) -> Option<hmac::Key> {
    let encoded = secret.trim().strip_prefix("whsec_")?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    match bytes.is_empty() {
        true => None,
        false => Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
    }
}

impl Webhook {
    /// The headers of the message `id` that is sent at `now`.
    pub(crate) fn headers(&self, id: &str, now: Moment, body: &str) -> [(&'static str, String); 3] {
        let timestamp = now.0.div_euclid(1_000).to_string();
        let mac = hmac::sign(&self.key, format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac));
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_signature_is_that_of_the_example_of_the_specification() {
        let webhook = Webhook {
            target: Target::parse("http://a/", "").unwrap(),
            key: key(SECRET).unwrap(),
        };
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let headers = webhook.headers(id, Moment(1_614_265_330_999), body);
        assert_eq!(headers[1].1, "1614265330");
        assert_eq!(
            headers[2].1,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn faults_name_the_setting_and_show_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let hook = |url: &str, secret: &str| Settings {
            webhook_url: Some(url.to_owned()),
            webhook_secret_file: file(secret, secret),
            ..Settings::default()
        };
        let load = |settings: &Settings| Channels::load(settings);
        let fault = |settings: &Settings| format!("{:#}", load(settings).unwrap_err());
        assert_eq!(
            load(&hook("https://a/hunter2", SECRET)).unwrap().names(),
            [WEBHOOK]
        );
        assert_eq!(load(&hook("", "hunter2")).unwrap().names(), [""; 0]);
        let unsigned = Settings {
            webhook_secret_file: None,
            ..hook("https://a/hunter2", SECRET)
        };
        let slack = Settings {
            slack_webhook_url_file: file("slack", "hunter2"),
            ..Settings::default()
        };
        for (settings, name) in [
            (hook("hunter2", SECRET), "WEBHOOK_URL"),
            (hook("https://a/hunter2", "hunter2"), "WEBHOOK_SECRET_FILE"),
            (hook("https://a/hunter2", "whsec_"), "WEBHOOK_SECRET_FILE"),
            (unsigned, "WEBHOOK_URL needs WEBHOOK_SECRET_FILE"),
            (slack, "SLACK_WEBHOOK_URL_FILE"),
        ] {
            let fault = fault(&settings);
            assert!(fault.starts_with(name), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}
