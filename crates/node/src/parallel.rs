//! The same work on several things at once, at a start.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` makes of each item, in their order; begun in their order too, on as many threads
/// as the machine runs at once.
pub(crate) fn map<T: Sync, R: Send + Sync>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    let run = || {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            // Nobody else has got this index.
            drop(results[index].set(work(item)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let done = |result: OnceLock<R>| result.into_inner().expect("every item was worked on");
    results.into_iter().map(done).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1_000).collect();
        let doubled = super::map(&items, |item| item * 2);
        assert!(
            doubled
                .into_iter()
                .eq(items.into_iter().map(|item| item * 2))
        );
        assert!(super::map(&[0_u8; 0], |item| *item).is_empty());
    }
}
