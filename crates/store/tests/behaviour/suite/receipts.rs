//! Receipts of requests that may come again.

use anyhow::Result;
use contract::Revision;
use store::{Note, Precondition, Ready, Receipt, Refusal, Store};

use super::{fit, pend, points, refusal, series, v};
use crate::backend::Backend;

fn note(digest: &str) -> Note {
    Note {
        key: "k".to_owned(),
        digest: digest.to_owned(),
        reply: format!("{{\"of\":\"{digest}\"}}"),
    }
}

/// Stores a version of `id`, and makes it ready with `note` if `when` holds.
async fn fit_once(
    store: &Store,
    id: &str,
    note: &Note,
    when: &Precondition,
) -> Result<Result<Ready, store::RegistryError>> {
    let s = series(id);
    let version = pend(store, &s, &points(1, 3)).await?;
    Ok(store.mark_ready_when(&s, version, when, Some(note)).await)
}

pub(crate) async fn a_request_with_a_note_makes_one_version(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let any = &Precondition::Any;
    fit(&store, &s, &points(9, 3)).await?;

    // A change that is refused leaves no receipt.
    let never = Precondition::Revision(vec![Revision(7)]);
    let refused = refusal(fit_once(&store, "s", &note("a"), &never).await?)?;
    assert_eq!(refused, Refusal::Stale(Revision(1)));
    assert_eq!(store.receipt(&s, "k").await?, None);

    let ready = fit_once(&store, "s", &note("a"), any).await??;
    let receipt = Receipt {
        digest: "a".to_owned(),
        reply: note("a").reply,
        version: v(3),
        ready,
    };
    assert_eq!(ready.revision, Revision(2));
    assert_eq!(store.receipt(&s, "k").await?.as_ref(), Some(&receipt));
    for digest in ["a", "b"] {
        let again = refusal(fit_once(&store, "s", &note(digest), any).await?)?;
        assert_eq!(again, Refusal::Repeated);
    }
    assert_eq!(store.receipt(&s, "k").await?, Some(receipt));
    let detail = store.series(&s).await?.map(|detail| detail.summary);
    assert_eq!(
        detail.map(|series| (series.revision, series.newest)),
        Some((Revision(2), v(3)))
    );

    // Keys are those of one series.
    assert_eq!(store.receipt(&series("t"), "k").await?, None);
    fit_once(&store, "t", &note("a"), any).await??;
    Ok(())
}

pub(crate) async fn of_two_that_do_one_request_at_once_one_makes_the_version(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let (note, any) = (&note("a"), &Precondition::Any);
    let (one, two) = tokio::join!(
        fit_once(&store, "s", note, any),
        fit_once(&store, "s", note, any)
    );
    let done = [one?, two?];
    assert_eq!(
        done.iter().filter(|done| done.is_ok()).count(),
        1,
        "{done:?}"
    );
    let models = store.list_models(&series("s"), None, 10).await?;
    assert_eq!(models.map(|models| models.len()), Some(1));
    Ok(())
}

pub(crate) async fn a_receipt_is_kept_for_a_day<B: Backend>(backend: &B) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let any = &Precondition::Any;
    let age = format!(
        "UPDATE receipts SET created_at = {} - 24 * {}",
        B::NOW,
        B::HOUR
    );
    fit_once(&store, "s", &note("a"), any).await??;
    store.forget_receipts().await?;
    assert!(store.receipt(&s, "k").await?.is_some());

    backend.execute(&age).await?;
    assert_eq!(store.receipt(&s, "k").await?, None);
    // The key is free for another request, and that has a day of its own.
    fit_once(&store, "s", &note("b"), any).await??;
    store.forget_receipts().await?;
    let receipt = store.receipt(&s, "k").await?;
    assert_eq!(receipt.map(|receipt| receipt.digest), Some("b".to_owned()));

    backend.execute(&age).await?;
    store.forget_receipts().await?;
    assert_eq!(backend.number("SELECT count(*) FROM receipts").await?, 0);
    Ok(())
}
