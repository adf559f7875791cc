//! Cells and maps. Cells follow from the catalog; maps only the upstream can make, because
//! only it has the seeds; a whole one, with its values, is checked against its name.

use std::sync::Arc;

use huntcore_client::{Client, ClientError};
use huntcore_edge::{PublishedMap, Unavailable};
use huntcore_map::{Cell, MapTile, RoundMap};
use huntcore_model::Hash32;
use huntcore_projection::Kept;
use huntcore_wire::{MapView, ProblemKind};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::answers::in_words;

/// Tiles of all maps kept.
const TILES_KEPT: usize = 8 << 20;
/// Maps on their way from the upstream; who else asks waits for a turn.
const FETCHES_MAX: usize = 4;

/// Maps that the upstream has made.
pub(crate) struct Maps {
    client: Client,
    /// Whole ones only: of others more may be shown later.
    kept: Mutex<Kept<Hash32, Arc<PublishedMap>>>,
    turns: Semaphore,
}

impl Maps {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            kept: Mutex::new(Kept::new(TILES_KEPT)),
            turns: Semaphore::new(FETCHES_MAX),
        }
    }

    /// The map of that name; `None` if the upstream knows none.
    pub(crate) async fn map(&self, name: Hash32) -> Result<Option<Arc<PublishedMap>>, Unavailable> {
        if let Some(kept) = self.kept.lock().get(&name) {
            return Ok(Some(kept));
        }
        let _turn = self.turns.acquire().await;
        // It may have come meanwhile.
        if let Some(kept) = self.kept.lock().get(&name) {
            return Ok(Some(kept));
        }
        let view = match self.client.map(name).await {
            Ok(view) => view,
            Err(error) if error.kind() == Some(ProblemKind::UnknownMap) => return Ok(None),
            Err(error) => return Err(not_reached(&error)),
        };
        let map = published(name, view).ok_or_else(|| Unavailable {
            reason: "the upstream's map is not the one that its name stands for".to_owned(),
        })?;
        let map = Arc::new(map);
        if map.values.is_some() {
            let weight = map.cells.len();
            self.kept.lock().insert(name, map.clone(), weight);
        }
        Ok(Some(map))
    }
}

fn not_reached(error: &ClientError) -> Unavailable {
    Unavailable {
        reason: format!("the upstream has the maps: {}", in_words(error)),
    }
}

/// What the upstream says of a map, if it may be true.
fn published(name: Hash32, view: MapView) -> Option<PublishedMap> {
    let cells = view.tiles.iter().map(|tile| Cell::new(tile.cell.get()));
    let cells: Vec<Cell> = cells.collect::<Result<_, _>>().ok()?;
    let values: Option<Vec<u32>> = view.tiles.iter().map(|tile| tile.value).collect();
    if let Some(values) = &values {
        let tiles = std::iter::zip(&cells, values);
        let tiles = tiles.map(|(&cell, &points)| MapTile { cell, points });
        let whole = RoundMap::assemble(
            view.hunt.clone(),
            view.round,
            view.config_hash,
            tiles.collect(),
        );
        if whole.name() != name {
            return None;
        }
    }
    (view.map == name).then_some(PublishedMap {
        hunt: view.hunt,
        round: view.round,
        name,
        config_hash: view.config_hash,
        cells,
        values,
    })
}
