//! Attempts on their way to the upstream: taken from the lanes by a thread, written into
//! batches, sent on one stream, and answered as the outcomes come back.
//!
//! Nothing is decided here. While the upstream is lost an attempt is answered `overloaded` at
//! once: it went nowhere. One that was sent when the upstream was lost is `outcome-unknown`:
//! decided or not, the same attempt again will tell (I3). An upstream that falls silent with
//! attempts out keeps later ones waiting until the stream gives it up, some seconds. Batches grow
//! under load by themselves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use huntcore_client::{AnsweredBatch, ClaimBatch, ClaimStream, ClaimStreamOptions, Client};
use huntcore_lane::{Listen, PendingBlock, ShardPort};
use huntcore_model::{Catalog, HuntNumber, Outcome, RoundNumber, TimeMicros};
use huntcore_projection::{Clock, Views};
use huntcore_wire::ClaimStreamForm;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::answers::{in_words, outcome};
use crate::link::Link;

/// A batch takes no further block once it holds so many attempts.
const BATCH_ATTEMPTS: usize = 4_096;
/// Batches that await their outcomes.
const BATCHES_OUT_MAX: usize = 16;
/// Batches written and not yet sent; with more the thread leaves blocks where they are, and
/// the next batch is larger.
const BATCHES_WRITTEN_MAX: usize = 2;
/// The longest the thread sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// What was forwarded, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Forwarded {
    pub(crate) attempts_total: AtomicU64,
    pub(crate) batches_total: AtomicU64,
    pub(crate) unknown_total: AtomicU64,
    pub(crate) micros_total: AtomicU64,
}

/// A batch and the blocks whose attempts it holds, in order.
pub(crate) struct Written {
    batch: ClaimBatch,
    blocks: Vec<Forwarding>,
}

struct Forwarding {
    block: PendingBlock,
    /// Attempts that need no upstream, by their place in the block.
    known: Vec<(usize, Outcome)>,
}

/// The thread's side: from the lanes to written batches.
pub(crate) struct Writer {
    pub(crate) port: ShardPort,
    pub(crate) link: Arc<Link>,
    pub(crate) views: Arc<Views>,
    pub(crate) written: mpsc::Sender<Written>,
    pub(crate) stopping: Arc<AtomicBool>,
}

/// The task's side: from written batches to the upstream and back.
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) views: Arc<Views>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) forwarded: Arc<Forwarded>,
    pub(crate) written: mpsc::Receiver<Written>,
}

/// The two sides' channel.
pub(crate) fn channel() -> (mpsc::Sender<Written>, mpsc::Receiver<Written>) {
    mpsc::channel(BATCHES_WRITTEN_MAX)
}

impl Writer {
    /// Runs until it is told to stop; what is then still in the lanes comes back as
    /// `outcome-unknown`.
    pub(crate) fn run(self) {
        while !self.stopping.load(Ordering::Acquire) {
            while let Some(written) = self.write() {
                // Gone only when the process stops: its blocks are answered as they are dropped.
                if self.written.blocking_send(written).is_err() {
                    return;
                }
            }
            self.port.wait(IDLE, Listen::All, || {
                !self.port.is_empty() || self.stopping.load(Ordering::Acquire)
            });
        }
    }

    /// Writes what waits, up to a batch; `None` if nothing does.
    fn write(&self) -> Option<Written> {
        let view = self.views.newest();
        let mut written = Written {
            batch: ClaimBatch::new(ClaimStreamForm::Protobuf),
            blocks: Vec::new(),
        };
        while written.batch.len() < BATCH_ATTEMPTS
            && let Some(mut block) = self.port.pop()
        {
            if !self.link.is_up() {
                let (attempts, outcomes) = block.parts_mut();
                outcomes.resize(attempts.len(), Outcome::Overloaded);
                block.answer();
                continue;
            }
            written.push(block, &view.catalog);
        }
        (!written.blocks.is_empty()).then_some(written)
    }
}

impl Written {
    fn push(&mut self, block: PendingBlock, catalog: &Catalog) {
        let mut known = Vec::new();
        for (index, attempt) in block.attempts().iter().enumerate() {
            match catalog.by_number(attempt.hunt) {
                Some(hunt) => {
                    let hunt = hunt.id.as_str();
                    self.batch
                        .push(hunt, attempt.round, attempt.tile, attempt.player);
                }
                None => known.push((index, Outcome::UnknownHunt)),
            }
        }
        self.blocks.push(Forwarding { block, known });
    }
}

