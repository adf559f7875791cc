//! Where the load plays: hunts with maps as large as they may be, and a crowd of players.

use huntcore_wire::HuntRequest;
use serde_json::json;

use crate::report::BenchError;

/// Tiles of each hunt's one map.
pub(crate) const HUNT_TILES: u32 = 1_000_000;
/// Players; their ids have 20 bytes.
pub(crate) const CROWD: u32 = 10_000;
const ID_BYTES: usize = 20;

/// The hunt of that index: one round of an hour on a square at the equator.
pub(crate) fn hunt_request(index: u32, tiles: u32) -> Result<HuntRequest, BenchError> {
    let side = if tiles > 500_000 { 0.365 } else { 0.32 };
    let square = [
        [0.0, 0.0],
        [side, 0.0],
        [side, side],
        [0.0, side],
        [0.0, 0.0],
    ];
    let request = json!({
        "id": hunt_id(index),
        "area": {"type": "Polygon", "coordinates": [square]},
        "resolution": 11,
        "round": "1h",
        "claim_window": "1h",
        "tiles": tiles,
    });
    serde_json::from_value(request).map_err(BenchError::huntcore)
}

/// Tiles of a hunt that is watched with rounds of an hour.
pub(crate) const WATCHED_TILES: u32 = 50_000;

/// A hunt to be watched: small enough to be ready at once.
pub(crate) fn watched_hunt(round: &str, tiles: u32) -> Result<HuntRequest, BenchError> {
    let (side, resolution) = if tiles > 5_000 { (0.1, 11) } else { (0.1, 10) };
    let square = [
        [0.0, 0.0],
        [side, 0.0],
        [side, side],
        [0.0, side],
        [0.0, 0.0],
    ];
    let request = json!({
        "id": "watched",
        "area": {"type": "Polygon", "coordinates": [square]},
        "resolution": resolution,
        "round": round,
        "claim_window": round,
        "tiles": tiles,
    });
    serde_json::from_value(request).map_err(BenchError::huntcore)
}

/// The public name of the hunt of that index.
fn hunt_id(index: u32) -> String {
    format!("bench-{index}")
}

/// Every player's id, in one text.
#[derive(Clone, Debug)]
pub(crate) struct Crowd(String);

impl Crowd {
    pub(crate) fn new() -> Self {
        let ids = (0..CROWD).map(|index| format!("player-{index:013}"));
        Self(ids.collect())
    }

    /// The id of the player of that index.
    pub(crate) fn id(&self, player: u32) -> &str {
        let start = player as usize * ID_BYTES;
        &self.0[start..start + ID_BYTES]
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::PlayerId;

    use super::*;

    #[test]
    fn the_area_has_room_for_as_many_tiles_as_wanted() {
        for request in [
            hunt_request(0, HUNT_TILES),
            watched_hunt("1h", WATCHED_TILES),
            watched_hunt("10s", 64),
        ] {
            let request = request.expect("plain data");
            huntcore_node::check_hunt(&request).expect("a hunt can be made of it");
        }
    }

    #[test]
    fn every_player_has_an_id_of_20_bytes() {
        let crowd = Crowd::new();
        for player in [0, 1, CROWD - 1] {
            let id = crowd.id(player);
            assert_eq!(id, format!("player-{player:013}"));
            assert!(PlayerId::new(id).is_ok_and(|id| id.as_str().len() == ID_BYTES));
        }
    }
}
