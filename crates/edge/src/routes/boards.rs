//! Leaderboards: pages and standings, at least as new as the reader asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use huntcore_board::{BoardView as Board, Cursor, Entry, WindowError};
use huntcore_model::{BoardName, HuntNumber, PlayerId, Position};
use huntcore_wire::{
    BOARD_PAGE_MAX, BoardEntry, BoardQuery, BoardView, BoardWindow, NEIGHBOURS_MAX, PositionText,
    Problem, ProblemKind, StandingQuery, StandingView, Timestamp,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::answers;
use super::hunts::parse_hunt;
use crate::backend::View;
use crate::extract::{Asked, Segments};
use crate::openapi::AtLeastProblems;
use crate::problem::{Refusal, whole_millis};
use crate::state::App;

const PAGE_DEFAULT: u32 = 100;

/// A page of a board.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards/{board}", tag = "boards",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("board" = huntcore_wire::schema::BoardName, Path, description = "The board"),
        BoardQuery,
    ),
    responses(
        (
            status = 200, description = "The page", body = BoardView,
            headers(("ETag" = String, description = "For If-None-Match; of the entries, not the position")),
        ),
        (status = 304, description = "The client has these entries"),
        AtLeastProblems,
    ),
)]
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Segments((hunt, board)): Segments<(String, String)>,
    Asked(query): Asked<BoardQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (hunt, name) = place(&app, &hunt, &board)?;
    let limit = within(
        "limit",
        query.limit.unwrap_or(PAGE_DEFAULT),
        1,
        BOARD_PAGE_MAX,
    )?;
    let malformed = |detail: String| Refusal::new(ProblemKind::Malformed, detail);
    let cursor = query
        .cursor
        .as_deref()
        .map(str::parse::<Cursor>)
        .transpose();
    let cursor = cursor.map_err(|fault| malformed(fault.to_string()))?;
    let view = view_with(&app, hunt, name, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let page = board
        .page(cursor.as_ref(), limit)
        .map_err(|fault| malformed(fault.to_string()))?;
    let answer = BoardView {
        board: name,
        window: window(&board),
        position: PositionText::default(),
        players: board.len() as u64,
        entries: page.entries.iter().map(entry).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    };
    let position = PositionText::from(view.boards.position());
    Ok(tagged(&headers, answer, |answer| {
        answer.position = position;
    }))
}

