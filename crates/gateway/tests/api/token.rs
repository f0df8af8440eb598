//! The token by which services know the gateway.

use axum::Router;
use http_server::TokenConfig;
use service::{port::Port, task};
use tokio_util::sync::CancellationToken;

use crate::{
    door::Door,
    fake::{Fake, reply},
};

const TOKEN: &str = "0123456789abcdef";

#[tokio::test]
async fn every_request_to_a_service_carries_the_token() -> anyhow::Result<()> {
    let fake = Fake::answering("{}").await?;
    let url = fake.url();
    let door = Door::open(&url, &url, &["--service-token", TOKEN]).await?;
    door.predict("s").await?;
    door.predict("s").await?;
    door.fit("s").await?;
    door.get("/v1/series").await?;
    let received = fake.received();
    assert!(received.len() >= 4, "{received:?}");
    for request in received {
        assert_eq!(
            request.header("x-service-token"),
            Some(TOKEN),
            "{request:?}"
        );
        assert_eq!(request.header("host"), Some(&url["http://".len()..]));
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_does_not_know_the_gateway_is_no_fault_of_the_client() -> anyhow::Result<()>
{
    let fake = Fake::saying(reply("401 Unauthorized", "", "{}")).await?;
    let door = Door::to(&fake).await?;
    for reply in [door.get("/v1/series").await?, door.predict("s").await?] {
        assert_eq!(reply.status, 502, "{reply:?}");
    }
    let ready = door.get("/readyz").await?.problem();
    assert_eq!(
        ready,
        (503, "not_ready".to_owned()),
        "every call is refused"
    );
    Ok(())
}

#[tokio::test]
async fn a_gateway_is_ready_for_the_services_that_know_its_token() -> anyhow::Result<()> {
    for (sent, status) in [(TOKEN, 200), ("another-one-0123", 503)] {
        let config = Door::config(&[])?.server;
        let token = TokenConfig {
            service_token: TOKEN.to_owned(),
            service_token_file: None,
        };
        let service = Port::bind(([127, 0, 0, 1], 0).into(), config)?;
        let service = service.with_token(token.read()?);
        let (url, stop) = (
            format!("http://{}", service.addr()),
            CancellationToken::new(),
        );
        let serving = task::spawn("service", service.serve(Router::new(), stop.clone()));
        let door = Door::open(&url, &url, &["--service-token", sent]).await?;
        assert_eq!(door.get("/readyz").await?.status, status, "{sent}");
        stop.cancel();
        serving.await?.unwrap()?;
    }
    Ok(())
}
