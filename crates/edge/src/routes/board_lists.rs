//! What there is to read of boards besides their pages: which there are, their windows, what came
//! too late for them, and where a score would stand.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use huntcore_board::{BoardView as Board, LateEvent};
use huntcore_model::{BoardName, DefinedBoard, HuntNumber, SCORE_MAGNITUDE_MAX, TimeMicros};
use huntcore_wire::{
    BoardList, BoardSpec, BoardSummary, LATE_PAGE_MAX, LateEventView, LateList, LateQuery,
    ProblemKind, ScoreRankQuery, ScoreRankView, WINDOW_PAGE_MAX, WindowCursor, WindowList,
    WindowQuery, WindowView, WindowsSummary,
};

use super::answers;
use super::board_pages::Content;
use super::boards::{BoardPlace, find, not_shown, tagged, view_with, window, within};
use super::hunts::parse_hunt;
use crate::backend::View;
use crate::extract::{Asked, Segments};
use crate::openapi::AtLeastProblems;
use crate::problem::Refusal;
use crate::state::App;

const PAGE_DEFAULT: u32 = 100;

/// A hunt's boards.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards", tag = "boards",
    params(("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id")),
    responses(
        (status = 200, description = "The boards, by name", body = BoardList),
        AtLeastProblems,
    ),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
) -> Result<Response, Refusal> {
    let (view, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    let boards = view.boards.boards(entry.number);
    let list = BoardList {
        hunt: entry.id.clone(),
        position: view.boards.position().into(),
        boards: boards
            .map(|board| summary(&view, entry.number, board))
            .collect(),
    };
    Ok(answers::json(StatusCode::OK, &list))
}

/// A board's windows, newest first.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards/{board}/windows", tag = "boards",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("board" = huntcore_wire::schema::BoardName, Path, description = "The board"),
        WindowQuery,
    ),
    responses(
        (status = 200, description = "The windows that anybody is on", body = WindowList),
        AtLeastProblems,
    ),
)]
pub(super) async fn windows(
    State(app): State<Arc<App>>,
    Segments((hunt, board)): Segments<(String, String)>,
    Asked(query): Asked<WindowQuery>,
) -> Result<Response, Refusal> {
    let place = BoardPlace::new(&hunt, &board)?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    let limit = within("limit", limit, 1, WINDOW_PAGE_MAX)?;
    let cursor = query.cursor.as_deref().map(str::parse::<WindowCursor>);
    let cursor = cursor
        .transpose()
        .map_err(|fault| Refusal::new(ProblemKind::Malformed, fault.to_string()))?;
    let view = app.backend.view();
    let (hunt, name) = (place.hunt_in(&view)?, place.name);
    let generation = generation(&view, hunt, name)?;
    let before = cursor.map_or(Ok(TimeMicros::MAX), |cursor| {
        check(&cursor, name, generation)
    })?;
    let mut windows = view.boards.windows_before(hunt, name, before);
    let shown: Vec<WindowView> = windows
        .by_ref()
        .take(limit)
        .filter_map(|board| window_view(&board, view.boards.time()))
        .collect();
    let last = shown.last().filter(|_| windows.next().is_some());
    let list = WindowList {
        board: name,
        generation,
        position: view.boards.position().into(),
        next_cursor: last.map(|last| {
            let cursor = WindowCursor {
                board: name,
                generation,
                before: last.start.micros(),
            };
            cursor.to_string()
        }),
        windows: shown,
    };
    Ok(answers::json(StatusCode::OK, &list))
}

/// What came too late for a board.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards/{board}/late", tag = "boards",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("board" = huntcore_wire::schema::BoardName, Path, description = "The board"),
        LateQuery,
    ),
    responses(
        (status = 200, description = "How many there were, and the newest", body = LateList),
        AtLeastProblems,
    ),
)]
pub(super) async fn late(
    State(app): State<Arc<App>>,
    Segments((hunt, board)): Segments<(String, String)>,
    Asked(query): Asked<LateQuery>,
) -> Result<Response, Refusal> {
    let place = BoardPlace::new(&hunt, &board)?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    let limit = within("limit", limit, 1, LATE_PAGE_MAX)?;
    let view = app.backend.view();
    let (hunt, name) = (place.hunt_in(&view)?, place.name);
    let generation = generation(&view, hunt, name)?;
    let late = view.boards.late_events(hunt, name);
    let newest = late.into_iter().flat_map(|late| late.newest());
    let list = LateList {
        board: name,
        generation,
        position: view.boards.position().into(),
        count: late.map_or(0, |late| late.count()),
        events: newest.take(limit).map(|event| late_view(&event)).collect(),
    };
    Ok(answers::json(StatusCode::OK, &list))
}

