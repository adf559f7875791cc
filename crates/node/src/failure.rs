//! The one way in which a node ends without being asked to.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells everybody the first thing that went wrong for good.
///
/// A part that cannot keep its promises any more reports here and stops. The program then
/// exits with the message; a restart recovers from the log.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    first: watch::Sender<Option<Arc<str>>>,
}

impl Failure {
    pub(crate) fn new() -> Self {
        Self {
            first: watch::Sender::new(None),
        }
    }

    /// Reports; only the first report counts.
    pub(crate) fn report(&self, what: &str) {
        let is_first = self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(Arc::from(what));
            }
            is_first
        });
        if is_first {
            tracing::error!("{what}");
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.first.subscribe()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.first.borrow().is_some()
    }
}
