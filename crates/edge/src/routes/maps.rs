//! Maps by their name: immutable, once all of them may be shown.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use huntcore_model::{Hash32, TileIndex};
use huntcore_wire::{CellText, MapView, Problem, ProblemKind, TileView};

use super::answers;
use crate::backend::PublishedMap;
use crate::extract::Segments;
use crate::openapi::MapProblems;
use crate::problem::Refusal;
use crate::state::App;

/// A round's map. Not found before the round opens; values are left out while hidden.
#[utoipa::path(
    get, path = "/v1/maps/{map}", tag = "hunts",
    params(("map" = huntcore_wire::schema::Hash, Path, description = "The map's name")),
    responses(
        (
            status = 200, description = "The map; never changes, but for values that are shown later",
            body = MapView, headers(("ETag" = String, description = "For If-None-Match")),
        ),
        (status = 304, description = "The client has it"),
        MapProblems,
    ),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let unknown = || {
        let detail = "no round that has opened has this map, or it is no longer kept";
        Refusal::new(ProblemKind::UnknownMap, detail)
    };
    let name: Hash32 = name.parse().map_err(|_| unknown())?;
    let published = app.backend.map(name).await.map_err(|unavailable| {
        let problem = Problem::new(ProblemKind::Unavailable, unavailable.to_string());
        Refusal::from(problem.retry_after_ms(1_000))
    })?;
    let published = published.ok_or_else(unknown)?;
    if !has_opened(&app, &published) {
        return Err(unknown());
    }
    let (tag, caching) = match published.values.is_some() {
        true => (name.to_string(), answers::IMMUTABLE),
        false => (format!("{name}-hidden"), answers::ASK_FIRST),
    };
    let make = async {
        let body = serde_json::to_vec(&view(&published)).expect("answers are plain data");
        Ok(Bytes::from(body))
    };
    let body = match answers::is_known(&headers, &tag) {
        true => Bytes::new(),
        false => app.bodies.get(&format!("map {tag}"), make).await?,
    };
    Ok(answers::tagged(&headers, &tag, caching, || body))
}

/// A round that the catalog has let go of opened long ago.
fn has_opened(app: &App, published: &PublishedMap) -> bool {
    let view = app.backend.view();
    let round = view
        .catalog
        .hunt(&published.hunt)
        .and_then(|entry| entry.round(published.round).cloned());
    round.is_none_or(|round| round.opened.schedule.opens_at <= app.backend.now())
}

fn view(published: &PublishedMap) -> MapView {
    let value = |tile: usize| Some(published.values.as_ref()?[tile]);
    let tiles = (0..).zip(&published.cells).enumerate();
    MapView {
        hunt: published.hunt.clone(),
        round: published.round,
        map: published.name,
        config_hash: published.config_hash,
        tiles: tiles
            .map(|(index, (tile, cell))| TileView {
                tile: TileIndex::new(tile),
                cell: CellText::new(cell.get()),
                value: value(index),
            })
            .collect(),
    }
}
