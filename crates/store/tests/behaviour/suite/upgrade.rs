//! Databases of earlier programs.

use anyhow::{Context, Result};
use contract::{DetectorName, Point, Revision, SeriesId, Source, TrainingData};
use store::{Precondition, Store, TrainingPoints};

use super::{AN_HOUR, fit, model, of, points, series, v};
use crate::backend::{Backend, serving};

/// A version of an old database.
struct Old<'a> {
    version: u32,
    status: &'a str,
    document: String,
    points: &'a [Point],
}

/// A model of four points, as the first program wrote it.
const FIRST: &str = concat!(
    r#"{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1.0},"points":4,"#,
    r#""checksum":"72e2ac8078a1e8d066c3ff24cde8615c915baae7f222d5e23d9c32595b909b13"}"#
);

/// Puts a version into a database as it was first made.
async fn insert<B: Backend>(backend: &B, id: &str, old: &Old<'_>) -> Result<()> {
    let (version, status, count) = (old.version, old.status, old.points.len());
    let document = &old.document;
    let ready_at = if status == "ready" { B::NOW } else { "NULL" };
    let row = format!(
        "INSERT INTO models (series_id, version, status, detector, format, points, model, ready_at)
         VALUES ('{id}', {version}, '{status}', 'sigma', 1, {count}, '{document}', {ready_at})"
    );
    backend.execute(&row).await?;
    for event in TrainingData::in_parts(&series(id), v(version), old.points) {
        backend.execute(&B::insert_points(&event)).await?;
    }
    Ok(())
}

fn old<'a>(version: u32, status: &'a str, points: &'a [Point]) -> Old<'a> {
    Old {
        version,
        status,
        document: match points.len() {
            4 => FIRST.to_owned(),
            _ => model(points).to_json(),
        },
        points,
    }
}

/// Demands that all there is to know of a ready version is known.
async fn is_described(store: &Store, s: &SeriesId, old: &Old<'_>) -> Result<()> {
    let (version, points) = (of(old.version), old.points);
    let (_, info) = store.model_info(s, &version).await?;
    let document = &old.document;
    let kind = (info.detector, info.source);
    assert_eq!(kind, (DetectorName::Sigma, Source::Fit));
    let sizes = (points.len() as u64, document.len() as u64);
    assert_eq!((info.points, info.size_bytes), sizes);
    assert!(info.checksum.len() == 64 && document.contains(&info.checksum));
    let range = (points[0].timestamp, points[points.len() - 1].timestamp);
    assert_eq!((info.first_timestamp, info.last_timestamp), range);
    let stored = store.training_points(s, Some(&version)).await?;
    assert!(matches!(stored, TrainingPoints::Complete(_, back) if back == *points));
    Ok(())
}

pub(crate) async fn a_database_without_a_registry_gets_one_and_keeps_what_it_holds<B: Backend>(
    backend: &B,
) -> Result<()> {
    let extremes = [(i64::MIN, 1.0), (-1, 5e-324), (256, -0.0), (i64::MAX, 2.0)];
    let extremes = extremes.map(|(timestamp, value)| Point { timestamp, value });
    let many = points(3, 10_001);
    let olds = [
        old(1, "ready", &extremes),
        old(2, "pending", &many),
        old(3, "ready", &many),
    ];
    backend.first_schema().await?;
    let counters = "INSERT INTO series VALUES ('s', 3), ('only pending', 1)";
    backend.execute(counters).await?;
    for old in &olds {
        insert(backend, "s", old).await?;
    }
    insert(backend, "only pending", &old(1, "pending", &many)).await?;

    let store = backend.open().await?;
    store.migrate().await?;
    let s = series("s");
    assert_eq!(
        store.changed_within(AN_HOUR).await?,
        [(s.clone(), Revision(2))]
    );
    assert_eq!(
        serving(&store, &s).await?.map(|model| model.version),
        Some(v(3))
    );
    for old in [&olds[0], &olds[2]] {
        is_described(&store, &s, old).await?;
    }
    let detail = store.series(&s).await?.context("no series")?;
    assert_eq!((detail.summary.models, detail.summary.newest), (2, v(3)));
    assert_eq!(store.series(&series("only pending")).await?, None);
    assert_eq!(fit(&store, &s, &extremes).await?.version, v(4));
    let deleted = store.delete_series(&s, &Precondition::Any).await?;
    assert_eq!(deleted.revision, Revision(4));
    Ok(())
}
