//! Many series at once, with a bar that shows how far they are.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// Runs `work` on each of `items`, on this number of threads. Results are in the order of `items`.
///
/// # Errors
/// The first error in the order of `items`; the others are still worked on.
pub(crate) fn map<T: Sync, R: Send>(
    threads: usize,
    doing: &str,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let bar = bar(items.len(), doing);
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some((i, item)) = take(&next, items) {
                    let result = work(item);
                    bar.inc(1);
                    done.lock()
                        .expect("no thread panics with it")
                        .push((i, result));
                }
            });
        }
    });
    bar.finish_and_clear();
    eprintln!(
        "{doing}: {} in {:.1} s",
        items.len(),
        started.elapsed().as_secs_f64()
    );
    let mut done = done.into_inner().expect("no thread panics with it");
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let i = next.fetch_add(1, Ordering::Relaxed);
    Some((i, items.get(i)?))
}

fn bar(total: usize, doing: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    let template = "{msg} {wide_bar} {human_pos}/{human_len}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    bar.set_style(style);
    bar.set_message(doing.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_the_first_error_is_the_one_reported() {
        let items: Vec<u32> = (0..100).collect();
        let squares = map(3, "squaring", &items, |i| Ok(i * i)).unwrap();
        assert!(squares.iter().zip(&items).all(|(s, i)| *s == i * i));
        let refuse = |i: &u32| match i % 40 {
            39 => Err(anyhow::anyhow!("no {i}")),
            _ => Ok(()),
        };
        let error = map(3, "refusing", &items, refuse).unwrap_err();
        assert_eq!(error.to_string(), "no 39");
        assert!(map(2, "nothing", &[], |_: &u32| Ok(())).unwrap().is_empty());
    }
}
