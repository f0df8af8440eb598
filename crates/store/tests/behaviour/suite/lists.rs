//! Lists of series and models.

use anyhow::{Context, Result, ensure};
use contract::{AliasName, DetectorName, ListedSeries, Revision, Source, StreamState as Phase};
use store::{
    NewModel, PartitionCommit, Precondition, RegistryError, Store, StoreError, StreamState,
    TrainingPoints,
};

use super::{
    LOG, alias, apply, deliveries, end, fit, model, named, of, pend, points, series, state, step,
    v, whole,
};
use crate::backend::{Backend, error_of, fitted};

const ANY: &Precondition = &Precondition::Any;

/// Ids that a pattern, a collation or a careless statement would take for others.
fn ids() -> Vec<String> {
    let long = ["é".repeat(100), "z".repeat(200), "\u{10ffff}".repeat(50)];
    let ids = [
        "a",
        "a%",
        "a%b",
        "a_",
        "a_b",
        "ab",
        "aB",
        "A",
        "Ab",
        "B",
        "%",
        "%%",
        "_",
        "__",
        "'",
        "\\",
        "\\%",
        "a'b",
        "1",
        "10",
        "2",
        "e\u{301}",
        "é",
        "ß",
        "ss",
        "Å",
        "z",
        "zz",
        "🌡️",
        "🌡",
        "日本",
        "日本語",
        "\u{fffd}",
        "\u{d7ff}",
        "\u{e000}",
        " ",
        " a",
        "~",
        "\u{a0}",
    ];
    let mut ids: Vec<String> = ids.map(str::to_owned).into_iter().chain(long).collect();
    ids.sort();
    ids
}

