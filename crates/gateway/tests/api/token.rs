//! The token by which services know the gateway.

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
    Ok(())
}
