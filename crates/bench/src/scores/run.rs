//! One run: sends, watches, and looks afterwards whether everything that was acknowledged is
//! where it should be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use huntcore_client::{Client, ClientError};
use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{BOARD_PAGE_MAX, BoardQuery, PositionText};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::curve::Curve;
use super::generator::Generator;
use super::report::{Facts, ScoresReport};
use super::sending::{Sender, locked, player_name};
use super::shape::Shape;
use super::tally::Tally;
use super::target::ScoresTarget;
use super::watching::{Watched, WatchedBoard};
use crate::report::BenchError;

/// For what was acknowledged last to be seen by the reader of the board.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two looks at windows that change once a second.
const WINDOWS_EVERY: Duration = Duration::from_millis(50);

type Reader = JoinHandle<Result<Watched, BenchError>>;

/// A load of score events.
#[derive(Clone, Debug)]
pub struct ScoresLoad {
    /// Its shape.
    pub shape: Shape,
    /// By how much the shape's time is shortened; its rates stay as they are.
    pub compress: f64,
    /// What its rates are multiplied by.
    pub scale: f64,
    /// No more different events are sent than this.
    pub events_max: u64,
    /// Tells this run's events from another's: the same run again is all duplicates.
    pub run: String,
    /// A request without an answer is repeated for so long.
    pub patience: Duration,
    /// So many events may be refused beyond those that the shape's clocks put too far ahead.
    pub refusals_allowed: u64,
}

/// How far a load has got.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScoresProgress {
    /// Since its start.
    pub elapsed: Duration,
    /// From its start to its end.
    pub length: Duration,
    /// Events sent so far.
    pub sent: u64,
}

impl ScoresLoad {
    /// How long it takes, and how many events it has about.
    #[must_use]
    pub fn extent(&self) -> (Duration, f64) {
        let curve = self.curve();
        (curve.length(), curve.total())
    }

    fn curve(&self) -> Curve {
        Curve::new(
            &self.shape.rate,
            &self.shape.bursts,
            self.compress,
            self.scale,
        )
    }

    /// Puts the load on a server. `tell` hears of it every now and then and says whether it may
    /// go on.
    pub fn run(
        &self,
        runtime: &Runtime,
        target: &ScoresTarget,
        tell: impl Fn(ScoresProgress) -> bool,
    ) -> Result<ScoresReport, BenchError> {
        let curve = self.curve();
        let length = curve.length();
        let taken_before = runtime.block_on(target.events_taken())?;
        let cpu_before = target.cpu();
        let start = Instant::now();
        let tally = Arc::new(Mutex::new(Tally::new(
            start,
            length,
            self.shape.players.count,
        )));
        let stop = CancellationToken::new();
        let (readers, first_pages) = self.watch(runtime, target, &tally, &stop);
        let sender = Arc::new(Sender::new(
            target.client.clone(),
            target.hunt.clone(),
            self.run.clone(),
            self.shape.events.event_type.clone(),
            Arc::clone(&tally),
            self.patience,
            start,
        ));
        let generator = Generator::new(self.shape.clone(), curve.clone(), self.events_max);
        let is_ended = AtomicBool::new(false);
        sender.send_all(generator, runtime.handle(), || {
            let counts = locked(&tally).counts.clone();
            let progress = ScoresProgress {
                elapsed: start.elapsed(),
                length,
                sent: counts.different + counts.again,
            };
            if !tell(progress) {
                is_ended.store(true, Ordering::Relaxed);
            }
            is_ended.load(Ordering::Relaxed)
        })?;
        let elapsed = start.elapsed();
        let (watched, is_shown, taken) = runtime.block_on(async {
            let is_shown = until_shown(&tally, first_pages).await;
            stop.cancel();
            let mut watched = Vec::new();
            for reader in readers {
                watched.push(reader.await.map_err(BenchError::huntcore)??);
            }
            let taken = target.events_taken().await?;
            Ok::<_, BenchError>((watched, is_shown, taken))
        })?;
        runtime.block_on(look_for_phantoms(target, &tally, self.patience))?;
        let tally = locked(&tally);
        let facts = Facts {
            load: self,
            target,
            curve: &curve,
            elapsed,
            is_whole: !is_ended.load(Ordering::Relaxed),
            is_shown,
            taken_before,
            taken,
            cpu: target
                .cpu()
                .zip(cpu_before)
                .map(|(now, then)| now.saturating_sub(then)),
        };
        Ok(ScoresReport::new(&facts, &tally, watched))
    }