/// One player's place on a board, and the players around.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards/{board}/players/{player}", tag = "boards",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("board" = huntcore_wire::schema::BoardName, Path, description = "The board"),
        ("player" = huntcore_wire::schema::PlayerId, Path, description = "The player's id"),
        StandingQuery,
    ),
    responses(
        (
            status = 200, description = "The player's place", body = StandingView,
            headers(("ETag" = String, description = "For If-None-Match; of the entries, not the position")),
        ),
        (status = 304, description = "The client has these entries"),
        AtLeastProblems,
    ),
)]
pub(super) async fn standing(
    State(app): State<Arc<App>>,
    Segments((hunt, board, player)): Segments<(String, String, String)>,
    Asked(query): Asked<StandingQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (hunt, name) = place(&app, &hunt, &board)?;
    let around = query.around.unwrap_or(0);
    let around = within("around", around, 0, NEIGHBOURS_MAX)?;
    let absent = || {
        Refusal::new(
            ProblemKind::UnknownPlayer,
            "the player is not on this board",
        )
    };
    let player = PlayerId::new(&player).map_err(|_| absent())?;
    let view = view_with(&app, hunt, name, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let standing = board.standing(&player).ok_or_else(absent)?;
    let neighbours = match around {
        0 => Vec::new(),
        _ => board.around(&player, around).unwrap_or_default(),
    };
    let answer = StandingView {
        board: name,
        window: window(&board),
        position: PositionText::default(),
        player,
        rank: standing.rank,
        score: standing.score,
        of: board.len() as u64,
        neighbours: neighbours.iter().map(entry).collect(),
    };
    let position = PositionText::from(view.boards.position());
    Ok(tagged(&headers, answer, |answer| {
        answer.position = position;
    }))
}

fn place(app: &App, hunt: &str, board: &str) -> Result<(HuntNumber, BoardName), Refusal> {
    let (_, entry) = app.hunt(&parse_hunt(hunt)?)?;
    let unknown = |detail: String| Refusal::new(ProblemKind::UnknownBoard, detail);
    let name: BoardName = board
        .parse()
        .map_err(|fault: huntcore_model::IdError| unknown(fault.to_string()))?;
    let is_own = || entry.boards.iter().any(|own| own.definition.name == name);
    if name.is_built_in() || is_own() {
        return Ok((entry.number, name));
    }
    let detail = format!("the hunt has no board {name}; its boards are listed with it");
    Err(unknown(detail))
}

fn within(name: &str, found: u32, least: u32, most: u32) -> Result<usize, Refusal> {
    if (least..=most).contains(&found) {
        return Ok(usize::try_from(found).expect("32 bits fit"));
    }
    let detail = format!("{name} is {found}, expected {least} to {most}");
    Err(Refusal::new(ProblemKind::Malformed, detail))
}

/// A view that covers the position asked for. A window that will never be there is refused
/// before anything is waited for.
async fn view_with(
    app: &App,
    hunt: HuntNumber,
    name: BoardName,
    window: Option<Timestamp>,
    at_least: Option<&PositionText>,
) -> Result<Arc<View>, Refusal> {
    if window.is_some() {
        find(&app.backend.view(), hunt, name, window)?;
    }
    view_at(app, at_least).await
}

/// A view that covers the position asked for, if one comes in time.
async fn view_at(app: &App, at_least: Option<&PositionText>) -> Result<Arc<View>, Refusal> {
    let Some(text) = at_least else {
        return Ok(app.backend.view());
    };
    let asked: Position = text
        .parse()
        .map_err(|fault| Refusal::new(ProblemKind::Malformed, format!("at_least: {fault}")))?;
    let wait = app.limits().at_least_wait;
    let deadline = Instant::now() + wait;
    // Subscribed before looking, so that no version slips in between.
    let mut views = app.backend.views();
    let mut asked_for = false;
    loop {
        views.borrow_and_update();
        let view = app.backend.view();
        if view.boards.position().covers(&asked) {
            return Ok(view);
        }
        if !std::mem::replace(&mut asked_for, true) {
            app.backend.publish_now();
        }
        let changed = tokio::time::timeout_at(deadline, views.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            let detail = "the board has not reached that position yet";
            let problem = Problem::new(ProblemKind::ProjectionBehind, detail);
            return Err(problem.retry_after_ms(whole_millis(wait).max(1)).into());
        }
    }
}

fn find(
    view: &View,
    hunt: HuntNumber,
    name: BoardName,
    start: Option<Timestamp>,
) -> Result<Board<'_>, Refusal> {
    let unknown = |detail: String| Refusal::new(ProblemKind::UnknownWindow, detail);
    let absent = |name| {
        Refusal::new(
            ProblemKind::UnknownBoard,
            format!("the hunt has no board {name}"),
        )
    };
    let Some(start) = start else {
        if view.boards.defined(hunt, name).is_none() {
            return Err(absent(name));
        }
        let found = view.boards.board(hunt, name);
        return found
            .ok_or_else(|| unknown("no window with a score in it is final yet".to_owned()));
    };
    let found = view.boards.window(hunt, name, start.micros());
    found.map_err(|fault| match fault {
        WindowError::UnknownBoard { board } => absent(board),
        WindowError::NoStart { .. } => Refusal::new(ProblemKind::Malformed, fault.to_string()),
        WindowError::NoWindows { .. }
        | WindowError::Dropped { .. }
        | WindowError::NotYet { .. } => unknown(fault.to_string()),
    })
}

fn window(board: &Board<'_>) -> BoardWindow {
    let window = board.window();
    BoardWindow {
        start: window.start.map(Timestamp::from),
        end: window.end.map(Timestamp::from),
        is_final: window.is_final,
    }
}

fn entry(entry: &Entry<'_>) -> BoardEntry {
    BoardEntry {
        rank: entry.rank,
        player: entry.player.clone(),
        score: entry.score,
    }
}

/// The answer with a tag of all but its position: a reader who has these entries has them,
/// however far the log has been counted in since.
fn tagged<T: Serialize>(
    headers: &HeaderMap,
    mut answer: T,
    place: impl FnOnce(&mut T),
) -> Response {
    let bare = serde_json::to_vec(&answer).expect("answers are plain data");
    let digest = Sha256::digest(&bare);
    let tag = hex::encode(&digest[..12]);
    answers::tagged(headers, &tag, answers::ASK_FIRST, || {
        place(&mut answer);
        Bytes::from(serde_json::to_vec(&answer).expect("answers are plain data"))
    })
}
