//! The running figures that a service's health check reports.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::{Figures, LoadFigures, ProcessFigures, Status, SystemMetrics};
use tokio::{sync::Mutex, time::timeout};

use crate::{system::Sampler, task::on_main};

/// The age at which figures are read again.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The time that a reading may take.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The latest figures of the platform, and this process's use of the machine.
pub struct Snapshot {
    /// Whether the figures are up to date.
    pub status: Status,
    /// The figures: at most a second old if they are up to date, or else the last known ones, which
    /// are zeros before the first reading.
    pub figures: Arc<Figures>,
    /// The use of the machine by this process.
    pub system: SystemMetrics,
}

/// Reads figures at most once a second, however many ask.
pub struct FigureReader {
    read: Read,
    last: Mutex<Last>,
    sampler: Sampler,
}

/// `None`: they cannot be read.
type Reading = Pin<Box<dyn Future<Output = Option<Figures>> + Send>>;
type Read = Box<dyn Fn() -> Reading + Send + Sync>;

#[derive(Default)]
struct Last {
    asked: Option<Instant>,
    status: Status,
    figures: Arc<Figures>,
}

impl FigureReader {
    /// Reads figures by `read`, which runs on the main runtime and has a second.
    pub fn new<F, Fut, E>(read: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Figures, E>> + Send + 'static,
    {
        Self {
            read: Box::new(move || {
                let reading = read();
                Box::pin(async move { reading.await.ok() })
            }),
            last: Mutex::default(),
            sampler: Sampler::default(),
        }
    }

    /// The latest figures. A reading that failed is not repeated within the second either.
    pub async fn latest(&self) -> Snapshot {
        let mut last = self.last.lock().await;
        if last.asked.is_none_or(|asked| asked.elapsed() >= FRESH_FOR) {
            let reading = (self.read)();
            let read = on_main(async move { timeout(READ_WITHIN, reading).await });
            match read.await {
                Ok(Some(figures)) => {
                    last.figures = Arc::new(figures);
                    last.status = Status::Ok;
                }
                Ok(None) | Err(_) => last.status = Status::Degraded,
            }
            last.asked = Some(Instant::now());
        }
        Snapshot {
            status: last.status,
            figures: Arc::clone(&last.figures),
            system: self.sampler.sample(),
        }
    }
}

impl FigureReader {
    /// What this process tells the gateway of itself, with the load that `of` finds in the latest
    /// figures.
    pub async fn process(&self, of: impl Fn(&Figures) -> LoadFigures) -> ProcessFigures {
        let latest = self.latest().await;
        ProcessFigures {
            load: (latest.status == Status::Ok).then(|| of(&latest.figures)),
            ..self.sampler.process()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Counts readings; the first one and every one after the second fail.
    fn counting() -> (Arc<AtomicU64>, FigureReader) {
        let readings = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&readings);
        let reader = FigureReader::new(move || {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                let figures = Figures {
                    series_trained: number,
                    ..Figures::default()
                };
                (number == 2).then_some(figures).ok_or("away")
            }
        });
        (readings, reader)
    }

    #[tokio::test]
    async fn figures_are_read_once_a_second_however_many_ask_and_whether_they_can_be_read_or_not() {
        let (readings, reader) = counting();
        for (number, status, trained) in [
            (1, Status::Degraded, 0),
            (2, Status::Ok, 2),
            (3, Status::Degraded, 2), // the last known ones
        ] {
            for snapshot in join_all((0..20).map(|_| reader.latest())).await {
                let known = (snapshot.status, snapshot.figures.series_trained);
                assert_eq!(known, (status, trained), "reading {number}");
            }
            assert_eq!(readings.load(Ordering::Relaxed), number);
            // A second passes.
            reader.last.lock().await.asked = Instant::now().checked_sub(FRESH_FOR);
        }
    }
}