/// Where a score would stand.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/boards/{board}/rank", tag = "boards",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        ("board" = huntcore_wire::schema::BoardName, Path, description = "The board"),
        ScoreRankQuery,
    ),
    responses(
        (
            status = 200, description = "Where it would stand", body = ScoreRankView,
            headers(("ETag" = String, description = "For If-None-Match; of the board's version, not the position")),
        ),
        (status = 304, description = "The board has not changed"),
        AtLeastProblems,
    ),
)]
pub(super) async fn rank(
    State(app): State<Arc<App>>,
    Segments((hunt, board)): Segments<(String, String)>,
    Asked(query): Asked<ScoreRankQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let place = BoardPlace::new(&hunt, &board)?;
    let name = place.name;
    let score = query.score;
    if !(-SCORE_MAGNITUDE_MAX..=SCORE_MAGNITUDE_MAX).contains(&score) {
        let detail = format!("score is {score}, expected at most 2^53-1 either way");
        return Err(Refusal::new(ProblemKind::Malformed, detail));
    }
    let (view, hunt) = view_with(&app, &place, query.window, query.at_least.as_ref()).await?;
    let board = find(&view, hunt, name, query.window)?;
    let tag = Content::of(&board).tag(&format!("rank {score}"));
    Ok(tagged(&headers, &board, query.window, &tag, || {
        let found = board.rank_at(score);
        ScoreRankView {
            board: name,
            window: window(&board),
            position: board.position().into(),
            score,
            rank: found.better + found.equal + 1,
            better: found.better,
            equal: found.equal,
            of: board.len() as u64,
        }
    }))
}

fn generation(view: &View, hunt: HuntNumber, name: BoardName) -> Result<u64, Refusal> {
    let defined = view.boards.defined(hunt, name);
    let defined = defined.ok_or_else(|| not_shown(name))?;
    Ok(defined.defined_at.get())
}

/// The end of the page before, if it was of this board.
fn check(cursor: &WindowCursor, board: BoardName, generation: u64) -> Result<TimeMicros, Refusal> {
    if cursor.board != board {
        let detail = format!(
            "the cursor is of the windows of {}, not of {board}",
            cursor.board
        );
        return Err(Refusal::new(ProblemKind::ForeignCursor, detail));
    }
    if cursor.generation != generation {
        let detail = format!("{board} was defined anew since the cursor was given out");
        return Err(Refusal::new(ProblemKind::OutdatedCursor, detail));
    }
    Ok(cursor.before)
}

fn summary(view: &View, hunt: HuntNumber, board: &DefinedBoard) -> BoardSummary {
    let name = board.definition.name;
    let mut windows = view.boards.windows(hunt, name);
    let oldest = windows.next();
    let newest = windows.next_back().or(oldest);
    let start = |board: Board<'_>| board.window().start;
    let shown = newest.or_else(|| view.boards.board(hunt, name));
    let summary = oldest.and_then(start).zip(newest.and_then(start));
    let newest_final = view.boards.latest_final(hunt, name).and_then(start);
    BoardSummary {
        definition: BoardSpec::of(&board.definition),
        generation: board.defined_at.get(),
        players: shown.map_or(0, |board| board.len() as u64),
        windows: summary.map(|(oldest, newest)| WindowsSummary {
            count: view.boards.windows(hunt, name).count() as u64,
            oldest: oldest.into(),
            newest: newest.into(),
            newest_final: newest_final.map(Into::into),
        }),
        late: view
            .boards
            .late_events(hunt, name)
            .map_or(0, |late| late.count()),
    }
}

fn window_view(board: &Board<'_>, time: TimeMicros) -> Option<WindowView> {
    let window = board.window();
    let (start, end) = window.start.zip(window.end)?;
    Some(WindowView {
        start: start.into(),
        end: end.into(),
        is_final: window.is_final,
        is_provisional: !window.is_final && end <= time,
        players: board.len() as u64,
        is_recorded: window.is_recorded,
    })
}

fn late_view(event: &LateEvent<'_>) -> LateEventView {
    LateEventView {
        event_id: event.event_id.to_owned(),
        player: event.player.clone(),
        score: event.score,
        ts: event.event_time.into(),
        taken_at: event.batch_time.into(),
    }
}
