//! Leaderboards: pages and standings, at least as new as the reader asks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use huntcore_board::{BoardView as Board, Cursor, CursorError, Entry, WindowError};
use huntcore_model::{BoardName, HuntId, HuntNumber, PlayerId, Position, RefreshMode, TimeMicros};
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
use crate::state::{App, has_board, unknown_hunt};

const PAGE_DEFAULT: u32 = 100;
/// How long a reader waits for a version before asking for one again, while a board rests
/// between two that are ranked anew. A version wakes all who wait and they count from there,
/// so however many they are they ask together.
const REST_PACE: Duration = Duration::from_millis(10);
/// A frozen board stays so until an operator says otherwise.
const FROZEN_RETRY_MS: u64 = 1_000;

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
    let place = BoardPlace::new(hunt, board)?;
    let name = place.name;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    let limit = within("limit", limit, 1, BOARD_PAGE_MAX)?;
    let cursor = query.cursor.as_deref().map(str::parse::<Cursor>);
    let cursor = cursor.transpose().map_err(|fault| bad_cursor(&fault))?;
    let (view, hunt) = view_with(app, &place, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let (caching_name, caching) = caching(&board, query.window);
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
                let headers = [(header::ETAG, answers::weak(&tag)), (caching_name, caching)];
                return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
            };
            let page = Arc::new(page);
            if is_kept {
                app.pages.keep(Arc::clone(&page));
            }
            page
        }
    };
    let mut response = match answers::has(headers, &page.tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => answers::json_body(page.body(board.position())),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, page.tag.clone());
    headers.insert(caching_name, caching);
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
/// be, so that nothing is kept for good. Where none was named, the next one may be shown as
/// soon as anybody is in it.
fn caching(board: &Board<'_>, named: Option<Timestamp>) -> (HeaderName, HeaderValue) {
    const OPEN: HeaderValue = HeaderValue::from_static("public, max-age=1");
    const FINAL: HeaderValue = HeaderValue::from_static("public, max-age=30");
    let value = match named.is_some() && board.window().is_final {
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
    let place = BoardPlace::new(&hunt, &board)?;
    let name = place.name;
    let around = query.around.unwrap_or(0);
    let around = within("around", around, 0, NEIGHBOURS_MAX)?;
    let absent = || {
        Refusal::new(
            ProblemKind::UnknownPlayer,
            "the player is not on this board",
        )
    };
    let player = PlayerId::new(&player).map_err(|_| absent())?;
    let (view, hunt) = view_with(&app, &place, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let standing = board.standing(&player).ok_or_else(absent)?;
    let content = Content::of(&board);
    let tag = content.tag(&format!("standing {around} {player}"));
    // Whether the player is there was looked at; the neighbours are only for who has them not.
    Ok(tagged(&headers, &board, query.window, &tag, || {
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

/// A hunt and a board as a path names them; whether they are there is another question.
pub(super) struct BoardPlace {
    hunt: HuntId,
    pub(super) name: BoardName,
}

impl BoardPlace {
    pub(super) fn new(hunt: &str, board: &str) -> Result<Self, Refusal> {
        let hunt = parse_hunt(hunt)?;
        let name = board.parse().map_err(|fault: huntcore_model::IdError| {
            Refusal::new(ProblemKind::UnknownBoard, fault.to_string())
        })?;
        Ok(Self { hunt, name })
    }

    /// The hunt's number, if the hunt is there and has the board.
    pub(super) fn hunt_in(&self, view: &View) -> Result<HuntNumber, Refusal> {
        let entry = view.catalog.hunt(&self.hunt);
        let entry = entry.ok_or_else(|| unknown_hunt(self.hunt.as_str()))?;
        if has_board(entry, self.name) {
            return Ok(entry.number);
        }
        let name = self.name;
        let detail = format!("the hunt has no board {name}; its boards are listed with it");
        Err(Refusal::new(ProblemKind::UnknownBoard, detail))
    }
}

pub(super) fn within(name: &str, found: u32, least: u32, most: u32) -> Result<usize, Refusal> {
    if (least..=most).contains(&found) {
        return Ok(usize::try_from(found).expect("32 bits fit"));
    }
    let detail = format!("{name} is {found}, expected {least} to {most}");
    Err(Refusal::new(ProblemKind::Malformed, detail))
}

/// The newest view, or one in which the board covers the position asked for; and the hunt's
/// number.
pub(super) async fn view_with(
    app: &App,
    place: &BoardPlace,
    window: Option<Timestamp>,
    at_least: Option<&PositionText>,
) -> Result<(Arc<View>, HuntNumber), Refusal> {
    let view = match at_least {
        None => app.backend.view(),
        Some(text) => {
            let asked: Position = text.parse().map_err(|fault| {
                Refusal::new(ProblemKind::Malformed, format!("at_least: {fault}"))
            })?;
            if let Some(start) = window {
                refuse_for_good(&app.backend.view(), place, start)?;
            }
            view_at(app, place, &asked).await?
        }
    };
    let hunt = place.hunt_in(&view)?;
    Ok((view, hunt))
}

/// Refuses a window that no later version will have. One that has not begun, or a board that
/// is not there, may be by the position that is waited for.
fn refuse_for_good(view: &View, place: &BoardPlace, start: Timestamp) -> Result<(), Refusal> {
    let Ok(hunt) = place.hunt_in(view) else {
        return Ok(());
    };
    match view.boards.window(hunt, place.name, start.micros()) {
        Err(
            fault @ (WindowError::NoWindows { .. }
            | WindowError::NoStart { .. }
            | WindowError::Dropped { .. }),
        ) => Err(no_window(place.name, start, &fault)),
        Err(WindowError::NotYet { .. } | WindowError::UnknownBoard { .. }) | Ok(_) => Ok(()),
    }
}

/// How a view stands to a position that a board is to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    /// The board is shown as of it or later; or there is no such board as of it, and no wait
    /// brings it about.
    Covered,
    /// The view has not come so far.
    Behind,
    /// The view has, and the board is shown as it was before: it is ranked anew for each
    /// version, and it is not its turn yet.
    Resting,
    /// The same, until an operator says otherwise.
    Frozen,
}

fn coverage(view: &View, place: &BoardPlace, asked: &Position) -> Coverage {
    if !view.boards.position().covers(asked) {
        return Coverage::Behind;
    }
    let Ok(hunt) = place.hunt_in(view) else {
        return Coverage::Covered;
    };
    // All windows of a board are shown as of the same place.
    let board = view.boards.board(hunt, place.name);
    let board = board.or_else(|| view.boards.current_window(hunt, place.name).ok());
    if board.is_none_or(|board| board.position().covers(asked)) {
        return Coverage::Covered;
    }
    match view.catalog.flags().refresh(hunt, place.name) {
        RefreshMode::Frozen => Coverage::Frozen,
        RefreshMode::Incremental | RefreshMode::Rebuild => Coverage::Resting,
    }
}

/// A view in which the board covers the position asked for, if one comes in time.
async fn view_at(app: &App, place: &BoardPlace, asked: &Position) -> Result<Arc<View>, Refusal> {
    let wait = app.limits().at_least_wait;
    let deadline = Instant::now() + wait;
    // Subscribed before looking, so that no version slips in between.
    let mut views = app.backend.views();
    let mut asks = true;
    loop {
        views.borrow_and_update();
        let view = app.backend.view();
        let coverage = coverage(&view, place, asked);
        match coverage {
            Coverage::Covered => return Ok(view),
            Coverage::Frozen => {
                let detail = format!(
                    "board {} is frozen as it was before that position",
                    place.name
                );
                return Err(behind(detail, FROZEN_RETRY_MS));
            }
            Coverage::Behind | Coverage::Resting => {}
        }
        if std::mem::take(&mut asks) {
            app.backend.publish_now();
        }
        // What is not folded yet comes with a version of its own. A board that has rested does
        // not: it is made with the next version, and nothing else may ask for one.
        let until = match coverage {
            Coverage::Resting => deadline.min(Instant::now() + REST_PACE),
            _ => deadline,
        };
        match tokio::time::timeout_at(until, views.changed()).await {
            Ok(Ok(())) => {}
            Err(_) if until < deadline => asks = true,
            Ok(Err(_)) | Err(_) => {
                let detail = "the board has not reached that position yet".to_owned();
                return Err(behind(detail, whole_millis(wait).max(1)));
            }
        }
    }
}

fn behind(detail: String, retry_after_ms: u64) -> Refusal {
    let problem = Problem::new(ProblemKind::ProjectionBehind, detail);
    problem.retry_after_ms(retry_after_ms).into()
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
    found.map_err(|fault| no_window(name, start, &fault))
}

fn no_window(name: BoardName, start: Timestamp, fault: &WindowError) -> Refusal {
    let time = |micros: TimeMicros| Timestamp::from(micros);
    let (kind, detail) = match fault {
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
    named: Option<Timestamp>,
    tag: &str,
    answer: impl FnOnce() -> T,
) -> Response {
    let (_, caching) = caching(board, named);
    answers::tagged(headers, tag, caching, || {
        Bytes::from(serde_json::to_vec(&answer()).expect("answers are plain data"))
    })
}
