//! Leaderboards: pages and standings, at least as new as the reader asks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use huntcore_board::{BoardView as Board, Cursor, CursorError, Entry, WindowError};
use huntcore_model::{BoardName, HuntNumber, PlayerId, Position, TimeMicros};
use huntcore_wire::{
    BOARD_PAGE_MAX, BoardEntry, BoardQuery, BoardView, BoardWindow, NEIGHBOURS_MAX, PositionText,
    Problem, ProblemKind, StandingQuery, StandingView, Timestamp,
};
use serde::Serialize;
use tokio::time::Instant;

use super::answers;
use super::board_pages::{BoardPage, Content, KEPT_ENTRIES_MAX, PageKey};
use super::hunts::parse_hunt;
use crate::backend::View;
use crate::extract::{Asked, Segments};
use crate::openapi::AtLeastProblems;
use crate::problem::{Refusal, whole_millis};
use crate::state::{App, has_board};

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
            headers(("ETag" = String, description = "For If-None-Match; of the board's version, not the position")),
        ),
        (status = 304, description = "The board has not changed"),
        AtLeastProblems,
    ),
)]
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Segments((hunt, board)): Segments<(String, String)>,
    Asked(query): Asked<BoardQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    answer(&app, &hunt, &board, &query, &headers).await
}

/// The page of the board at `/v1/hunts/{hunt}/boards/{board}`.
pub(super) async fn answer(
    app: &App,
    hunt: &str,
    board: &str,
    query: &BoardQuery,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let (hunt, name) = place(app, hunt, board)?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    let limit = within("limit", limit, 1, BOARD_PAGE_MAX)?;
    let cursor = query.cursor.as_deref().map(str::parse::<Cursor>);
    let cursor = cursor.transpose().map_err(|fault| bad_cursor(&fault))?;
    let view = view_with(app, hunt, name, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let content = Content::of(&board);
    let key = PageKey {
        hunt,
        board: name,
        window: query.window.map(Timestamp::micros),
        limit,
    };
    let is_kept = cursor.is_none() && limit <= KEPT_ENTRIES_MAX;
    let page = match is_kept.then(|| app.pages.get(&key, &content)).flatten() {
        Some(page) => page,
        None => {
            // A cursor is looked at before anything is answered, even that nothing has changed.
            let cursor_text = query.cursor.as_deref().unwrap_or_default();
            let tag = content.tag(&format!("page {limit} {cursor_text}"));
            let page = write_page(&board, key, content, &tag, cursor.as_ref(), headers)?;
            let Some(page) = page else {
                let headers = [(header::ETAG, answers::weak(&tag)), caching(&board)];
                return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
            };
            let page = Arc::new(page);
            if is_kept {
                app.pages.keep(Arc::clone(&page));
            }
            page
        }
    };
    let (name, value) = caching(&board);
    let mut response = match answers::has(headers, &page.tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => answers::json_body(page.body(board.position())),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, page.tag.clone());
    headers.insert(name, value);
    Ok(response)
}

/// Writes a page; `None` if the client has it, which is known without writing it.
fn write_page(
    board: &Board<'_>,
    key: PageKey,
    content: Content,
    tag: &str,
    cursor: Option<&Cursor>,
    headers: &HeaderMap,
) -> Result<Option<BoardPage>, Refusal> {
    let limit = match answers::is_known(headers, tag) {
        true => 0,
        false => key.limit,
    };
    let page = board
        .page(cursor, limit)
        .map_err(|fault| bad_cursor(&fault))?;
    if limit == 0 {
        return Ok(None);
    }
    let view = BoardView {
        board: board.name(),
        window: window(board),
        position: PositionText::default(),
        players: board.len() as u64,
        entries: page.entries.iter().map(entry).collect(),
        generation: board.generation().get(),
        corrected: (*board.corrected() != Position::start())
            .then(|| PositionText::from(board.corrected())),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    };
    Ok(Some(BoardPage::new(key, content, tag, &view)))
}

/// How long an answer may be kept. A window that is final is corrected hardly ever, but it may
/// be, so that nothing is kept for good.
pub(super) fn caching(board: &Board<'_>) -> (HeaderName, HeaderValue) {
    const OPEN: HeaderValue = HeaderValue::from_static("public, max-age=1");
    const FINAL: HeaderValue = HeaderValue::from_static("public, max-age=30");
    let value = match board.window().is_final {
        true => FINAL,
        false => OPEN,
    };
    (header::CACHE_CONTROL, value)
}

/// What to do with a cursor that leads nowhere.
pub(super) fn bad_cursor(fault: &CursorError) -> Refusal {
    let kind = match fault {
        CursorError::Malformed { .. } => ProblemKind::Malformed,
        CursorError::OtherBoard { .. } => ProblemKind::ForeignCursor,
        CursorError::OtherWindow { .. } | CursorError::BeforeReset { .. } => {
            ProblemKind::OutdatedCursor
        }
    };
    Refusal::new(kind, fault.to_string())
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
            headers(("ETag" = String, description = "For If-None-Match; of the board's version, not the position")),
        ),
        (status = 304, description = "The board has not changed"),
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
    let content = Content::of(&board);
    let tag = content.tag(&format!("standing {around} {player}"));
    // Whether the player is there was looked at; the neighbours are only for who has them not.
    Ok(tagged(&headers, &board, &tag, || {
        let neighbours = match around {
            0 => Vec::new(),
            _ => board.around(&player, around).unwrap_or_default(),
        };
        StandingView {
            board: name,
            window: window(&board),
            position: board.position().into(),
            player: player.clone(),
            rank: standing.rank,
            score: standing.score,
            of: board.len() as u64,
            neighbours: neighbours.iter().map(entry).collect(),
        }
    }))
}

