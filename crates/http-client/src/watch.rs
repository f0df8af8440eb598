//! Watches the backends of a service in the background: looks their names up, and probes those that
//! seem to hang.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::{RequestHead, backend::Backend, pool::Pool, request::BodyLength};

/// How often backends are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How often names are looked up: each this many looks.
const LOOK_UP_EACH: u32 = 3;

/// How long a backend has to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// Whether the backends of a pool are watched, or need not be.
#[derive(Debug, Default)]
pub(super) struct Watched(AtomicBool);

/// Begins to watch the backends of `pool`, unless they are watched already. The watch ends with the
/// pool, or with the thread that began it.
pub(super) fn begin(pool: &Arc<Pool>) {
    // Looked at for each request, and nearly always set.
    if pool.watched.0.load(Relaxed) || pool.watched.0.swap(true, Relaxed) {
        return;
    }
    if !pool.members.have_names() && !pool.members.are_several() {
        return;
    }
    let watch = Watch(Arc::downgrade(pool));
    #[expect(
        clippy::disallowed_methods,
        reason = "the next request begins another one, however it ends"
    )]
    tokio::spawn(watch.run());
}

struct Watch(Weak<Pool>);

impl Watch {
    async fn run(self) {
        let mut looks = 0;
        while let Some(pool) = self.0.upgrade() {
            if looks % LOOK_UP_EACH == 0 && pool.members.have_names() {
                pool.members.look_up().await;
            }
            looks = looks.wrapping_add(1);
            probe_all(&pool).await;
            drop(pool);
            sleep(EVERY).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.watched.0.store(false, Relaxed);
        }
    }
}

async fn probe_all(pool: &Arc<Pool>) {
    if !pool.members.are_several() {
        return;
    }
    let (_, backends) = pool.members.now();
    for backend in backends.iter().filter(|backend| backend.is_suspicious()) {
        match timeout(PROBE_TIMEOUT, probe(pool, backend)).await {
            Ok(true) => backend.set_hangs(false),
            // One that does not accept is ejected for that.
            Ok(false) => {}
            Err(_) => pool.members.note_hanging(backend),
        }
    }
}

/// Whether `backend` answers.
async fn probe(pool: &Arc<Pool>, backend: &Arc<Backend>) -> bool {
    let Ok(mut connection) = pool.connect(backend).await else {
        return false;
    };
    let head = RequestHead::get("/livez", None);
    head.write(
        backend.authority(),
        BodyLength::Known(0),
        &mut connection.out,
    );
    connection.ask(&[]).await.is_ok()
}
