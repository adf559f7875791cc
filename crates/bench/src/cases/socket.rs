//! The batch door: a server of its own, one connection kept full, outcomes read back and held
//! against what was asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use huntcore_client::{AnsweredBatch, ClaimBatch, ClaimStream, ClaimStreamOptions};
use huntcore_model::{OutcomeKind, TileIndex};
use huntcore_wire::ClaimStreamForm;

use super::in_process::Offer;
use super::public_face::block_on;
use crate::claims::Run;
use crate::load::{
    CpuShare, Crowd, Drawn, HUNT_TILES, Latency, Pacer, Source, ThreadCpu, WonTiles, rate,
};
use crate::report::{BenchError, Row};
use crate::server::{NO_PLAYER_RATE, OpenRound, Server};

/// Attempts written together.
const BATCH: usize = 1_000;
/// An attempt takes about so many bytes on its way.
const ATTEMPT_BYTES: usize = 80;
/// An open loop sends what is due this often: a runtime's timer is no finer.
const TURN: Duration = Duration::from_millis(1);
/// For the answers still missing at the end.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Batches that a connection may have out.
pub(crate) const BATCHES_OUT: usize = 32;

/// A server with all of a source's attempts on one connection, its accounts held against what
/// came back.
pub(crate) fn through_one_connection(
    run: &mut Run<'_>,
    case: &str,
    form: ClaimStreamForm,
    source: Source,
    offer: Offer,
) -> Result<Streamed, BenchError> {
    let server = Server::start(&run.bench.program, 1, NO_PLAYER_RATE)?;
    let hunts = source.hunts();
    let streamed = block_on(async {
        let rounds = server.open_hunts(hunts, HUNT_TILES).await?;
        let before = server.counts().await?;
        let load = StreamLoad {
            server: &server,
            rounds: &rounds,
            form,
            source,
            offer,
            duration: run.duration(),
            batches_max: BATCHES_OUT,
        };
        let streamed = load.run().await?;
        check_accounts(case, &server, &streamed, &before).await?;
        Ok(streamed)
    })?;
    run.report.rows.push(streamed.row(case, &server));
    Ok(streamed)
}

/// What was asked, and what came of it.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) sent: u64,
    pub(crate) decided: u64,
    pub(crate) refused: u64,
    pub(crate) won: WonTiles,
    pub(crate) elapsed: Duration,
    pub(crate) latency: Latency,
    pub(crate) cpu: CpuShare,
}

impl Streamed {
    pub(crate) fn row(&self, case: &str, server: &Server) -> Row {
        let mut row = Row::new(case, rate(self.decided, self.elapsed), "attempts/s");
        row.generator_cpu_percent = Some(self.cpu.percent());
        self.latency.fill(row).holding(server.resident_bytes())
    }
}

/// How a load is put on one connection.
pub(crate) struct StreamLoad<'a> {
    pub(crate) server: &'a Server,
    pub(crate) rounds: &'a [OpenRound],
    pub(crate) form: ClaimStreamForm,
    pub(crate) source: Source,
    pub(crate) offer: Offer,
    pub(crate) duration: Duration,
    /// Batches that may be out.
    pub(crate) batches_max: usize,
}

impl StreamLoad<'_> {
    /// Runs until the time or the source is used up, and every attempt has its outcome.
    pub(crate) async fn run(self) -> Result<Streamed, BenchError> {
        let cpu = ThreadCpu::start();
        let cpu_of_server = self.server.cpu();
        let stream = self.server.client.claim_stream(ClaimStreamOptions {
            form: self.form,
            batches_max: self.batches_max,
        });
        let hunts = u32::try_from(self.rounds.len()).expect("few");
        let mut asking = Asking {
            stream,
            rounds: self.rounds,
            crowd: Crowd::new(),
            source: Some(self.source),
            asked: VecDeque::new(),
            spare: Vec::new(),
            sent: 0,
            decided: 0,
            refused: 0,
            won: WonTiles::new(hunts),
            latency: Latency::new(),
        };
        let started = Instant::now();
        match self.offer {
            Offer::Closed => asking.closed_loop(started + self.duration).await?,
            Offer::Open(per_second) | Offer::Flood(per_second) => {
                let pacer = Pacer::new(started, per_second);
                asking.open_loop(pacer, started + self.duration).await?;
            }
        }
        let elapsed = started.elapsed();
        let generator = cpu.taken().all;
        Ok(Streamed {
            sent: asking.sent,
            decided: asking.decided,
            refused: asking.refused,
            won: asking.won,
            elapsed,
            latency: asking.latency,
            cpu: CpuShare {
                generator,
                all: generator + self.server.cpu().saturating_sub(cpu_of_server),
            },
        })
    }
}

struct Asking<'a> {
    stream: ClaimStream,
    rounds: &'a [OpenRound],
    crowd: Crowd,
    /// `None` once it has ended.
    source: Option<Source>,
    /// Batches that are out, in order.
    asked: VecDeque<Asked>,
    spare: Vec<Vec<Drawn>>,
    sent: u64,
    decided: u64,
    refused: u64,
    won: WonTiles,
    latency: Latency,
}

struct Asked {
    /// When the first of its attempts was due, or all were sent.
    since: Instant,
    drawn: Vec<Drawn>,
}

