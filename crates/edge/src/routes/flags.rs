//! Flags: what operators turn while everything runs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use huntcore_model::{Catalog, Flag, FlagKey, FlagSetting, FlagSource, HuntId, HuntNumber};
use huntcore_wire::{FlagList, FlagQuery, FlagRequest, FlagView, ProblemKind};

use super::answers;
use super::hunts::{refused, shown};
use crate::backend::{CommandError, FlagTurn, View};
use crate::extract::{Asked, Segments, read_json};
use crate::openapi::FlagProblems;
use crate::problem::Refusal;
use crate::state::App;

/// How all flags are set.
#[utoipa::path(
    get, path = "/v1/flags", tag = "operations",
    responses((status = 200, description = "Every setting", body = FlagList), FlagProblems),
    security(("service" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let flags = all(&app.backend.view().catalog);
    Ok(answers::json(StatusCode::OK, &flags))
}

/// Sets a flag; answers when that is durable and this process goes by it.
///
/// What is set for a board holds before what is set for its hunt, and that before what is set
/// for all. Setting it back is one more request.
#[utoipa::path(
    put, path = "/v1/flags/{flag}", tag = "operations",
    params(("flag" = huntcore_wire::schema::FlagName, Path, description = "The flag's name")),
    request_body = FlagRequest,
    responses((status = 200, description = "How it is set now", body = FlagView), FlagProblems),
    security(("service" = [])),
)]
pub(super) async fn set(
    State(app): State<Arc<App>>,
    Segments(flag): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let flag = parse_flag(&flag)?;
    let limit = app.limits().body_bytes_max;
    let request: FlagRequest = read_json(&app, &headers, body, limit).await?;
    let hunt = number_of(&app, request.hunt.as_ref())?;
    let key = (flag, hunt, request.board);
    let turn = FlagTurn {
        flag,
        hunt,
        board: request.board,
        value: Some(request.value),
        by: FlagSource::Api,
        reason: request.reason,
    };
    let view = turned(&app, turn).await?;
    match view.catalog.flags().setting(&key) {
        Some(setting) => Ok(answers::json(
            StatusCode::OK,
            &flag_view(&view.catalog, &key, setting),
        )),
        // It is done and durable; only the catalog is late, or somebody took it back.
        None => Err(Refusal::new(
            ProblemKind::ProjectionBehind,
            "the flag is not shown yet, or was set otherwise meanwhile",
        )),
    }
}

/// Takes a setting back, so that what is set more widely holds.
#[utoipa::path(
    delete, path = "/v1/flags/{flag}", tag = "operations",
    params(
        ("flag" = huntcore_wire::schema::FlagName, Path, description = "The flag's name"),
        FlagQuery,
    ),
    responses((status = 200, description = "Every setting that is left", body = FlagList), FlagProblems),
    security(("service" = [])),
)]
pub(super) async fn unset(
    State(app): State<Arc<App>>,
    Segments(flag): Segments<String>,
    headers: HeaderMap,
    Asked(query): Asked<FlagQuery>,
) -> Result<Response, Refusal> {
    app.access.service(&headers)?;
    let flag = parse_flag(&flag)?;
    let turn = FlagTurn {
        flag,
        hunt: number_of(&app, query.hunt.as_ref())?,
        board: query.board,
        value: None,
        by: FlagSource::Api,
        reason: query.reason,
    };
    let view = turned(&app, turn).await?;
    Ok(answers::json(StatusCode::OK, &all(&view.catalog)))
}

/// Has it done, and gives a view that shows it.
async fn turned(app: &App, turn: FlagTurn) -> Result<Arc<View>, Refusal> {
    let turning = app.backend.turn_flag(turn);
    let turned = tokio::time::timeout(app.limits().request_timeout, turning).await;
    // Done or not: nobody can tell, and the list of flags will show.
    let turned = turned.unwrap_or(Err(CommandError::OutcomeUnknown));
    let visible_from = turned.map_err(|error| refused(&error))?;
    Ok(shown(app, visible_from).await)
}

fn all(catalog: &Catalog) -> FlagList {
    let settings = catalog.flags().settings();
    FlagList {
        flags: settings
            .map(|(key, setting)| flag_view(catalog, key, setting))
            .collect(),
    }
}

fn flag_view(catalog: &Catalog, key: &FlagKey, setting: &FlagSetting) -> FlagView {
    let &(flag, hunt, board) = key;
    FlagView {
        flag,
        hunt: hunt.and_then(|hunt| Some(catalog.by_number(hunt)?.id.clone())),
        board,
        value: setting.value,
        file: setting.file,
        by: setting.last.by.into(),
        reason: setting.last.reason.clone(),
        set_at: setting.last.set_at.into(),
    }
}

fn parse_flag(text: &str) -> Result<Flag, Refusal> {
    text.parse().map_err(|_| {
        let known = Flag::ALL.map(Flag::name).join(" and ");
        Refusal::new(
            ProblemKind::UnknownFlag,
            format!("there is no such flag; there are {known}"),
        )
    })
}

fn number_of(app: &App, hunt: Option<&HuntId>) -> Result<Option<HuntNumber>, Refusal> {
    let number = |id| app.hunt(id).map(|(_, entry)| entry.number);
    hunt.map(number).transpose()
}
