//! Offsets and states of streams, and the commits that move them.

use anyhow::{Context, Result, ensure};
use contract::{DetectorName, Labels, SeriesId, StreamState as Phase, TopicLog};
use store::{EndedStream, PartitionCommit, Store, StoreError, StreamOffsets, StreamState};

use super::{series, v};
use crate::backend::{Backend, error_of};

pub(super) const LOG: &str = "points@one";
/// No partition whose commit was applied.
const NOBODY: [i32; 0] = [];

pub(super) fn log(id: Option<&str>) -> TopicLog {
    TopicLog {
        topic: "points".to_owned(),
        id: id.map(str::to_owned),
        is_cut: false,
    }
}

/// A commit that moves `partition` from one offset to another, and its safe offset too.
pub(super) fn step(partition: i32, expected: i64, effects: i64) -> PartitionCommit {
    PartitionCommit {
        partition,
        expected,
        effects,
        safe: effects,
        now_ms: 0,
        outage_ms: 0,
        anomalies: Vec::new(),
        states: Vec::new(),
        points: Vec::new(),
        ended: Vec::new(),
    }
}

pub(super) fn state(id: &str, next_offset: i64) -> StreamState {
    StreamState {
        series_id: series(id),
        next_offset,
        run: 1,
        points: next_offset,
        last_timestamp: Some(-next_offset),
        last_arrival_ms: 1_700_000_000_000,
        due_ms: None,
        begun_from: None,
        labels: Labels::new(),
        detector: None,
        phase: Phase::Learning,
        format: 1,
        state: vec![7; 3],
    }
}

pub(super) fn end(id: &str, next_offset: i64, forget: bool) -> EndedStream {
    EndedStream {
        series_id: series(id),
        next_offset,
        run: 1,
        forget,
    }
}

fn at(partition: i32, effects: i64, safe: i64) -> StreamOffsets {
    StreamOffsets {
        partition,
        effects,
        safe,
        now_ms: 0,
        outage_ms: 0,
    }
}

/// The stored state of `id`.
async fn stored(store: &Store, id: &str) -> Result<Option<StreamState>> {
    let found = store.stream_states(&[series(id)]).await?;
    ensure!(found.len() < 2, "{found:?}");
    Ok(found.into_iter().next().map(|stored| stored.state))
}

pub(crate) async fn a_topic_keeps_its_number_of_partitions(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    for _ in 0..2 {
        store.stream_layout(32).await?;
    }
    let error = error_of(store.stream_layout(31).await)?;
    ensure!(!error.is_transient());
    let said = error.to_string();
    ensure!(said.contains("31") && said.contains("32"), "{said}");
    store.stream_layout(32).await?;
    Ok(())
}

pub(crate) async fn offsets_of_streams_are_kept_by_log(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let (one, two) = (log(Some("one")), log(Some("two")));
    assert_eq!(store.stream_offsets(&log(None)).await?, []);
    let first = PartitionCommit {
        safe: 4,
        states: vec![state("a", 9)],
        ..step(3, 0, 10)
    };
    assert_eq!(store.commit_streams("points", &[first]).await?, [3]);
    // From before logs had ids: taken over by the first, and the states with them.
    assert_eq!(store.stream_offsets(&one).await?, [at(3, 10, 4)]);
    assert_eq!(store.commit_streams(LOG, &[step(1, 0, 2)]).await?, [1]);
    let both = [at(1, 2, 2), at(3, 10, 4)];
    assert_eq!(store.stream_offsets(&one).await?, both);
    assert_eq!(stored(&store, "a").await?, Some(state("a", 9)));
    // Whether a log without an id is this one, nobody knows. That passes.
    let error = error_of(store.stream_offsets(&log(None)).await)?;
    ensure!(matches!(error, StoreError::UnknownLog(_)) && error.is_transient());
    assert_eq!(store.stream_offsets(&one).await?, both);

    // Another log begins anew, and its first records are after every state.
    assert_eq!(store.stream_offsets(&two).await?, []);
    assert_eq!(stored(&store, "a").await?.map(|s| s.next_offset), Some(0));
    let zombie = PartitionCommit {
        states: vec![state("a", 11)],
        ..step(3, 10, 11)
    };
    assert_eq!(store.commit_streams(LOG, &[zombie]).await?, NOBODY);
    let new = PartitionCommit {
        states: vec![state("a", 2)],
        ..step(3, 0, 2)
    };
    let key = two.key();
    assert_eq!(store.commit_streams(&key, &[new]).await?, [3]);
    // Whoever comes next begins there.
    assert_eq!(store.stream_offsets(&two).await?, [at(3, 2, 2)]);
    assert_eq!(stored(&store, "a").await?, Some(state("a", 2)));

    // One that was cut begins anew, too.
    let cut = TopicLog {
        is_cut: true,
        ..two.clone()
    };
    assert_eq!(store.stream_offsets(&cut).await?, []);
    assert_eq!(store.stream_offsets(&two).await?, []);
    assert_eq!(stored(&store, "a").await?.map(|s| s.next_offset), Some(0));

    assert_eq!(store.commit_streams(&key, &[step(3, 0, 5)]).await?, [3]);
    store.forget_stream_offsets().await?;
    assert_eq!(store.stream_offsets(&two).await?, []);
    Ok(())
}

