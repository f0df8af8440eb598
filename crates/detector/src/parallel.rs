//! Parallel parts of a fit, which halve the time that a caller waits for a model. Each part
//! computes the same as it would alone, so the model is the same, bit for bit.

use std::{panic::resume_unwind, thread};

/// The number of points below which a fit is over before a thread has started.
const WORTH_A_THREAD: usize = 2_000;

/// Runs `a` and `b`, in parallel if they are about enough `points`, and returns both results.
pub(crate) fn join<A: Send, B>(
    points: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B,
) -> (A, B) {
    if points < WORTH_A_THREAD {
        return (a(), b());
    }
    thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        (a.join().unwrap_or_else(|panic| resume_unwind(panic)), b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_either_side_is_one_of_the_caller() {
        assert_eq!(join(WORTH_A_THREAD, || 1, || "b"), (1, "b"));
        for points in [0, WORTH_A_THREAD] {
            let panics = || -> i32 { panic!("as told") };
            assert!(std::panic::catch_unwind(|| join(points, panics, || 0)).is_err());
            assert!(std::panic::catch_unwind(|| join(points, || 0, panics)).is_err());
        }
    }
}
