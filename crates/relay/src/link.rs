//! What is known of the upstream: whether it is heard, and how far its log has come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use huntcore_model::Position;
use parking_lot::Mutex;

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    is_up: AtomicBool,
    pub(crate) batches_total: AtomicU64,
    pub(crate) bytes_total: AtomicU64,
    pub(crate) losses_total: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// Since when it is lost, and why.
    lost: Option<(Instant, String)>,
    /// The upstream's ends as it last told them, and when.
    ends: Position,
    told_at: Instant,
    /// Since when not all is shown that had been told by then.
    behind_since: Option<Instant>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            is_up: AtomicBool::new(false),
            batches_total: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
            losses_total: AtomicU64::new(0),
            known: Mutex::new(Known {
                lost: None,
                ends: Position::start(),
                told_at: Instant::now(),
                behind_since: None,
            }),
        }
    }

    /// Whether the upstream is heard.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// The upstream is heard.
    pub(crate) fn up(&self) {
        let mut known = self.known.lock();
        if !self.is_up.swap(true, Ordering::Relaxed) {
            known.lost = None;
        }
    }

    /// It is not; says whether it was until now.
    pub(crate) fn lost(&self, reason: &str) -> bool {
        // Whoever finds it lost finds the reason, too.
        let mut known = self.known.lock();
        let was_up = self.is_up.swap(false, Ordering::Relaxed);
        let since = known
            .lost
            .take()
            .map_or_else(Instant::now, |(since, _)| since);
        known.lost = Some((since, reason.to_owned()));
        if was_up {
            self.losses_total.fetch_add(1, Ordering::Relaxed);
        }
        was_up
    }

    /// Since when and why it is lost, if it is.
    pub(crate) fn loss(&self) -> Option<(Duration, String)> {
        if self.is_up() {
            return None;
        }
        let known = self.known.lock();
        let (since, reason) = known.lost.as_ref()?;
        Some((since.elapsed(), reason.clone()))
    }

    /// Takes note of the upstream's ends, while `shown` is what can be read here.
    ///
    /// What it told the last time should be shown by now: what it tells now is on its way.
    pub(crate) fn told(&self, ends: Position, shown: &Position) {
        let mut known = self.known.lock();
        if shown.covers(&known.ends) {
            known.behind_since = None;
        } else {
            let told_at = known.told_at;
            known.behind_since.get_or_insert(told_at);
        }
        known.ends = ends;
        known.told_at = Instant::now();
    }

    /// The upstream's ends as it last told them.
    pub(crate) fn ends(&self) -> Position {
        self.known.lock().ends.clone()
    }

    /// For how long something has been told of that is not shown.
    pub(crate) fn behind(&self) -> Option<Duration> {
        let since = self.known.lock().behind_since;
        since.map(|since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::after(ShardId::new(0), Sequence::new(sequence))
    }

    #[test]
    fn a_process_is_behind_while_it_does_not_show_what_was_told_before() {
        let link = Link::new();
        link.told(at(5), &at(3));
        assert!(link.behind().is_none(), "told of just now");
        link.told(at(9), &at(5));
        assert!(link.behind().is_none());
        link.told(at(12), &at(8));
        assert!(link.behind().is_some());
        link.told(at(12), &at(12));
        assert!(link.behind().is_none());
    }

    #[test]
    fn a_loss_is_counted_once_and_dated_from_its_beginning() {
        let link = Link::new();
        link.up();
        assert!(link.loss().is_none());
        assert!(link.lost("reset"));
        let (_, reason) = link.loss().expect("lost");
        assert_eq!(reason, "reset");
        assert!(!link.lost("refused"));
        assert_eq!(link.losses_total.load(Ordering::Relaxed), 1);
        link.up();
        assert!(link.loss().is_none());
    }
}
