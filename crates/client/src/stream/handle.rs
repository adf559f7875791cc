//! What a caller holds of a stream.

use std::fmt;

use huntcore_wire::ClaimStreamForm;
use tokio::sync::mpsc;

use super::batch::{AnsweredBatch, ClaimBatch};
use super::driver::{Driver, SentBatch};
use crate::{Client, ClientError};

/// How a [`ClaimStream`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimStreamOptions {
    /// How attempts and outcomes are written.
    pub form: ClaimStreamForm,
    /// Batches that may await their outcomes; at least 1. With more [`ClaimStream::send`]
    /// waits.
    pub batches_max: usize,
}

impl Default for ClaimStreamOptions {
    /// Protobuf, 16 batches.
    fn default() -> Self {
        Self {
            form: ClaimStreamForm::Protobuf,
            batches_max: 16,
        }
    }
}

/// Attempts for many players over one connection, made with the service key.
///
/// Every attempt sent gets exactly one outcome, in order, unless the stream ends with an
/// error: then it is not known what became of those still without one. Attempts without an
/// outcome are sent again when the connection is lost, as the client's retry policy says;
/// its time counts from the last sign of progress. Outcomes are never repeated or looked
/// into: what to do about an `overloaded` is the caller's choice.
///
/// Dropping it ends the connection; what was sent may still be decided.
pub struct ClaimStream {
    form: ClaimStreamForm,
    batches_max: usize,
    /// Sent, and their answers not yet given to the caller.
    out: usize,
    /// Gone once the caller has sent its last.
    batches: Option<mpsc::Sender<SentBatch>>,
    answers: mpsc::Receiver<Result<AnsweredBatch, ClientError>>,
    /// Answered while the caller waited for room.
    ready: std::collections::VecDeque<AnsweredBatch>,
    driver: tokio::task::AbortHandle,
}

impl Client {
    /// Begins a stream of attempts. Connects when the first batch is sent; to be called
    /// within a runtime.
    #[must_use]
    pub fn claim_stream(&self, options: ClaimStreamOptions) -> ClaimStream {
        let batches_max = options.batches_max.max(1);
        let (batches, sent) = mpsc::channel(batches_max);
        // Room for every batch that may be out, and an error.
        let (answered, answers) = mpsc::channel(batches_max + 1);
        let driver = Driver::new(self.clone(), options.form, sent, answered);
        let driver = tokio::spawn(driver.run()).abort_handle();
        ClaimStream {
            form: options.form,
            batches_max,
            out: 0,
            batches: Some(batches),
            answers,
            ready: std::collections::VecDeque::new(),
            driver,
        }
    }
}

impl ClaimStream {
    /// An empty batch in the stream's form.
    #[must_use]
    pub fn batch(&self) -> ClaimBatch {
        ClaimBatch::new(self.form)
    }

    /// How many batches await being taken with [`Self::answered`].
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.out
    }

    /// Whether [`Self::send`] would have to wait for answers first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.out - self.ready.len() >= self.batches_max
    }

    /// Whether nothing can be sent any more; why is among the answers that are still out.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.batches.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Sends a batch; `tag` comes back with its outcomes. Waits while as many as allowed are
    /// out; what is answered meanwhile is kept for [`Self::answered`]. An empty batch is not
    /// sent.
    pub async fn send(&mut self, batch: ClaimBatch, tag: u64) -> Result<(), ClientError> {
        if batch.is_empty() {
            return Ok(());
        }
        while self.is_full() {
            match self.answers.recv().await {
                Some(answer) => self.ready.push_back(answer?),
                None => return Err(ended()),
            }
        }
        let (bytes, len) = batch.into_parts();
        let sent = SentBatch { tag, bytes, len };
        let batches = self.batches.as_ref().ok_or_else(ended)?;
        if batches.send(sent).await.is_err() {
            // The reason is in the answers, behind those that came before the end: each of
            // them belongs to a batch that somebody waits for.
            return loop {
                match self.answers.recv().await {
                    Some(Ok(answer)) => self.ready.push_back(answer),
                    Some(Err(error)) => break Err(error),
                    None => break Err(ended()),
                }
            };
        }
        self.out += 1;
        Ok(())
    }

    /// The next batch's outcomes, in the order of sending; `None` once all that was sent is
    /// answered. May be dropped and called again.
    pub async fn answered(&mut self) -> Result<Option<AnsweredBatch>, ClientError> {
        if self.out == 0 {
            return Ok(None);
        }
        let answer = match self.ready.pop_front() {
            Some(ready) => ready,
            None => self.answers.recv().await.ok_or_else(ended)??,
        };
        self.out -= 1;
        Ok(Some(answer))
    }

    /// Says that nothing more will be sent. What is out can still be taken.
    pub fn finish(&mut self) {
        self.batches = None;
    }
}

impl Drop for ClaimStream {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for ClaimStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClaimStream")
            .field("form", &self.form)
            .field("in_flight", &self.out)
            .finish_non_exhaustive()
    }
}

fn ended() -> ClientError {
    ClientError::Closed {
        code: None,
        reason: "the stream of attempts has ended".to_owned(),
    }
}