impl Asking<'_> {
    async fn closed_loop(&mut self, deadline: Instant) -> Result<(), BenchError> {
        loop {
            while self.source.is_some() && !self.stream.is_full() && Instant::now() < deadline {
                self.send(BATCH, Instant::now()).await?;
            }
            if !self.take(None, deadline + DRAIN_MAX).await? {
                return Ok(());
            }
        }
    }

    async fn open_loop(&mut self, pacer: Pacer, deadline: Instant) -> Result<(), BenchError> {
        let all = pacer.due(deadline);
        loop {
            let now = Instant::now();
            while self.source.is_some() && self.sent < pacer.due(now).min(all) {
                let due = usize::try_from(pacer.due(now).min(all) - self.sent).unwrap_or(BATCH);
                self.send(due.min(BATCH), pacer.due_at(self.sent)).await?;
            }
            let ended = self.sent == all || self.source.is_none();
            if ended && self.asked.is_empty() {
                return Ok(());
            }
            let next_turn = now + TURN;
            while Instant::now() < next_turn {
                let turn = tokio::time::sleep_until(next_turn.into());
                tokio::select! {
                    taken = self.take(Some(&pacer), deadline + DRAIN_MAX), if !self.asked.is_empty() => {
                        taken?;
                    }
                    () = turn => {}
                }
            }
        }
    }

    async fn send(&mut self, count: usize, since: Instant) -> Result<(), BenchError> {
        let mut batch = self.stream.batch();
        batch.reserve(count * ATTEMPT_BYTES);
        let mut drawn = self.spare.pop().unwrap_or_default();
        drawn.clear();
        self.fill(&mut batch, &mut drawn, count);
        if drawn.is_empty() {
            return Ok(());
        }
        let tag = self.sent;
        self.sent += drawn.len() as u64;
        self.asked.push_back(Asked { since, drawn });
        let sent = self.stream.send(batch, tag).await;
        sent.map_err(BenchError::huntcore)
    }

    fn fill(&mut self, batch: &mut ClaimBatch, asked: &mut Vec<Drawn>, count: usize) {
        for _ in 0..count {
            let Some(drawn) = self.source.as_mut().and_then(Source::draw) else {
                self.source = None;
                return;
            };
            let OpenRound { hunt, round } = &self.rounds[drawn.hunt as usize];
            let player = self.crowd.id(drawn.player);
            batch.push(hunt.as_str(), *round, TileIndex::new(drawn.tile), player);
            asked.push(drawn);
        }
    }

    /// Waits for the next batch's outcomes; `false` if none is out.
    async fn take(&mut self, pacer: Option<&Pacer>, give_up: Instant) -> Result<bool, BenchError> {
        let answered = tokio::time::timeout_at(give_up.into(), self.stream.answered()).await;
        let answered = answered.map_err(|_| {
            let out = self.sent - self.decided - self.refused;
            BenchError::Huntcore(format!(
                "{out} attempts are unanswered {DRAIN_MAX:?} too late"
            ))
        })?;
        let Some(answered) = answered.map_err(BenchError::huntcore)? else {
            return Ok(false);
        };
        let asked = self.asked.pop_front().expect("one for each batch");
        self.settle(&answered, &asked, pacer)?;
        self.spare.push(asked.drawn);
        Ok(true)
    }

    fn settle(
        &mut self,
        answered: &AnsweredBatch,
        asked: &Asked,
        pacer: Option<&Pacer>,
    ) -> Result<(), BenchError> {
        const GROUP: u64 = 16;
        let broken = |reason: String| BenchError::Promise {
            case: "batch door".to_owned(),
            reason,
        };
        let now = Instant::now();
        let mut decided = 0;
        let mut count = 0;
        for (kind, &drawn) in answered.kinds().zip(&asked.drawn) {
            count += 1;
            match kind.map_err(BenchError::huntcore)? {
                OutcomeKind::Won if !self.won.insert(drawn) => {
                    return Err(broken(format!("{drawn:?} was won by another before (I1)")));
                }
                kind if kind.is_final() => decided += 1,
                OutcomeKind::Overloaded => self.refused += 1,
                kind => return Err(broken(format!("{drawn:?} was answered {kind:?}"))),
            }
        }
        if count != asked.drawn.len() {
            let sent = asked.drawn.len();
            return Err(broken(format!("{sent} attempts got {count} outcomes")));
        }
        self.decided += decided;
        let Some(pacer) = pacer else {
            self.latency.record(now - asked.since, decided);
            return Ok(());
        };
        let mut index = answered.tag;
        while decided > 0 {
            let group = decided.min(GROUP);
            let due = pacer.due_at(index);
            self.latency
                .record(now.saturating_duration_since(due), group);
            decided -= group;
            index += group;
        }
        Ok(())
    }
}

/// Holds what the server counted since `before` against what was asked (I10).
async fn check_accounts(
    case: &str,
    server: &Server,
    streamed: &Streamed,
    before: &crate::server::ServerCounts,
) -> Result<(), BenchError> {
    let counts = server.counts().await?;
    let of = |kind| counts.told(kind) - before.told(kind);
    let received = counts.received - before.received;
    let (won, refused) = (of(OutcomeKind::Won), of(OutcomeKind::Overloaded));
    let decided = won + of(OutcomeKind::Taken) + of(OutcomeKind::Expired);
    let agrees = counts.is_reconciled()
        && received == streamed.sent
        && decided == streamed.decided
        && refused == streamed.refused
        && won == streamed.won.told();
    if agrees {
        return Ok(());
    }
    Err(BenchError::Promise {
        case: case.to_owned(),
        reason: format!(
            "the accounts differ (I10): sent {}, the server received {received}; decided {}, \
             there {decided}; refused {}, there {refused}; won {}, there {won}; unanswered there {}",
            streamed.sent,
            streamed.decided,
            streamed.refused,
            streamed.won.told(),
            counts.unanswered,
        ),
    })
}
