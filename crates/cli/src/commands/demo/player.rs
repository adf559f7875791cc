//! One simulated player: joins as a guest, watches, thinks, clicks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use huntcore_client::{Client, ClientError, LiveConnection, LiveEvent};
use huntcore_model::{BoardName, HuntId, OutcomeKind, PlayerId, Position, RoundNumber, TileIndex};
use huntcore_wire::{ClaimItem, ClaimRequest, LiveState, ServerMessage};
use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

use super::tally::Tally;
use crate::output::Failed;

/// One in so many players reads everybody's claims and keeps off taken tiles; the others
/// click what they like.
const ATTENTIVE_ONE_IN: u32 = 8;
/// One in so many attempts goes over HTTP, the others over the live socket.
const HTTP_ONE_IN: u32 = 4;
/// One in so many attempts is on an older round that is still open.
const OLDER_ROUND_ONE_IN: u32 = 5;
/// Wins that wait to be seen on the board.
const UNSEEN_MAX: usize = 64;

/// A player's place.
pub(crate) struct Seat {
    pub(crate) client: Client,
    pub(crate) hunt: HuntId,
    pub(crate) number: u32,
    pub(crate) rate: f64,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stop: CancellationToken,
}

/// A player who has joined.
pub(crate) struct Player {
    seat: Seat,
    id: PlayerId,
    client: Client,
    live: LiveConnection,
    /// Wins told and not yet seen on the board.
    unseen: VecDeque<(Position, Instant)>,
}

struct Told {
    request: ClaimRequest,
    asked: Instant,
    result: Result<ClaimItem, ClientError>,
}

impl Player {
    /// Gets a guest's token and connects.
    pub(crate) async fn join(seat: Seat) -> Result<Self, Failed> {
        let name = format!(
            "{}-{}",
            NAMES[seat.number as usize % NAMES.len()],
            seat.number
        );
        let guest = seat.client.guest(&seat.hunt, Some(&name)).await?;
        let client = seat.client.with_token(&guest.token);
        let live = client.live(&seat.hunt);
        let attentive = seat.number.is_multiple_of(ATTENTIVE_ONE_IN);
        let live = if attentive {
            live
        } else {
            live.without_claims()
        };
        let live = live.connect().await?;
        Ok(Self {
            seat,
            id: guest.player,
            client,
            live,
            unseen: VecDeque::new(),
        })
    }

    /// Plays until told to stop; then waits for outcomes that are on their way.
    pub(crate) async fn play(mut self, settle_within: Duration) -> Result<(), Failed> {
        let tally = self.seat.tally.clone();
        tally.playing.fetch_add(1, Ordering::Relaxed);
        let played = self.rounds(settle_within).await;
        tally.playing.fetch_sub(1, Ordering::Relaxed);
        self.live.close().await;
        played
    }

