//! Follows the upstream's log: from where this process stands, again and again, until told to
//! stop or until it cannot go on from there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use huntcore_projection::log_stream::{LogStreamReader, StreamItem};
use huntcore_projection::{Clock, Views};
use huntcore_wire::ProblemKind;
use tokio_util::sync::CancellationToken;

use crate::config::RelayConfig;
use crate::inflow::Inflow;
use crate::link::Link;
use crate::upstream::{Upstream, UpstreamError, lost};

/// What following needs.
pub(crate) struct Follow {
    pub(crate) config: RelayConfig,
    pub(crate) upstream: Upstream,
    pub(crate) inflow: Arc<Inflow>,
    pub(crate) link: Arc<Link>,
    pub(crate) views: Arc<Views>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Why a connection is over.
enum Over {
    /// Another may do better.
    Lost(String),
    /// None will.
    Fatal(String),
}

impl Follow {
    /// Follows until `stop`; an error says why it cannot.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), String> {
        let following = async {
            let mut backoff = Backoff::new(&self.config);
            loop {
                let heard_before = self.link.bytes_total.load(Ordering::Relaxed);
                let reason = match self.connection().await {
                    Over::Lost(reason) => reason,
                    Over::Fatal(reason) => return reason,
                };
                let upstream = &self.config.upstream;
                if self.link.lost(&reason) {
                    tracing::warn!(%upstream, "upstream lost: {reason}");
                } else {
                    tracing::debug!(%upstream, "upstream not reached: {reason}");
                }
                if self.link.bytes_total.load(Ordering::Relaxed) > heard_before {
                    backoff = Backoff::new(&self.config);
                }
                tokio::time::sleep(backoff.next()).await;
            }
        };
        tokio::select! {
            reason = following => Err(reason),
            () = stop.cancelled() => Ok(()),
        }
    }

    /// Reads one connection to its end.
    async fn connection(&self) -> Over {
        let from = self.inflow.ends();
        let mut response = match self.upstream.batches(&from).await {
            Ok(response) => response,
            Err(error) => return self.refused(&error),
        };
        let mut reader = LogStreamReader::default();
        loop {
            if !self.inflow.room(self.config.silence_max).await {
                // One stream's batches wait for another's that are still to come.
                self.inflow.forget_waiting();
                return Over::Lost("the projections hold it up; it is asked again".to_owned());
            }
            // The client gives up on a connection that is silent for too long.
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Over::Lost("it ended the log".to_owned()),
                Err(error) => return Over::Lost(lost(error).to_string()),
            };
            let bytes = chunk.len() as u64;
            self.link.bytes_total.fetch_add(bytes, Ordering::Relaxed);
            reader.push(&chunk);
            while let Some(item) = reader.next_item() {
                match item {
                    Ok(StreamItem::Batch(batch)) => {
                        if let Err(fork) = self.inflow.push(batch) {
                            return Over::Fatal(fork.to_string());
                        }
                        self.link.batches_total.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(StreamItem::Note(note)) => {
                        self.clock.advance_to(note.time);
                        self.link.told(note.ends, &self.views.newest().position);
                        // Not before it has said how far it is: until then nobody can tell
                        // whether all of that is shown here.
                        if !self.link.is_up() {
                            tracing::info!(upstream = %self.config.upstream, "upstream followed");
                            self.link.up();
                        }
                    }
                    Err(error) => return Over::Lost(format!("it sends no log: {error}")),
                }
            }
        }
    }

    fn refused(&self, error: &UpstreamError) -> Over {
        let kind = match error {
            UpstreamError::Refused { kind, .. } => *kind,
            UpstreamError::Lost(_) => None,
        };
        let upstream = &self.config.upstream;
        match kind {
            Some(ProblemKind::LogTrimmed) => Over::Fatal(format!(
                "upstream {upstream}: {error}; start again, from its checkpoint"
            )),
            Some(ProblemKind::LogAhead) => Over::Fatal(format!(
                "upstream {upstream}: {error}; it is another log, or has lost its end; start \
                 again to show what it holds now"
            )),
            _ => Over::Lost(error.to_string()),
        }
    }
}

/// When to try again: later and later, and not all edges at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(config: &RelayConfig) -> Self {
        Self {
            next: config.retry_first,
            max: config.retry_max,
        }
    }

    /// How long to wait now: between half of it and all of it.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = self.next.saturating_mul(2).min(self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_differ() {
        let config = RelayConfig::new("http://localhost");
        let mut backoff = Backoff::new(&config);
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] <= config.retry_first);
        assert!(waits.iter().all(|wait| *wait <= config.retry_max));
        assert!(waits[30..].iter().all(|wait| *wait >= config.retry_max / 2));
        assert!(waits[30..].windows(2).any(|pair| pair[0] != pair[1]));
    }
}
