//! The cells of a hunt's configuration: immutable, so that anybody may keep them for ever.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use huntcore_model::{HuntEntry, TimeMicros};
use huntcore_wire::{CellText, CellsQuery, CellsView, ProblemKind};

use super::answers;
use super::hunts::parse_hunt;
use crate::extract::{Asked, Segments};
use crate::openapi::HuntProblems;
use crate::problem::Refusal;
use crate::state::App;

/// The cells that a hunt's tiles are drawn from.
#[utoipa::path(
    get, path = "/v1/hunts/{hunt}/cells", tag = "hunts",
    params(
        ("hunt" = huntcore_wire::schema::HuntId, Path, description = "The hunt's id"),
        CellsQuery,
    ),
    responses(
        (
            status = 200, description = "The cells; never change for one version", body = CellsView,
            headers(("ETag" = String, description = "For If-None-Match")),
        ),
        (status = 304, description = "The client has them"),
        HuntProblems,
    ),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Segments(hunt): Segments<String>,
    Asked(query): Asked<CellsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, entry) = app.hunt(&parse_hunt(&hunt)?)?;
    let asked = query.version;
    let version = asked.unwrap_or_else(|| version_in_use(&entry, app.backend.now()));
    let unknown = || Refusal::new(ProblemKind::UnknownVersion, "the hunt has no such version");
    let known = entry.version(version).ok_or_else(unknown)?;
    let tag = format!("{}-{version}", known.config.cells_hash);
    // Without a version the same URL gives another list one day.
    let caching = match asked {
        Some(_) => answers::IMMUTABLE,
        None => answers::ASK_FIRST,
    };
    let make = async {
        let cells = app
            .backend
            .cells(entry.number, version)
            .await
            .ok_or_else(unknown)?;
        let cells_view = CellsView {
            hunt: entry.id.clone(),
            config_version: version,
            resolution: cells.resolution(),
            count: cells.count(),
            hash: cells.hash(),
            cells: cells
                .as_slice()
                .iter()
                .map(|cell| CellText::new(cell.get()))
                .collect(),
        };
        let body = serde_json::to_vec(&cells_view).expect("answers are plain data");
        Ok(Bytes::from(body))
    };
    let name = format!("cells {} {version}", entry.id);
    let body = match answers::is_known(&headers, &tag) {
        true => Bytes::new(),
        false => app.bodies.get(&name, make).await?,
    };
    Ok(answers::tagged(&headers, &tag, caching, || body))
}

/// The version of the newest open round, or the one that holds next.
fn version_in_use(entry: &HuntEntry, now: TimeMicros) -> u32 {
    let open = entry
        .newest_open_round(now)
        .map(|round| round.opened.config_version);
    open.or_else(|| {
        let due = entry
            .versions
            .iter()
            .rev()
            .find(|version| version.from_time <= now);
        due.or(entry.versions.first())
            .map(|version| version.version)
    })
    .unwrap_or(1)
}
