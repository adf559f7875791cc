//! Readers of a board, who hold every page against the one before (I6).

use std::time::{Duration, Instant};

use huntcore_client::{Client, ClientError, LiveEvent, RetryPolicy};
use huntcore_model::{BoardName, BoardOrder, HuntId, Position};
use huntcore_verify::{BoardPage, BoardPromise, BoardWatch, PageEntry, PageWindow, WatchReport};
use huntcore_wire::{
    BoardEntry, BoardMessage, BoardQuery, BoardView, BoardWindow, Interest, PositionText,
    ProblemKind, ServerMessage,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::report::BenchError;

/// After a server that is not there, or has nothing to show yet.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Which board is watched, and how.
#[derive(Clone, Debug)]
pub struct WatchedBoard {
    /// Which hunt.
    pub hunt: HuntId,
    /// Which of its boards.
    pub board: BoardName,
    /// What may be expected of it.
    pub promise: BoardPromise,
    /// Entries of a page.
    pub limit: u32,
    /// Between two looks, over HTTP.
    pub every: Duration,
}

/// What one reader has seen of a board.
#[derive(Clone, Debug, Serialize)]
pub struct Watched {
    /// Which board.
    pub board: String,
    /// `http` or `live`.
    pub by: &'static str,
    /// How often the server was not there.
    pub losses: u64,
    /// What was seen.
    #[serde(flatten)]
    pub report: WatchReport,
}

/// A page that a reader got.
pub(crate) struct Seen<'a> {
    pub(crate) at: Instant,
    pub(crate) position: &'a Position,
    pub(crate) entries: &'a [BoardEntry],
    pub(crate) shows_all: bool,
}

/// Watches boards over HTTP and on live sockets until `stop`; what each reader saw.
pub async fn watch_boards(
    url: &str,
    boards: &[WatchedBoard],
    stop: CancellationToken,
) -> Result<Vec<Watched>, BenchError> {
    let client = Client::builder(url)
        .retry(RetryPolicy::NEVER)
        .build()
        .map_err(BenchError::huntcore)?;
    let mut readers = Vec::new();
    for board in boards {
        let polled = board.clone().poll(client.clone(), stop.clone(), |_| {});
        readers.push(tokio::spawn(polled));
        let heard = board.clone().listen(client.clone(), stop.clone(), || {});
        readers.push(tokio::spawn(heard));
    }
    let mut watched = Vec::new();
    for reader in readers {
        watched.push(reader.await.map_err(BenchError::huntcore)??);
    }
    Ok(watched)
}

impl WatchedBoard {
    /// One of the boards that every hunt has: the top hundred, as often as it can change.
    #[must_use]
    pub const fn built_in(hunt: HuntId, board: BoardName) -> Self {
        Self {
            hunt,
            board,
            promise: BoardPromise {
                order: BoardOrder::Descending,
                improves: true,
                newest: true,
                equals_stay: true,
                generation: None,
            },
            limit: 100,
            every: Duration::from_millis(2),
        }
    }

