//! Versions: given once, seen whole, and seen by whoever was told of them.

use std::collections::BTreeMap;

use anyhow::ensure;
use contract::Version;
use testkit::{Client, Platform, series};
use tokio::task::JoinSet;

use testkit::load::{Fitted, check_plot};

/// Fits `series` on `points` points.
async fn fit(client: Client, series: String, points: usize) -> anyhow::Result<Fitted> {
    let fitted = client.fit(&series, &series::rising(points, 1.0)).await?;
    ensure!(fitted.points_used == points, "{fitted:?}");
    Ok(Fitted {
        version: fitted.version,
        points,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_fits_at_once_of_one_series_get_each_version_once() -> anyhow::Result<()> {
    const FITS: u32 = 48;
    let platform = Platform::start_with(&["--keep-versions=0"]).await?;
    let client = platform.client();
    let mut fits = JoinSet::new();
    for n in 1..=FITS {
        fits.spawn(fit(client, "contended".to_owned(), 10 + n as usize));
    }
    let mut fitted = Vec::new();
    while let Some(fit) = fits.join_next().await {
        fitted.push(fit??);
    }
    fitted.sort_unstable();
    let versions: Vec<_> = fitted.iter().map(|fitted| fitted.version).collect();
    let expected: Vec<_> = (1..=FITS).filter_map(Version::new).collect();
    assert_eq!(versions, expected);
    // Each has its own points, not another's.
    for fitted in &fitted {
        check_plot(client, "contended", *fitted).await?;
    }
    let judged = client.predict("contended", 1.0).await?;
    assert_eq!(Some(judged.model_version), Version::new(FITS));
    platform.stop().await.map(drop)
}

/// Fits and predicts in turn; a prediction must know of every fit that was answered before it.
async fn read_own_writes(client: Client, series: String) -> anyhow::Result<()> {
    for n in 0..15 {
        let fitted = fit(client, series.clone(), 3 + n).await?;
        let judged = client.predict(&series, 1.0).await?;
        ensure!(
            judged.model_version >= fitted.version,
            "{series} is judged by {} after {}",
            judged.model_version,
            fitted.version
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_of_a_version_is_judged_by_it() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let mut clients = JoinSet::new();
    for n in 0..12 {
        // Half of them share a series, half have one for themselves.
        let series = if n % 2 == 0 {
            "shared".to_owned()
        } else {
            format!("own_{n}")
        };
        clients.spawn(read_own_writes(platform.client(), series));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    platform.stop().await.map(drop)
}

/// Ids that a careless query, key, file name or decoder takes for one another.
const ALIKE: [&str; 22] = [
    "sensor_1",
    "sensor_10",
    "sensor_1_v2",
    "sensor_1_v1",
    "sensor_1v1",
    "sensor_",
    "sensor-1",
    "sensorX1",
    "sensor%1",
    "sensor%",
    "Sensor_1",
    "sensor_1 ",
    " sensor_1",
    "a b",
    "a+b",
    "a%20b",
    "a%2520b",
    "caf\u{e9}",
    "cafe\u{301}",
    "it's",
    "it\"s",
    "it:s",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_that_look_alike_never_meet() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    // In turns: the first is fitted most often, and each is at a level of its own.
    for round in 0..3 {
        for (n, id) in ALIKE.iter().enumerate().filter(|(n, _)| n % 3 <= 2 - round) {
            let points = series::rising(10 + 4 * n + round, 100.0 * n as f64);
            let fitted = client.fit(&series::encoded(id), &points).await?;
            ensure!(fitted.series_id.as_str() == *id, "{id}: {fitted:?}");
            ensure!(
                fitted.version.to_string() == format!("v{}", round + 1),
                "{id}: {fitted:?}"
            );
        }
    }
    let mut usage = BTreeMap::new();
    for (n, id) in ALIKE.iter().enumerate() {
        let (rounds, level) = (3 - n % 3, 100.0 * n as f64);
        let encoded = series::encoded(id);
        for (value, anomaly) in [(level + 0.5, false), (level + 100.5, true)] {
            let judged = client.predict(&encoded, value).await?;
            let as_it_should = (format!("v{rounds}"), anomaly);
            let got = (judged.model_version.to_string(), judged.verdict.anomaly);
            ensure!(got == as_it_should, "{id} at {value}: {judged:?}");
        }
        for round in 0..rounds {
            let version = u32::try_from(round + 1)?;
            let fitted = Fitted {
                version: Version::new(version).expect("not zero"),
                points: 10 + 4 * n + round,
            };
            check_plot(client, &encoded, fitted).await?;
        }
        usage.insert((*id).to_owned(), "2".to_owned());
    }
    testkit::eventually("the figures", || async {
        let health = client.health().await?;
        ensure!(health.model_usage == usage, "{health:?}");
        ensure!(health.series_trained == ALIKE.len() as u64, "{health:?}");
        Ok(())
    })
    .await?;
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn a_series_is_the_same_however_its_id_is_spelled() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    for (n, spelling) in ["a_b%20c", "a%5fb%20c", "%61%5Fb%20c"].iter().enumerate() {
        let fitted = client.fit(spelling, &series::three(1.0)).await?;
        assert_eq!(fitted.version.to_string(), format!("v{}", n + 1));
        assert_eq!(fitted.series_id.as_str(), "a_b c");
    }
    let judged = client.predict("a%5Fb%20%63", 1.0).await?;
    assert_eq!(judged.model_version.to_string(), "v3");
    // In a query a plus is a space; in a path it is a plus.
    assert_eq!(client.get("/plot?series_id=a_b+c").await?.status, 200);
    assert_eq!(client.get("/plot?series_id=a_b%2Bc").await?.status, 404);
    Ok(())
}