    async fn rounds(&mut self, settle_within: Duration) -> Result<(), Failed> {
        let mut under_way = FuturesUnordered::new();
        let stop = self.seat.stop.clone();
        let mut thought = Box::pin(tokio::time::sleep(self.think()));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.live.next() => self.see(event)?,
                () = &mut thought => {
                    thought = Box::pin(tokio::time::sleep(self.think()));
                    if let Some(request) = self.live.with_state(choose) {
                        self.seat.tally.attempts.fetch_add(1, Ordering::Relaxed);
                        under_way.push(self.attempt(request));
                    }
                }
                Some(told) = under_way.next() => self.note(told),
            }
        }
        let settled = tokio::time::timeout(settle_within, async {
            while let Some(told) = under_way.next().await {
                self.note(told);
            }
        });
        if settled.await.is_err() {
            let left = under_way.len() as u64;
            self.seat
                .tally
                .unanswered
                .fetch_add(left, Ordering::Relaxed);
        }
        Ok(())
    }

    fn think(&self) -> Duration {
        let chance: f64 = rand::rng().random_range(f64::EPSILON..1.0);
        Duration::from_secs_f64(-chance.ln() / self.seat.rate)
    }

    fn attempt(&self, request: ClaimRequest) -> impl Future<Output = Told> + use<> {
        let over_http = rand::rng().random_range(0..HTTP_ONE_IN) == 0;
        let (client, live) = (self.client.clone(), self.live.handle());
        let hunt = self.seat.hunt.clone();
        async move {
            let asked = Instant::now();
            let result = if over_http {
                client.claim(&hunt, &request).await
            } else {
                live.claim(&request).await
            };
            Told {
                request,
                asked,
                result,
            }
        }
    }

    fn note(&mut self, told: Told) {
        let Told {
            request,
            asked,
            result,
        } = told;
        let Ok(item) = result else {
            self.seat.tally.unanswered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let place = (request.round, request.tile);
        self.seat
            .tally
            .told(&self.id, place, item.outcome, asked.elapsed());
        let position = item
            .receipt
            .and_then(|receipt| receipt.position.parse().ok());
        if let Some(position) = position
            && item.outcome == OutcomeKind::Won
            && self.unseen.len() < UNSEEN_MAX
        {
            self.unseen.push_back((position, Instant::now()));
        }
    }

    fn see(&mut self, event: Option<LiveEvent>) -> Result<(), Failed> {
        match event {
            Some(LiveEvent::Message(ServerMessage::Delta(_))) => {
                self.seat.tally.deltas.fetch_add(1, Ordering::Relaxed);
            }
            Some(LiveEvent::Message(ServerMessage::Board(board)))
                if board.board == BoardName::TOTAL =>
            {
                if let Ok(shown) = board.position.parse() {
                    self.see_board(&shown);
                }
            }
            Some(LiveEvent::Closed { code, reason }) => {
                let code = code.map_or(String::new(), |code| format!(" ({code})"));
                return Err(Failed::new(format!("closed by the server{code}: {reason}")));
            }
            None => return Err(Failed::new("the live connection ended")),
            Some(_) => {}
        }
        Ok(())
    }

    fn see_board(&mut self, shown: &Position) {
        let tally = &self.seat.tally;
        self.unseen.retain(|(position, told)| {
            let seen = shown.covers(position);
            if seen {
                tally.seen_on_board(told.elapsed());
            }
            !seen
        });
    }
}

/// A tile of an open round. Many like the first tiles best, so there is a race for them.
fn choose(state: &LiveState) -> Option<ClaimRequest> {
    let mut rng = rand::rng();
    let open: Vec<(RoundNumber, u32)> = state
        .rounds
        .iter()
        .filter(|(_, round)| !round.closed)
        .map(|(&number, round)| (number, round.tiles))
        .collect();
    let &newest = open.last()?;
    let (round, tiles) = if rng.random_range(0..OLDER_ROUND_ONE_IN) == 0 {
        open[rng.random_range(0..open.len())]
    } else {
        newest
    };
    let claims = &state.rounds.get(&round)?.claims;
    let tiles_f64 = f64::from(tiles);
    for _ in 0..4 {
        let liking: f64 = rng.random_range(0.0..1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 0 and below the number of tiles"
        )]
        let tile = TileIndex::new(((liking * liking * tiles_f64) as u32).min(tiles - 1));
        if !claims.contains_key(&tile) {
            return Some(ClaimRequest {
                round,
                tile,
                answer: None,
            });
        }
    }
    None
}

const NAMES: [&str; 32] = [
    "otter", "heron", "badger", "swift", "marten", "plover", "newt", "kestrel", "vole", "curlew",
    "stoat", "wren", "hare", "merlin", "shrew", "dunlin", "adder", "teal", "lynx", "siskin", "bat",
    "grebe", "fox", "linnet", "mole", "osprey", "toad", "jay", "deer", "rook", "weasel", "finch",
];