pub(crate) async fn of_two_owners_who_know_the_same_offset_one_commits(
    backend: &impl Backend,
) -> Result<()> {
    let (one, two) = (backend.open().await?, backend.open().await?);
    let all: Vec<i32> = (0..8).collect();
    for round in 0..20 {
        let commits = |owner: &str| -> Vec<PartitionCommit> {
            // In opposite orders, which must not have them wait for each other.
            let mut commits: Vec<_> = (0..8)
                .map(|partition| PartitionCommit {
                    states: vec![state(&format!("{owner}-{partition}-{round}"), round + 1)],
                    ..step(partition, round, round + 1)
                })
                .collect();
            if owner == "two" {
                commits.reverse();
            }
            commits
        };
        let (first, second) = (commits("one"), commits("two"));
        let (a, b) = tokio::join!(
            one.commit_streams(LOG, &first),
            two.commit_streams(LOG, &second)
        );
        let (a, b) = (a?, b?);
        let mut applied = [&a[..], &b].concat();
        applied.sort_unstable();
        assert_eq!(applied, all, "{a:?} {b:?}");
        for (owner, applied) in [("one", a), ("two", b)] {
            for partition in 0..8 {
                let id = format!("{owner}-{partition}-{round}");
                let is_stored = stored(&one, &id).await?.is_some();
                assert_eq!(is_stored, applied.contains(&partition), "{id}");
            }
        }
    }
    let offsets = one.stream_offsets(&log(Some("one"))).await?;
    assert_eq!(
        offsets,
        all.iter().map(|p| at(*p, 20, 20)).collect::<Vec<_>>()
    );
    assert_eq!(one.streams_count().await?, 8 * 20);
    Ok(())
}

pub(crate) async fn a_state_never_goes_back(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let commit = |expected, effects, states: &[(&str, i64)]| PartitionCommit {
        states: states.iter().map(|(id, next)| state(id, *next)).collect(),
        ..step(0, expected, effects)
    };
    let first = commit(0, 10, &[("a", 5), ("a", 8), ("a", 7), ("b", 2)]);
    assert_eq!(store.commit_streams(LOG, &[first]).await?, [0]);
    // A copy that was made before, and one that was made after.
    let second = PartitionCommit {
        safe: 3,
        ..commit(10, 10, &[("a", 6), ("b", 3)])
    };
    assert_eq!(store.commit_streams(LOG, &[second]).await?, [0]);
    assert_eq!(stored(&store, "a").await?, Some(state("a", 8)));
    assert_eq!(stored(&store, "b").await?, Some(state("b", 3)));
    let offsets = || async { store.stream_offsets(&log(Some("one"))).await };
    assert_eq!(offsets().await?, [at(0, 10, 10)]);
    assert_eq!(store.commit_streams(LOG, &[step(0, 10, 9)]).await?, NOBODY);
    assert_eq!(store.commit_streams(LOG, &[step(0, 9, 11)]).await?, NOBODY);
    assert_eq!(store.commit_streams(LOG, &[step(1, 1, 2)]).await?, NOBODY);
    assert_eq!(offsets().await?, [at(0, 10, 10)]);
    // One after the other in a single call.
    let chain = [commit(10, 11, &[("b", 10)]), commit(11, 12, &[("b", 11)])];
    assert_eq!(store.commit_streams(LOG, &chain).await?, [0, 0]);
    assert_eq!(offsets().await?, [at(0, 12, 12)]);
    assert_eq!(stored(&store, "b").await?, Some(state("b", 11)));
    Ok(())
}