    fn watch(
        &self,
        runtime: &Runtime,
        target: &ScoresTarget,
        tally: &Arc<Mutex<Tally>>,
        stop: &CancellationToken,
    ) -> (Vec<Reader>, Vec<oneshot::Receiver<()>>) {
        let best = WatchedBoard::built_in(target.hunt.clone(), BoardName::BEST);
        let second = WatchedBoard {
            every: WINDOWS_EVERY,
            ..WatchedBoard::built_in(target.hunt.clone(), BoardName::SECOND)
        };
        let client = || target.client.clone();
        let mut first_pages = Vec::new();
        let mut first_page = || {
            let (tell, first) = oneshot::channel();
            first_pages.push(first);
            let mut tell = Some(tell);
            move || {
                // Nobody may be waiting for it.
                tell.take().map(|tell| tell.send(()));
            }
        };
        let [mut polled_one, mut polled_second, heard_one] =
            [first_page(), first_page(), first_page()];
        let counted = Arc::clone(tally);
        let polled = best.clone().poll(client(), stop.clone(), move |seen| {
            polled_one();
            let mut tally = locked(&counted);
            tally.visible(
                seen.at,
                seen.position,
                seen.entries,
                seen.shows_all,
                player_name,
            );
        });
        let second = second.poll(client(), stop.clone(), move |_| polled_second());
        let heard = best.listen(client(), stop.clone(), heard_one);
        let readers = vec![
            runtime.spawn(polled),
            runtime.spawn(second),
            runtime.spawn(heard),
        ];
        (readers, first_pages)
    }
}

/// Waits until the reader has seen a board that covers everything acknowledged; false if it
/// does not within the time. Of what was acknowledged a window of a second becomes final soon:
/// waits, too, for every reader to have seen something.
async fn until_shown(tally: &Mutex<Tally>, first_pages: Vec<oneshot::Receiver<()>>) -> bool {
    let deadline = Instant::now() + SEEN_WITHIN;
    if locked(tally).different_acknowledged() > 0 {
        let all = futures_util::future::join_all(first_pages);
        // Who has seen nothing by then is told of afterwards.
        let _: Result<_, _> = tokio::time::timeout_at(deadline.into(), all).await;
    }
    while !locked(tally).is_all_visible() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}

/// Reads the whole board, once it covers all that was acknowledged, and looks for everybody.
async fn look_for_phantoms(
    target: &ScoresTarget,
    tally: &Mutex<Tally>,
    patience: Duration,
) -> Result<(), BenchError> {
    let position = PositionText::from(&locked(tally).position);
    let board = read_board(&target.client, &target.hunt, position, patience).await?;
    let mut tally = locked(tally);
    let best = std::mem::take(&mut tally.best);
    for (player, score) in (0..).zip(&best) {
        let Some(score) = *score else { continue };
        let name = player_name(player);
        let found = PlayerId::new(&name)
            .ok()
            .and_then(|id| board.get(&id).copied());
        if found < Some(score) {
            tally.phantom(&name, score, found);
        }
    }
    Ok(())
}

async fn read_board(
    client: &Client,
    hunt: &HuntId,
    position: PositionText,
    patience: Duration,
) -> Result<std::collections::HashMap<PlayerId, i64>, BenchError> {
    let deadline = Instant::now() + patience;
    let mut query = BoardQuery {
        limit: Some(BOARD_PAGE_MAX),
        at_least: Some(position),
        ..BoardQuery::default()
    };
    let mut board = std::collections::HashMap::new();
    loop {
        let page = match client.board(hunt, BoardName::BEST, &query).await {
            Ok(page) => page,
            Err(error) if may_come(&error) && Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            Err(error) => return Err(BenchError::huntcore(error)),
        };
        board.extend(
            page.entries
                .into_iter()
                .map(|entry| (entry.player, entry.score)),
        );
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return Ok(board),
        }
    }
}

fn may_come(error: &ClientError) -> bool {
    error.is_retryable()
}
