//! Cells, which never change for one configuration, and the tiles drawn from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use huntcore_map::{Cell, CellList, draw_tiles};
use huntcore_model::{Hash32, HuntId};
use huntcore_wire::{CellsView, RoundView};

use crate::http::Asker;
use crate::{Client, ClientError};

/// Lists kept; one holds up to 8 MiB.
const LISTS_MAX: usize = 16;

/// Cell lists by hunt and configuration version.
#[derive(Default)]
pub(crate) struct CellsCache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lists: HashMap<(HuntId, u32), Arc<CellList>>,
    /// The tag of the answer without a version, and the version that it had.
    latest: HashMap<HuntId, (HeaderValue, u32)>,
}

impl Client {
    /// The cells of a configuration, each version fetched once; without a version those in
    /// use, asked for each time but sent only when they have changed.
    pub async fn cells(
        &self,
        hunt: &HuntId,
        version: Option<u32>,
    ) -> Result<Arc<CellList>, ClientError> {
        let cache = &self.shared.cells;
        if let Some(list) = version.and_then(|version| cache.list(hunt, version)) {
            return Ok(list);
        }
        let mut url = self.url(&["v1", "hunts", hunt.as_str(), "cells"])?;
        let mut headers = HeaderMap::new();
        let known = match version {
            Some(version) => {
                let version = version.to_string();
                url.query_pairs_mut().append_pair("version", &version);
                None
            }
            None => cache.latest(hunt),
        };
        if let Some((tag, _)) = &known {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        let answer = self
            .send_with(Method::GET, url, Asker::Anybody, None, headers)
            .await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return known
                .map(|(_, list)| list)
                .ok_or_else(|| ClientError::protocol("not modified, but nothing was known"));
        }
        let view: CellsView = answer.json()?;
        let list = Arc::new(checked(&view)?);
        let tag = answer.headers.get(ETAG).filter(|_| version.is_none());
        cache.keep(hunt, view.config_version, &list, tag);
        Ok(list)
    }

    /// Where the tiles of a round are: drawn from its layout and its configuration's cells.
    pub async fn tiles(&self, round: &RoundView) -> Result<Vec<Cell>, ClientError> {
        let version = round.config_version;
        self.draw(&round.hunt, version, &round.layout, round.tiles)
            .await
    }

    /// Where the tiles of a round are, from what the live `round` message says of it.
    pub async fn draw(
        &self,
        hunt: &HuntId,
        config_version: u32,
        layout: &Hash32,
        tiles: u32,
    ) -> Result<Vec<Cell>, ClientError> {
        let cells = self.cells(hunt, Some(config_version)).await?;
        draw_tiles(cells.as_slice(), layout, tiles)
            .map_err(|error| ClientError::protocol(error.to_string()))
    }
}

impl CellsCache {
    fn list(&self, hunt: &HuntId, version: u32) -> Option<Arc<CellList>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lists.get(&(hunt.clone(), version)).cloned()
    }

    fn latest(&self, hunt: &HuntId) -> Option<(HeaderValue, Arc<CellList>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (tag, version) = kept.latest.get(hunt)?;
        let list = kept.lists.get(&(hunt.clone(), *version))?;
        Some((tag.clone(), Arc::clone(list)))
    }

    fn keep(&self, hunt: &HuntId, version: u32, list: &Arc<CellList>, tag: Option<&HeaderValue>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lists.len() >= LISTS_MAX {
            // They are fetched again when they are needed again.
            *kept = Kept::default();
        }
        kept.lists.insert((hunt.clone(), version), Arc::clone(list));
        if let Some(tag) = tag {
            kept.latest.insert(hunt.clone(), (tag.clone(), version));
        }
    }
}

/// The list, if it is what it says it is.
fn checked(view: &CellsView) -> Result<CellList, ClientError> {
    let cells: Vec<Cell> = view
        .cells
        .iter()
        .map(|cell| Cell::new(cell.get()))
        .collect::<Result<_, _>>()
        .map_err(|error| ClientError::protocol(error.to_string()))?;
    let list = CellList::new(cells).map_err(|error| ClientError::protocol(error.to_string()))?;
    if list.hash() == view.hash {
        Ok(list)
    } else {
        Err(ClientError::protocol(format!(
            "cells hash to {}, the server says {}",
            list.hash(),
            view.hash
        )))
    }
}