pub(crate) async fn a_state_comes_back_as_it_was_stored(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let labels = [("host", "a\"1\\"), ("zone", "wörld 🌡"), ("empty", "")];
    let full = StreamState {
        points: i64::MAX,
        last_timestamp: Some(i64::MIN),
        due_ms: Some(0),
        begun_from: Some(v(u32::MAX)),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        detector: Some(DetectorName::Auto),
        phase: Phase::Silent,
        format: i32::MAX,
        state: (0..=255).cycle().take(100_000).collect(),
        ..state("日本 '%\\", 1)
    };
    let bare = StreamState {
        last_timestamp: None,
        ..state("bare", 1)
    };
    // As many as one commit has.
    let many: Vec<StreamState> = (0..200).map(|n| state(&format!("m{n}"), 1)).collect();
    let before = now()?;
    let commit = PartitionCommit {
        states: [vec![full.clone(), bare.clone()], many.clone()].concat(),
        ..step(31, 0, 1)
    };
    assert_eq!(store.commit_streams(LOG, &[commit]).await?, [31]);
    let mut ids: Vec<SeriesId> = many.iter().map(|state| state.series_id.clone()).collect();
    ids.extend([
        full.series_id.clone(),
        bare.series_id.clone(),
        series("none"),
    ]);
    let mut found = store.stream_states(&ids).await?;
    assert_eq!(found.len(), 202);
    found.retain(|stored| stored.state.series_id.as_str() > "m~" || stored.state == bare);
    for stored in &found {
        assert_eq!(stored.partition, 31);
        ensure!((before - 5_000..=now()? + 5_000).contains(&stored.stored_at.0));
    }
    found.sort_by(|a, b| a.state.series_id.cmp(&b.state.series_id));
    let [one, two] = &found[..] else {
        anyhow::bail!("{} are left", found.len());
    };
    assert_eq!((&one.state, &two.state), (&bare, &full));
    assert_eq!(store.stream_states(&[]).await?, []);
    Ok(())
}

fn now() -> Result<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_millis())?)
}

pub(crate) async fn offsets_states_and_effects_move_together_or_not_at_all<B: Backend>(
    backend: &B,
) -> Result<()> {
    let store = backend.open().await?;
    backend.execute(B::STOP_STREAMS).await?;
    let commits = [
        PartitionCommit {
            states: vec![state("good", 1)],
            ..step(0, 0, 1)
        },
        PartitionCommit {
            states: vec![state("bad", 1)],
            ..step(1, 0, 1)
        },
    ];
    let failed = store.commit_streams(LOG, &commits).await;
    error_of(failed)?;
    let offsets = || async { store.stream_offsets(&log(Some("one"))).await };
    assert_eq!(offsets().await?, []);
    assert_eq!(stored(&store, "good").await?, None);
    backend.execute(B::LET_STREAMS_GO).await?;
    assert_eq!(store.commit_streams(LOG, &commits).await?, [0, 1]);
    assert_eq!(offsets().await?, [at(0, 1, 1), at(1, 1, 1)]);
    stored(&store, "bad").await?.context("no state")?;
    Ok(())
}

pub(crate) async fn an_ended_stream_stays_until_no_replay_can_meet_it(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let commit =
        |expected, effects, safe, states: &[StreamState], ended: &[EndedStream]| PartitionCommit {
            safe,
            states: states.to_vec(),
            ended: ended.to_vec(),
            ..step(0, expected, effects)
        };
    let begin = commit(0, 5, 0, &[state("a", 5), state("b", 4)], &[]);
    // `b` ends and begins anew before anything is stored.
    let over = [end("a", 8, false), end("b", 7, false)];
    let ended = commit(5, 9, 7, &[state("a", 6), state("b", 9)], &over);
    assert_eq!(store.commit_streams(LOG, &[begin]).await?, [0]);
    assert_eq!(store.streams_count().await?, 2);
    assert_eq!(store.commit_streams(LOG, &[ended]).await?, [0]);
    let tombstone = stored(&store, "a").await?.context("no tombstone")?;
    assert_eq!((tombstone.next_offset, tombstone.run), (8, 1));
    ensure!(tombstone.state.is_empty());
    assert_eq!(stored(&store, "b").await?, Some(state("b", 9)));
    assert_eq!(store.streams_count().await?, 1);
    // A replay of what was before the end does not bring it back.
    let replay = commit(9, 9, 7, &[state("a", 7)], &[]);
    assert_eq!(store.commit_streams(LOG, &[replay]).await?, [0]);
    assert_eq!(stored(&store, "a").await?, Some(tombstone.clone()));
    // Another partition says nothing about it.
    assert_eq!(store.commit_streams(LOG, &[step(1, 0, 99)]).await?, [1]);
    assert_eq!(stored(&store, "a").await?, Some(tombstone));
    let past = commit(9, 9, 8, &[], &[]);
    assert_eq!(store.commit_streams(LOG, &[past]).await?, [0]);
    assert_eq!(stored(&store, "a").await?, None);
    // A stream that began anew has not ended.
    let later = commit(9, 20, 20, &[], &[]);
    assert_eq!(store.commit_streams(LOG, &[later]).await?, [0]);
    assert_eq!(stored(&store, "b").await?, Some(state("b", 9)));
    Ok(())
}
