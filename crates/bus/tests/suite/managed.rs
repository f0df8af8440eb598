//! Kafka as managed services have it: by TLS, with a user.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use bus::{Bus, KafkaConfig, KafkaSecurity, SaslMechanism, SecurityProtocol};

use crate::{
    behaviour,
    fixture::{Fixture, config, unique_prefix},
};

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line to take settings from"
)]
fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

fn secured(mechanism: SaslMechanism, authority: &str) -> anyhow::Result<KafkaConfig> {
    let folder = PathBuf::from(variable("TEST_TLS_FOLDER")?);
    let brokers = variable("TEST_KAFKA_SASL_BROKERS")?;
    Ok(KafkaConfig {
        security: KafkaSecurity {
            kafka_security_protocol: SecurityProtocol::SaslSsl,
            kafka_sasl_mechanism: mechanism,
            kafka_sasl_username: Some("tester".to_owned()),
            kafka_sasl_password: Some("tester-password".to_owned()),
            kafka_ssl_ca: Some(folder.join(authority)),
            ..KafkaSecurity::default()
        },
        ..config(brokers, unique_prefix()?)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka with TLS and SASL: TEST_KAFKA_SASL_BROKERS"]
async fn a_user_with_a_password_is_served() -> anyhow::Result<()> {
    let config = secured(SaslMechanism::Plain, "ca.pem")?;
    behaviour::keeps_the_order_of_a_key(Fixture::kafka_with(config).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka with TLS and SASL: TEST_KAFKA_SASL_BROKERS"]
async fn a_user_that_keeps_its_password_to_itself_is_served() -> anyhow::Result<()> {
    let config = secured(SaslMechanism::ScramSha512, "ca.pem")?;
    behaviour::keeps_the_order_of_a_key(Fixture::kafka_with(config).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Kafka with TLS and SASL: TEST_KAFKA_SASL_BROKERS"]
async fn a_broker_of_another_authority_and_a_wrong_password_are_refused() -> anyhow::Result<()> {
    let stranger = secured(SaslMechanism::Plain, "other-ca.pem")?;
    let mut wrong = secured(SaslMechanism::ScramSha512, "ca.pem")?;
    wrong.security.kafka_sasl_password = Some("guessed".to_owned());
    for config in [stranger, wrong] {
        let bus = Bus::kafka(&config)?;
        assert!(bus.ping(Duration::from_secs(3)).await.is_err());
    }
    let good = Bus::kafka(&secured(SaslMechanism::Plain, "ca.pem")?)?;
    good.create_topics().await?;
    good.ping(Duration::from_secs(10)).await?;
    Ok(())
}
