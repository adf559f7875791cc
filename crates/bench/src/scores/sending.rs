//! Sends what is due when it is due, whatever became of what was sent before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use huntcore_client::{Client, ClientError};
use huntcore_model::{EventId, EventType, HuntId, PlayerId, Position, TimeMicros};
use huntcore_wire::{EventRequest, EventsAnswer, ProblemKind};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::generator::{Planned, PlannedEvent};
use super::tally::Tally;
use crate::load::Sleeper;
use crate::report::BenchError;

/// Requests under way; further ones wait, and their time counts from when they were due.
const UNDER_WAY_MAX: u32 = 512;
/// Between two tries of a request.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Who sends what to where.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) hunt: HuntId,
    /// Tells this run's events from any other's.
    pub(crate) run: String,
    pub(crate) event_type: EventType,
    pub(crate) tally: Arc<Mutex<Tally>>,
    /// A request without an answer is repeated for so long.
    pub(crate) patience: Duration,
    /// The clock's time at the start of the run.
    started_at_ms: i64,
    start: Instant,
}

impl Sender {
    pub(crate) fn new(
        client: Client,
        hunt: HuntId,
        run: String,
        event_type: EventType,
        tally: Arc<Mutex<Tally>>,
        patience: Duration,
        start: Instant,
    ) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = since_epoch.map_or(0, |since| since.as_millis());
        let ahead = start.saturating_duration_since(Instant::now()).as_millis();
        Self {
            client,
            hunt,
            run,
            event_type,
            tally,
            patience,
            started_at_ms: i64::try_from(now_ms + ahead).unwrap_or(i64::MAX),
            start,
        }
    }

    /// Sends all requests, each when it is due, on the runtime's threads; returns when the last
    /// one has got its answer, or nobody waits for it any more. To be called on a thread of its
    /// own. `stop` ends the sending, not the waiting.
    pub(crate) fn send_all(
        self: &Arc<Self>,
        requests: impl Iterator<Item = Planned>,
        runtime: &Handle,
        stop: impl Fn() -> bool,
    ) -> Result<(), BenchError> {
        let sleeper = Sleeper::new();
        let places = Arc::new(Semaphore::new(UNDER_WAY_MAX as usize));
        for request in requests {
            let due = self.start + request.due;
            while Instant::now() < due && !stop() {
                // Not all at once, so that it hears of an end.
                let soon = Instant::now() + Duration::from_millis(100);
                sleeper.sleep_until(due.min(soon));
            }
            if stop() {
                break;
            }
            let place = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => runtime
                    .block_on(Arc::clone(&places).acquire_owned())
                    .expect("nobody closes it"),
            };
            locked(&self.tally).due(due, &request.events);
            let sender = Arc::clone(self);
            runtime.spawn(async move {
                sender.send(due, request.events).await;
                drop(place);
            });
        }
        let all = runtime.block_on(places.acquire_many(UNDER_WAY_MAX));
        drop(all.map_err(BenchError::huntcore)?);
        Ok(())
    }

    /// Sends events until each has got an answer that is final.
    async fn send(&self, due: Instant, mut events: Vec<PlannedEvent>) {
        let began = Instant::now();
        let mut is_in_doubt = false;
        loop {
            let requests: Vec<EventRequest> = events.iter().map(|e| self.request(e)).collect();
            let answered = self.client.send_events(&self.hunt, &requests).await;
            let is_late = began.elapsed() >= self.patience;
            events = self.take(due, answered, events, is_late, &mut is_in_doubt);
            if events.is_empty() {
                return;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Counts what came of a request; returns the events to be asked about again.
    fn take(
        &self,
        due: Instant,
        answered: Result<EventsAnswer, ClientError>,
        events: Vec<PlannedEvent>,
        is_late: bool,
        is_in_doubt: &mut bool,
    ) -> Vec<PlannedEvent> {
        let now = Instant::now();
        let mut tally = locked(&self.tally);
        let open = match answered {
            Ok(answer) => {
                *is_in_doubt = false;
                take(&mut tally, due, now, &answer, events, is_late)
            }
            Err(ClientError::Problem(problem)) => {
                let may_fare_better = problem.kind().is_some_and(ProblemKind::is_retryable);
                if is_late || !may_fare_better {
                    tally.refused(due, problem.name(), &events);
                    return Vec::new();
                }
                events
            }
            Err(error) => {
                tally.counts.answers_lost += 1;
                if !*is_in_doubt {
                    tally.counts.in_doubt += events.len() as u64;
                }
                *is_in_doubt = true;
                if is_late || !error.is_retryable() {
                    tally.counts.unanswered += events.len() as u64;
                    return Vec::new();
                }
                events
            }
        };
        tally.counts.repeated += open.len() as u64;
        open
    }

    fn request(&self, event: &PlannedEvent) -> EventRequest {
        let sent_at_ms = self.started_at_ms.saturating_add(event.sent_at_ms);
        let sent_at = TimeMicros::from_millis(u64::try_from(sent_at_ms).unwrap_or(0));
        let id = format!("{}-{}", self.run, event.index);
        EventRequest {
            event_id: EventId::new(&id).expect("a short run and a number"),
            player: PlayerId::new(&player_name(event.player)).expect("short"),
            event_type: self.event_type.clone(),
            score: event.score,
            payload: None,
            ts: Some(sent_at.into()),
        }
    }
}

/// A player's id.
pub(crate) fn player_name(player: u32) -> String {
    format!("player-{player:07}")
}

pub(crate) fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts what an answer says; returns the events to be asked about again.
fn take(
    tally: &mut Tally,
    due: Instant,
    now: Instant,
    answer: &EventsAnswer,
    events: Vec<PlannedEvent>,
    is_late: bool,
) -> Vec<PlannedEvent> {
    tally.counts.accepted += answer.accepted;
    tally.counts.duplicates += answer.duplicates;
    let mut open = Vec::new();
    let mut acknowledged = events;
    // From the last on, so that places stay what they are.
    for refused in answer.refused.iter().rev() {
        let Ok(index) = usize::try_from(refused.index) else {
            continue;
        };
        if index >= acknowledged.len() {
            continue;
        }
        let event = acknowledged.remove(index);
        let kind = ProblemKind::from_name(&refused.outcome);
        if kind == Some(ProblemKind::OutcomeUnknown) {
            tally.counts.in_doubt += 1;
        }
        if kind.is_some_and(ProblemKind::is_retryable) && !is_late {
            open.push(event);
        } else if kind == Some(ProblemKind::OutcomeUnknown) {
            tally.counts.unanswered += 1;
        } else {
            tally.refused(due, &refused.outcome, &[event]);
        }
    }
    if !acknowledged.is_empty() {
        let position = answer
            .position
            .parse()
            .unwrap_or_else(|_| Position::start());
        tally.acknowledged(due, now, position, acknowledged);
    }
    open
}