impl Sender {
    /// Runs until `stop`, or until nobody writes any more and all is answered.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.forward() => {}
            // What is out comes back as `outcome-unknown` when it is dropped.
            () = stop.cancelled() => {}
        }
    }

    async fn forward(&mut self) {
        let mut stream = self.stream();
        let mut out: VecDeque<Vec<Forwarding>> = VecDeque::new();
        let mut ended = false;
        while !ended || !out.is_empty() {
            tokio::select! {
                biased;
                answered = stream.answered(), if !out.is_empty() => match answered {
                    Ok(Some(answered)) => {
                        let blocks = out.pop_front().expect("one for each batch that is out");
                        self.answer(blocks, &answered);
                    }
                    ended => {
                        let error = ended.err();
                        let reason = error.as_ref().map_or_else(String::new, in_words);
                        tracing::warn!("attempts are not forwarded: {reason}");
                        // Refused whole: nothing was decided. Else nobody knows.
                        let refused = error.is_some_and(|error| error.problem().is_some());
                        for blocks in out.drain(..) {
                            self.give_up(blocks, refused);
                        }
                        stream = self.stream();
                    }
                },
                written = self.written.recv(), if !ended && !stream.is_full() => match written {
                    Some(Written { batch, blocks }) if batch.is_empty() => {
                        for Forwarding { mut block, known } in blocks {
                            let outcomes = known.into_iter().map(|(_, outcome)| outcome);
                            block.parts_mut().1.extend(outcomes);
                            block.answer();
                        }
                    }
                    Some(Written { batch, blocks }) => {
                        if out.is_empty() && stream.has_ended() {
                            // It was lost while nothing was out.
                            stream = self.stream();
                        }
                        let attempts = batch.len() as u64;
                        if stream.send(batch, 0).await.is_err() {
                            // It ended before this was sent; what of others is among the answers.
                            self.give_up(blocks, true);
                            continue;
                        }
                        let forwarded = &self.forwarded;
                        forwarded.attempts_total.fetch_add(attempts, Ordering::Relaxed);
                        forwarded.batches_total.fetch_add(1, Ordering::Relaxed);
                        out.push_back(blocks);
                    }
                    None => ended = true,
                },
            }
        }
    }

    /// Attempts are sent once: what to do about one without an outcome is its asker's choice.
    fn stream(&self) -> ClaimStream {
        self.client.claim_stream(ClaimStreamOptions {
            form: ClaimStreamForm::Protobuf,
            batches_max: BATCHES_OUT_MAX,
        })
    }

    fn answer(&self, blocks: Vec<Forwarding>, answered: &AnsweredBatch) {
        let now = self.clock.now();
        let mut items = answered.items();
        for Forwarding { mut block, known } in blocks {
            let arrived = block.arrived();
            let (attempts, outcomes) = block.parts_mut();
            let mut known = known.into_iter().peekable();
            for (index, attempt) in attempts.iter().enumerate() {
                if let Some((_, outcome)) = known.next_if(|&(at, _)| at == index) {
                    outcomes.push(outcome);
                    continue;
                }
                let item = items.next().and_then(Result::ok);
                let told = item.map_or(Outcome::OutcomeUnknown, |item| outcome(&item, now));
                outcomes.push(match told {
                    Outcome::NotYetOpen { opens_at } => Outcome::NotYetOpen {
                        opens_at: self
                            .opens_at(attempt.hunt, attempt.round)
                            .unwrap_or(opens_at),
                    },
                    told => told,
                });
            }
            let micros = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
            let all = micros.saturating_mul(attempts.len() as u64);
            self.forwarded
                .micros_total
                .fetch_add(all, Ordering::Relaxed);
            block.answer();
        }
    }

    /// When a round opens that has been announced: the upstream only says how long to wait.
    fn opens_at(&self, hunt: HuntNumber, round: RoundNumber) -> Option<TimeMicros> {
        let view = self.views.newest();
        let known = view.catalog.by_number(hunt)?.round(round)?;
        Some(known.opened.schedule.opens_at)
    }

    fn give_up(&self, blocks: Vec<Forwarding>, refused: bool) {
        for Forwarding { mut block, .. } in blocks {
            let count = block.attempts().len();
            if refused {
                block.parts_mut().1.resize(count, Outcome::Overloaded);
                block.answer();
            } else {
                let unknown = &self.forwarded.unknown_total;
                unknown.fetch_add(count as u64, Ordering::Relaxed);
                // Dropped, it comes back as `outcome-unknown`.
            }
        }
    }
}