/// All pages of `limit`, joined.
async fn pages(store: &Store, prefix: &str, limit: u32) -> Result<Vec<ListedSeries>> {
    let mut all: Vec<ListedSeries> = Vec::new();
    loop {
        let after = all.last().map(|last| &last.series_id);
        let page = store.list_series(prefix, after, limit).await?;
        ensure!(page.len() <= limit as usize);
        let is_last = page.len() < limit as usize;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn names(page: &[ListedSeries]) -> Vec<&str> {
    page.iter().map(|one| one.series_id.as_str()).collect()
}

pub(crate) async fn series_are_listed_by_prefix_page_by_page(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    for (seed, id) in (0..).zip(ids()) {
        fit(&store, &series(&id), &points(seed, 3)).await?;
    }
    assert_eq!(names(&pages(&store, "", 1_000).await?), ids());
    let prefixes = [
        "a",
        "a%",
        "a_",
        "A",
        "%",
        "_",
        "\\",
        "'",
        "1",
        "é",
        "e",
        "z",
        "zz",
        "日",
        "日本語",
        "🌡",
        " ",
        "x",
        "\u{d7ff}",
        "\u{10ffff}",
        "\0",
        "a\n",
        "a/",
    ];
    for prefix in prefixes {
        let expected: Vec<String> = ids()
            .into_iter()
            .filter(|id| id.starts_with(prefix))
            .collect();
        for limit in [1, 2, 3, 1_000] {
            let listed = pages(&store, prefix, limit).await?;
            assert_eq!(names(&listed), expected, "{prefix:?} by {limit}");
        }
    }
    assert_eq!(store.list_series("", None, 0).await?, []);
    // After an id that is not there, too, and before the prefix begins.
    let between = store.list_series("", Some(&series("a%a")), 1).await?;
    assert_eq!(names(&between), ["a%b"]);
    let early = store.list_series("z", Some(&series("a")), 1).await?;
    assert_eq!(names(&early), ["z"]);
    assert_eq!(store.list_series("a", Some(&series("b")), 9).await?, []);
    Ok(())
}

pub(crate) async fn a_line_of_the_list_says_what_judges(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    pend(&store, &series("pending"), &points(1, 3)).await?;
    fit(&store, &series("gone"), &points(1, 3)).await?;
    store.delete_series(&series("gone"), ANY).await?;
    for n in 1..=3 {
        fit(&store, &s, &points(n, 3)).await?;
    }
    store
        .set_alias(&s, &AliasName::champion(), &of(2), ANY)
        .await?;
    store.delete_model(&s, &of(1), ANY).await?;
    let mut listed = store.list_series("", None, 10).await?;
    let line = listed.pop().context("nothing is listed")?;
    assert_eq!(listed, []);
    let detail = store.series(&s).await?.context("no detail")?;
    let summary = &detail.summary;
    assert_eq!(
        (summary.serving, summary.newest, summary.models),
        (v(2), v(3), 2)
    );
    assert_eq!((&summary.series_id, summary.revision), (&s, Revision(5)));
    is_now(&summary.changed_at)?;
    // Letter for letter, as long as there is no stream.
    assert_eq!(
        serde_json::to_string(&line)?,
        serde_json::to_string(summary)?
    );
    let [champion] = &detail.aliases[..] else {
        anyhow::bail!("{detail:?}");
    };
    assert_eq!((champion.version, champion.previous), (v(2), Some(v(3))));
    is_now(&champion.changed_at)?;
    assert_eq!(store.series(&series("pending")).await?, None);
    Ok(())
}

pub(crate) async fn series_with_a_stream_are_listed_too(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    for (seed, id) in (1..).zip(["a", "c", "d", "gone"]) {
        fit(&store, &series(id), &points(seed, 3)).await?;
    }
    store.delete_series(&series("gone"), ANY).await?;
    let stream = |id, phase| StreamState {
        phase,
        ..state(id, 1)
    };
    let phases = [
        ("b", Phase::Learning),
        ("c", Phase::Ready),
        ("e", Phase::Silent),
        ("gone", Phase::Ready),
        ("over", Phase::Ready),
    ];
    let begin = PartitionCommit {
        states: phases.map(|(id, phase)| stream(id, phase)).into(),
        ..step(0, 0, 10)
    };
    let end = PartitionCommit {
        ended: vec![end("over", 11, false)],
        safe: 0,
        ..step(0, 10, 11)
    };
    for commit in [begin, end] {
        store.commit_streams(LOG, &[commit]).await?;
    }
    for limit in [1, 2, 3, 100] {
        let all = pages(&store, "", limit).await?;
        assert_eq!(names(&all), ["a", "b", "c", "d", "e", "gone"], "by {limit}");
        let phases: Vec<_> = all.iter().map(|line| (line.models, line.stream)).collect();
        let expected = [
            (1, None),
            (0, Some(Phase::Learning)),
            (1, Some(Phase::Ready)),
            (1, None),
            (0, Some(Phase::Silent)),
            (0, Some(Phase::Ready)),
        ];
        assert_eq!(phases, expected, "by {limit}");
        assert_eq!(names(&pages(&store, "g", limit).await?), ["gone"]);
    }
    let line = serde_json::to_string(&store.list_series("b", None, 2).await?)?;
    assert_eq!(
        line,
        r#"[{"series_id":"b","models":0,"stream":"learning"}]"#
    );
    for (id, has) in [("b", true), ("c", true), ("a", false), ("over", false)] {
        assert_eq!(store.has_stream(&series(id)).await?, has, "{id}");
    }
    Ok(())
}

/// Demands an RFC 3339 time in UTC with milliseconds, of the last minute.
fn is_now(text: &str) -> Result<()> {
    let time = chrono::DateTime::parse_from_rfc3339(text)?;
    ensure!(
        text.len() == "2026-01-01T00:00:00.000Z".len() && text.ends_with('Z'),
        "{text}"
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let age = i64::try_from(now.as_millis())? - time.timestamp_millis();
    ensure!((-1_000..60_000).contains(&age), "{text} is {age} ms ago");
    Ok(())
}

pub(crate) async fn models_are_listed_newest_first_page_by_page(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for n in 1..=12 {
        fit(&store, &s, &points(n, 3)).await?;
        fit(&store, &series("t"), &points(n, 3)).await?;
    }
    store.delete_model(&s, &of(5), ANY).await?;
    pend(&store, &s, &points(13, 3)).await?;
    store
        .set_alias(&s, &AliasName::champion(), &of(3), ANY)
        .await?;
    store.set_alias(&s, &alias("canary"), &of(3), ANY).await?;
    let (mut listed, mut before) = (Vec::new(), None);
    loop {
        let page = store.list_models(&s, before, 4).await?.context("none")?;
        let Some(last) = page.last() else { break };
        before = Some(last.version);
        listed.extend(page);
    }
    let numbers: Vec<u32> = listed.iter().map(|model| model.version.number()).collect();
    assert_eq!(numbers, [12, 11, 10, 9, 8, 7, 6, 4, 3, 2, 1]);
    for model in &listed {
        let is_champion = model.version == v(3);
        assert_eq!(model.serving, is_champion);
        let names = [alias("canary"), alias("champion")];
        assert_eq!(model.aliases, if is_champion { &names[..] } else { &[] });
    }
    assert_eq!(store.list_models(&s, Some(v(1)), 9).await?, Some(vec![]));
    assert_eq!(store.list_models(&s, None, 0).await?, Some(vec![]));
    assert_eq!(store.list_models(&series("u"), None, 9).await?, None);
    Ok(())
}

pub(crate) async fn a_model_says_what_it_is(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let points = points(1, 5);
    let model = model(&points);
    let document = model.to_json();
    let new = NewModel {
        fit_ms: 12.25,
        first_timestamp: i64::MIN,
        last_timestamp: i64::MAX,
        ..fitted(&model)
    };
    let version = store.insert_pending(&s, &new).await?;
    store.mark_ready(&s, version).await?;
    store.set_alias(&s, &alias("canary"), &of(1), ANY).await?;
    let (revision, info) = store.model_info(&s, &named("canary")).await?;
    is_now(&info.created_at)?;
    assert_eq!(
        (revision, info.version, info.points),
        (Revision(2), v(1), 5)
    );
    assert_eq!(
        (info.detector, info.source),
        (DetectorName::Sigma, Source::Fit)
    );
    assert_eq!(info.params, model.params());
    assert_eq!(
        (info.first_timestamp, info.last_timestamp),
        (i64::MIN, i64::MAX)
    );
    assert_eq!(
        (info.fit_ms, info.size_bytes),
        (12.25, document.len() as u64)
    );
    assert!(info.checksum.len() == 64 && document.contains(&info.checksum));
    assert_eq!(
        (&info.aliases[..], info.serving),
        (&[alias("canary")][..], true)
    );
    let listed = store.list_models(&s, None, 1).await?.context("none")?;
    assert_eq!(listed, std::slice::from_ref(&info));
    assert_eq!(store.model_document(&s, &of(1)).await?, (info, document));
    backend
        .execute("UPDATE models SET model = replace(model, '5', '6')")
        .await?;
    let damaged = error_of(store.model_document(&s, &of(1)).await)?;
    assert!(matches!(
        damaged,
        RegistryError::Store(StoreError::Corrupt { .. })
    ));
    Ok(())
}

pub(crate) async fn an_imported_model_judges_but_has_no_training_points(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let own = points(1, 3);
    let one = fit(&store, &s, &own).await?.version;
    apply(&store, &deliveries(0, 0, &[whole(&s, one, &own)])).await?;
    let model = model(&points(2, 3));
    let new = NewModel {
        source: Source::Import,
        ..fitted(&model)
    };
    let two = store.insert_pending(&s, &new).await?;
    store.mark_ready(&s, two).await?;
    assert_eq!(store.model_info(&s, &of(2)).await?.1.source, Source::Import);
    assert_eq!(store.serving(&s).await?.model.map(|m| m.version), Some(two));
    for imported in [None, Some(&of(2))] {
        let points = store.training_points(&s, imported).await?;
        assert_eq!(points, TrainingPoints::NoModel);
    }
    store
        .set_alias(&s, &AliasName::champion(), &of(1), ANY)
        .await?;
    for fitted in [None, Some(&of(1)), Some(&named("champion"))] {
        let stored = store.training_points(&s, fitted).await?;
        assert!(matches!(stored, TrainingPoints::Complete(_, back) if back == own));
    }
    Ok(())
}
