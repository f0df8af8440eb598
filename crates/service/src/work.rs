//! Long work, off the threads that serve requests, and no more of it at once than there are cores.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// The cores that long work of one kind may use. Cheap to clone; clones share the cores.
#[derive(Clone)]
pub struct CorePool(Arc<Semaphore>);

/// The right to keep one core busy, until it is dropped.
pub struct CorePermit {
    pool: CorePool,
    core: Option<OwnedSemaphorePermit>,
}

impl CorePool {
    /// As many permits as the machine has cores: more work at once would only take more memory.
    pub fn new() -> Self {
        Self::with_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// As many permits as `cores`.
    pub fn with_cores(cores: usize) -> Self {
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// A permit, as soon as one is free. Those who wait are served in their order.
    pub async fn acquire(&self) -> CorePermit {
        CorePermit {
            pool: self.clone(),
            core: self.take().await,
        }
    }

    /// As [`Self::acquire`]; `None` if that takes longer than `limit`.
    pub async fn acquire_within(&self, limit: Duration) -> Option<CorePermit> {
        timeout(limit, self.acquire()).await.ok()
    }

    /// `None` only if the semaphore was closed, which it never is.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

impl Default for CorePool {
    fn default() -> Self {
        Self::new()
    }
}

impl CorePermit {
    /// Runs `work` on a thread for long work, which keeps the permit to its end, even if the caller
    /// stops waiting. A panic in it goes on in the caller.
    pub async fn run<T, F>(self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        blocking(move || {
            let _permit = self;
            work()
        })
        .await
    }

    /// Runs `wait`, which blocks, while others may have the core; then waits for a core again.
    ///
    /// # Panics
    /// On a thread that serves requests: only long work may block.
    pub fn lend_while<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        self.core = None;
        let waited = wait();
        self.core = Handle::current().block_on(self.pool.take());
        waited
    }
}

/// Runs `work` on a thread for long work. A panic in it goes on in the caller.
pub async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    finished(spawn_blocking(work)).await
}

/// The result of `running`. A panic in it goes on in the caller.
pub async fn finished<T>(running: JoinHandle<T>) -> T {
    match running.await {
        Ok(output) => output,
        // It is cancelled only when the runtime ends, and the caller with it.
        Err(ended) => resume_unwind(ended.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_core_is_free_again_when_its_permit_is_dropped() {
        let pool = CorePool::with_cores(1);
        let permit = pool.acquire_within(SOON).await;
        assert!(permit.is_some());
        assert!(pool.acquire_within(SOON).await.is_none());
        drop(permit);
        assert_eq!(pool.acquire().await.run(|| 7).await, 7);
        assert!(pool.acquire_within(SOON).await.is_some());
    }

    #[tokio::test]
    async fn work_keeps_its_core_when_nobody_waits_for_it_any_more() {
        let pool = CorePool::with_cores(1);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = pool.acquire().await.run(move || ended.recv());
        assert!(timeout(SOON, work).await.is_err());
        assert!(pool.acquire_within(SOON).await.is_none());
        drop(end);
        pool.acquire().await;
    }

    #[tokio::test]
    async fn a_core_is_lent_while_its_work_waits() {
        let pool = CorePool::with_cores(1);
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let mut permit = pool.acquire().await;
        let waiting = spawn_blocking(move || {
            permit.lend_while(|| {
                begin.send(()).expect("the test waits");
                ended.recv()
            })
        });
        begun.await.expect("it begins");
        assert_eq!(pool.acquire().await.run(|| 7).await, 7);
        drop(end);
        assert!(finished(waiting).await.is_err());
    }
}
