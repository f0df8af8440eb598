//! Retrying what fails while something is down.

use std::{error::Error, time::Duration};

/// The first pause between two attempts. Each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Repeats `attempt` until it succeeds. Logs an outage as `what` when it begins and when it ends.
pub async fn retry_forever<T, E, Fut>(what: &'static str, mut attempt: impl FnMut() -> Fut) -> T
where
    E: Error + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt().await {
            Ok(done) if pause == FIRST_PAUSE => return done,
            Ok(done) => {
                tracing::info!(what, "works again");
                return done;
            }
            Err(error) => error,
        };
        if pause == FIRST_PAUSE {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                what,
                error = format_args!("{error:#}"),
                "does not work; trying until it does"
            );
        }
        // A random pause, because several callers may wait for the same thing.
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fmt};

    use super::*;

    #[derive(Debug)]
    struct Away;

    impl fmt::Display for Away {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("away")
        }
    }

    impl Error for Away {}

    #[tokio::test]
    async fn it_is_tried_until_it_succeeds() {
        let tries = Cell::new(0);
        let done = retry_forever("a test", || {
            tries.set(tries.get() + 1);
            let tries = tries.get();
            async move { if tries < 3 { Err(Away) } else { Ok(tries) } }
        });
        assert_eq!(done.await, 3);
    }
}