pub(super) fn place(
    app: &App,
    hunt: &str,
    board: &str,
) -> Result<(HuntNumber, BoardName), Refusal> {
    let (_, entry) = app.hunt(&parse_hunt(hunt)?)?;
    let unknown = |detail: String| Refusal::new(ProblemKind::UnknownBoard, detail);
    let name: BoardName = board
        .parse()
        .map_err(|fault: huntcore_model::IdError| unknown(fault.to_string()))?;
    if has_board(&entry, name) {
        return Ok((entry.number, name));
    }
    let detail = format!("the hunt has no board {name}; its boards are listed with it");
    Err(unknown(detail))
}

pub(super) fn within(name: &str, found: u32, least: u32, most: u32) -> Result<usize, Refusal> {
    if (least..=most).contains(&found) {
        return Ok(usize::try_from(found).expect("32 bits fit"));
    }
    let detail = format!("{name} is {found}, expected {least} to {most}");
    Err(Refusal::new(ProblemKind::Malformed, detail))
}

/// A view that covers the position asked for. A window that will never be there is refused
/// before anything is waited for.
pub(super) async fn view_with(
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

/// Defined a moment ago, or dropped: what is shown has not come so far, or it is gone already.
pub(super) fn not_shown(board: BoardName) -> Refusal {
    let detail = format!("board {board} is not shown yet, or no longer");
    Refusal::new(ProblemKind::UnknownBoard, detail)
}

pub(super) fn find(
    view: &View,
    hunt: HuntNumber,
    name: BoardName,
    start: Option<Timestamp>,
) -> Result<Board<'_>, Refusal> {
    let Some(start) = start else {
        if view.boards.defined(hunt, name).is_none() {
            return Err(not_shown(name));
        }
        let unknown = || {
            let detail = match name.is_built_in() {
                true => format!("no window of {name} with a score in it is final yet"),
                false => format!("nobody is in a window of {name} yet"),
            };
            Refusal::new(ProblemKind::UnknownWindow, detail)
        };
        return view.boards.board(hunt, name).ok_or_else(unknown);
    };
    let found = view.boards.window(hunt, name, start.micros());
    found.map_err(|fault| {
        let time = |micros: TimeMicros| Timestamp::from(micros);
        let (kind, detail) = match &fault {
            WindowError::UnknownBoard { .. } => return not_shown(name),
            WindowError::NoWindows { .. } => (ProblemKind::UnknownWindow, fault.to_string()),
            WindowError::NoStart { around, .. } => (
                ProblemKind::Malformed,
                format!(
                    "no window of {name} starts at {start}: the one around it is {} to {}",
                    time(around.0),
                    time(around.1)
                ),
            ),
            WindowError::Dropped { dropped_before, .. } => (
                ProblemKind::UnknownWindow,
                format!(
                    "the window is no longer kept: those that ended by {} were dropped",
                    time(*dropped_before)
                ),
            ),
            WindowError::NotYet { .. } => (
                ProblemKind::UnknownWindow,
                "the window has not begun".to_owned(),
            ),
        };
        Refusal::new(kind, detail)
    })
}

pub(super) fn window(board: &Board<'_>) -> BoardWindow {
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

/// The answer, or that the client has it, which is known without making it.
pub(super) fn tagged<T: Serialize>(
    headers: &HeaderMap,
    board: &Board<'_>,
    tag: &str,
    answer: impl FnOnce() -> T,
) -> Response {
    let (_, caching) = caching(board);
    answers::tagged(headers, tag, caching, || {
        Bytes::from(serde_json::to_vec(&answer()).expect("answers are plain data"))
    })
}
