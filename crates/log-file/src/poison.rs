//! The end of trust: what a log does after a write or sync failed.
//!
//! After a failed sync the kernel may call pages clean that never reached the disk, so
//! neither a second sync nor reading back proves anything. Only a new start helps: it
//! reads everything, and writes anew what is not known to be durable.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Why the log trusts itself no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// The file that failed first.
    pub file: PathBuf,
    /// What failed, and how.
    pub reason: Arc<str>,
}

/// Called once, from the thread that found out. It must not drop the log.
pub(crate) type OnPoison = Box<dyn Fn(&Poison) + Send + Sync>;

/// Set once, for all streams of a log.
#[derive(Default)]
pub(crate) struct PoisonCell {
    poison: OnceLock<Poison>,
    on_poison: Option<OnPoison>,
}

impl PoisonCell {
    pub(crate) fn new(on_poison: Option<OnPoison>) -> Self {
        Self {
            poison: OnceLock::new(),
            on_poison,
        }
    }

    pub(crate) fn get(&self) -> Option<&Poison> {
        self.poison.get()
    }

    /// Poisons the log and tells so, unless somebody did before; gives the first reason.
    pub(crate) fn set(&self, poison: Poison) -> &Poison {
        let mut first = false;
        let poison = self.poison.get_or_init(|| {
            first = true;
            poison
        });
        if first {
            tracing::error!(
                file = %poison.file.display(),
                reason = %poison.reason,
                "the log is poisoned and refuses everything: restart to recover"
            );
            if let Some(on_poison) = &self.on_poison {
                on_poison(poison);
            }
        }
        poison
    }
}
