//! The owner's side of a live connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use huntcore_model::BoardName;
use huntcore_wire::{ClaimItem, ClaimRequest, Interest, LiveState, OutcomeMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::LiveEvent;
use super::connector::LiveOptions;
use super::subscription::Subscription;
use crate::claims::{is_worth_repeating, retry_after};
use crate::{ClientError, RetryPolicy};

/// A live connection that keeps itself up; ends when it is dropped.
#[derive(Debug)]
pub struct LiveConnection {
    events: mpsc::Receiver<LiveEvent>,
    handle: LiveHandle,
    task: JoinHandle<()>,
}

/// Makes attempts on a live connection and looks at its state; cheap to clone. Of no use once
/// the connection has ended.
#[derive(Clone, Debug)]
pub struct LiveHandle {
    asks: mpsc::Sender<Ask>,
    state: SharedState,
    wanted: watch::Sender<Subscription>,
    claim_retry: RetryPolicy,
    outcome_timeout: Duration,
}

/// The hunt's state, folded by the connection's task.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedState(Arc<Mutex<LiveState>>);

/// An attempt for the task to make.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) request: ClaimRequest,
    pub(super) reply: oneshot::Sender<OutcomeMessage>,
}

impl LiveConnection {
    pub(super) const fn new(
        events: mpsc::Receiver<LiveEvent>,
        handle: LiveHandle,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            events,
            handle,
            task,
        }
    }

    /// The next event; `None` after the end. May be given up at any time and loses nothing.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        self.events.recv().await
    }

    /// For making attempts elsewhere while this reads events.
    #[must_use]
    pub fn handle(&self) -> LiveHandle {
        self.handle.clone()
    }

    /// See [`LiveHandle::claim`].
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimItem, ClientError> {
        self.handle.claim(request).await
    }

    /// See [`LiveHandle::with_state`].
    pub fn with_state<T>(&self, look: impl FnOnce(&LiveState) -> T) -> T {
        self.handle.with_state(look)
    }

    /// See [`LiveHandle::set_interest`].
    pub fn set_interest(&self, interest: Interest) {
        self.handle.set_interest(interest);
    }

    /// See [`LiveHandle::set_own_rank`].
    pub fn set_own_rank(&self, board: Option<BoardName>) {
        self.handle.set_own_rank(board);
    }

    /// Says goodbye to the server and waits until the connection has ended.
    pub async fn close(mut self) {
        self.events.close();
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl LiveHandle {
    pub(super) const fn new(
        asks: mpsc::Sender<Ask>,
        state: SharedState,
        wanted: watch::Sender<Subscription>,
        options: &LiveOptions,
    ) -> Self {
        Self {
            asks,
            state,
            wanted,
            claim_retry: options.claim_retry,
            outcome_timeout: options.outcome_timeout,
        }
    }

    /// Makes an attempt and waits for its outcome, across lost connections too.
    ///
    /// Every outcome is an `Ok`, won or not. It is repeated while the server is overloaded,
    /// limits the rate or does not know the outcome. To have no outcome within the client's
    /// request timeout is an error; making the same attempt again is safe.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimItem, ClientError> {
        let mut retries = self.claim_retry.start();
        loop {
            let item = tokio::time::timeout(self.outcome_timeout, self.ask(request))
                .await
                .unwrap_or_else(|_| Err(ClientError::lost("no outcome in time")))?;
            let again = is_worth_repeating(item.outcome);
            let delay = again.then(|| retries.next_delay(retry_after(&item)));
            match delay.flatten() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Ok(item),
            }
        }
    }

    /// Looks at the hunt's state. The connection's task waits meanwhile: look briefly.
    pub fn with_state<T>(&self, look: impl FnOnce(&LiveState) -> T) -> T {
        look(&self.state.lock())
    }

    /// Wants to hear of something else from now on. Once the server agrees, a `Subscribed` event
    /// and mostly a snapshot follow; if it refuses, an `error` does and the old interest stays. Of
    /// several wishes in a row only the last is sure to be asked for.
    pub fn set_interest(&self, interest: Interest) {
        self.wanted.send_modify(|wanted| wanted.interest = interest);
    }

    /// Wants to hear of the player's own place on another board, or on none; otherwise like
    /// [`Self::set_interest`].
    pub fn set_own_rank(&self, board: Option<BoardName>) {
        self.wanted.send_modify(|wanted| wanted.own_rank = board);
    }

    async fn ask(&self, request: &ClaimRequest) -> Result<ClaimItem, ClientError> {
        let ended = || ClientError::Closed {
            code: None,
            reason: "it has ended".to_owned(),
        };
        let (reply, outcome) = oneshot::channel();
        let ask = Ask {
            request: request.clone(),
            reply,
        };
        self.asks.send(ask).await.map_err(|_| ended())?;
        let told = outcome.await.map_err(|_| ended())?;
        Ok(ClaimItem {
            outcome: told.outcome,
            receipt: told.receipt,
            points: told.points,
            winner_position: told.winner_position,
            retry_after_ms: told.retry_after_ms,
            error: told.detail,
        })
    }
}

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, LiveState> {
        // A panic while looking leaves the state whole: only the task changes it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
