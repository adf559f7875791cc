//! Where time comes from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use huntcore_model::TimeMicros;

/// Tells the time. Everything else in the program is told it.
pub trait Clock: Send + Sync {
    /// Now. Never goes back within a process.
    fn now(&self) -> TimeMicros;
}

/// The machine's clock, held still while it is set back.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_micros: AtomicU64,
}

impl Clock for SystemClock {
    fn now(&self) -> TimeMicros {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let micros = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        let before = self.latest_micros.fetch_max(micros, Ordering::Relaxed);
        TimeMicros::new(before.max(micros))
    }
}
