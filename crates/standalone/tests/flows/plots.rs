//! Plots of what was just fitted.

use contract::PredictReply;
use testkit::{Platform, series};

use testkit::load::{Fitted, check_plot};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plot_right_after_its_fit_is_there() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    for n in 1..=20 {
        let fitted = client.fit("eager", &series::rising(2 + n, 1.0)).await?;
        let path = format!("/plot?series_id=eager&version={}", fitted.version);
        let reply = client.get(&path).await?;
        assert_eq!(reply.status, 200, "{} {}", fitted.version, reply.text());
        assert_eq!(reply.header("content-type"), Some("image/png"));
        let newest = client.get("/plot?series_id=eager").await?;
        assert!(
            newest.body == reply.body,
            "the newest is not {}",
            fitted.version
        );
    }
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_fit_is_plotted_whole_and_its_neighbours_are_not_held_up() -> anyhow::Result<()> {
    const POINTS: usize = 200_000;
    let platform = Platform::start().await?;
    let client = platform.client();
    client.fit("small", &series::three(1.0)).await?;
    let big = series::daily(POINTS, 50.0);
    let fitting = async {
        let fitted = client.fit("big", &big).await?;
        anyhow::Ok(Fitted {
            version: fitted.version,
            points: fitted.points_used,
        })
    };
    let meanwhile = async {
        for _ in 0..50 {
            client.predict("small", 1.0).await?;
        }
        anyhow::Ok(())
    };
    let (fitted, ()) = tokio::try_join!(fitting, meanwhile)?;
    assert_eq!(fitted.points, POINTS);
    check_plot(client, "big", fitted).await?;
    assert!(client.predict("big", 500.0).await?.verdict.anomaly);
    // What comes next, and is as it should be at this time of the day.
    let next = r#"{"timestamp":1705459200,"value":41}"#;
    let judged: PredictReply = client.post("/predict/big", next).await?.ok()?;
    assert!(!judged.verdict.anomaly, "{judged:?}");
    platform.stop().await.map(drop)
}