    /// Reads it over HTTP until `stop`; `seen` hears of each page.
    pub(crate) async fn poll(
        self,
        client: Client,
        stop: CancellationToken,
        mut seen: impl FnMut(Seen<'_>) + Send,
    ) -> Result<Watched, BenchError> {
        let mut watch = BoardWatch::new(self.promise);
        let mut losses = 0;
        let query = BoardQuery {
            limit: Some(self.limit),
            ..BoardQuery::default()
        };
        while !stop.is_cancelled() {
            let looked = client.board(&self.hunt, self.board, &query).await;
            let at = Instant::now();
            let pause = match looked {
                Ok(view) => {
                    let page = page_of_view(&view, self.limit)?;
                    seen(Seen {
                        at,
                        position: &page.position,
                        entries: &view.entries,
                        shows_all: view.entries.len() as u64 >= view.players,
                    });
                    watch.see(page);
                    self.every
                }
                Err(error) if error.status() == Some(404) => {
                    // Before the first page there may be nothing to show.
                    if watch.report().pages > 0
                        && let Ok(listed) = self.listed(&client).await
                    {
                        watch.see_none(listed);
                    }
                    LOOK_AGAIN_AFTER
                }
                Err(error) if error.is_retryable() => {
                    losses += 1;
                    LOOK_AGAIN_AFTER
                }
                Err(error) => return Err(BenchError::huntcore(error)),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(self.watched("http", losses, watch))
    }

    /// Which definition of the board the hunt's list names; `None`: none at all.
    async fn listed(&self, client: &Client) -> Result<Option<u64>, ClientError> {
        let list = match client.boards(&self.hunt).await {
            Err(error) if error.status() == Some(404) => return Ok(None),
            list => list?,
        };
        let mut boards = list.boards.iter();
        let found = boards.find(|board| board.definition.name == self.board);
        Ok(found.map(|board| board.generation))
    }

    /// Hears of it on a live socket until `stop`; `seen` hears that there was a page.
    pub(crate) async fn listen(
        self,
        client: Client,
        stop: CancellationToken,
        mut seen: impl FnMut() + Send,
    ) -> Result<Watched, BenchError> {
        let mut watch = BoardWatch::new(self.promise);
        let mut losses = 0;
        let mut corrections = Vec::new();
        let interest = Interest::boards([self.board]).map_err(BenchError::huntcore)?;
        let live = client.live(&self.hunt).interest(interest).without_claims();
        let mut live = live.connect().await.map_err(BenchError::huntcore)?;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = live.next() => event,
            };
            match event {
                Some(LiveEvent::Message(ServerMessage::Board(message)))
                    if message.board == self.board =>
                {
                    watch.see(page_of_message(&message, &corrections)?);
                    seen();
                }
                Some(LiveEvent::Message(ServerMessage::Delta(delta))) => {
                    for correction in &delta.corrections {
                        corrections.push(parsed(&correction.position)?);
                    }
                }
                Some(LiveEvent::Message(ServerMessage::Error(error)))
                    if ProblemKind::from_name(&error.code) == Some(ProblemKind::UnknownBoard) =>
                {
                    watch.see_none(None);
                }
                Some(LiveEvent::Disconnected { .. }) => losses += 1,
                Some(LiveEvent::Closed { reason, .. }) => {
                    return Err(BenchError::Huntcore(format!(
                        "live socket closed: {reason}"
                    )));
                }
                Some(_) => {}
                None => break,
            }
        }
        live.close().await;
        Ok(self.watched("live", losses, watch))
    }

    fn watched(&self, by: &'static str, losses: u64, watch: BoardWatch) -> Watched {
        Watched {
            board: self.board.to_string(),
            by,
            losses,
            report: watch.finish(),
        }
    }
}

fn page_of_view(view: &BoardView, limit: u32) -> Result<BoardPage, BenchError> {
    Ok(BoardPage {
        window: window(&view.window),
        position: parsed(&view.position)?,
        generation: view.generation,
        corrected: view
            .corrected
            .as_ref()
            .map_or(Ok(Position::start()), parsed)?,
        players: view.players,
        limit: Some(u64::from(limit)),
        entries: entries(&view.entries),
    })
}

/// A board that covers a correction follows it.
fn page_of_message(
    message: &BoardMessage,
    corrections: &[Position],
) -> Result<BoardPage, BenchError> {
    let position = parsed(&message.position)?;
    let mut corrected = Position::start();
    for correction in corrections {
        if position.covers(correction) {
            corrected.merge(correction);
        }
    }
    Ok(BoardPage {
        window: window(&message.window),
        position,
        generation: message.generation,
        corrected,
        players: message.players,
        limit: None,
        entries: entries(&message.entries),
    })
}

fn window(window: &BoardWindow) -> Option<PageWindow> {
    Some(PageWindow {
        start: window.start?.micros(),
        is_final: window.is_final,
    })
}

fn parsed(position: &PositionText) -> Result<Position, BenchError> {
    position.parse().map_err(BenchError::huntcore)
}

fn entries(entries: &[BoardEntry]) -> Vec<PageEntry> {
    let entry = |entry: &BoardEntry| PageEntry {
        player: entry.player.clone(),
        score: entry.score,
    };
    entries.iter().map(entry).collect()
}
