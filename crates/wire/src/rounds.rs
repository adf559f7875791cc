//! Rounds and their maps.

use huntcore_model::{Hash32, HuntId, RoundEntry, RoundNumber, TileIndex, TimeMicros};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CellText, Timestamp, schema};

/// A round (`GET /v1/hunts/{hunt}/rounds/{round}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// The map's name.
    #[schema(value_type = schema::Hash)]
    pub map: Hash32,
    /// Binds the seed before it may be known.
    #[schema(value_type = schema::Hash)]
    pub commitment: Hash32,
    /// Gives the tiles' places among the configuration version's cells.
    #[schema(value_type = schema::Hash)]
    pub layout: Hash32,
    /// The configuration that the map is made by.
    #[schema(minimum = 1, examples(1))]
    pub config_version: u32,
    /// How many tiles there are.
    #[schema(minimum = 1, maximum = 1_048_576, examples(1024))]
    pub tiles: u32,
    /// From this time on tiles may be claimed.
    #[schema(value_type = schema::Timestamp)]
    pub opens_at: Timestamp,
    /// Up to this time, exclusive.
    #[schema(value_type = schema::Timestamp)]
    pub closes_at: Timestamp,
    /// The server's clock, to tell how much is left.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// The seed, once the claim window has passed everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Hash>)]
    pub seed: Option<Hash32>,
}

/// A round's map (`GET /v1/maps/{map}`); never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MapView {
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// The map's name: the SHA-256 of its canonical bytes.
    #[schema(value_type = schema::Hash)]
    pub map: Hash32,
    /// The name of the configuration that the map is made by.
    #[schema(value_type = schema::Hash)]
    pub config_hash: Hash32,
    /// The tiles, by number.
    pub tiles: Vec<TileView>,
}

/// A tile of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TileView {
    /// Its number.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// Where it is.
    #[schema(value_type = schema::Cell)]
    pub cell: CellText,
    /// What it is worth; left out while hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples(5))]
    pub value: Option<u32>,
}

impl RoundView {
    /// A round of the catalog, shown at `now`.
    #[must_use]
    pub fn new(hunt: &HuntId, entry: &RoundEntry, now: TimeMicros) -> Self {
        let opened = &entry.opened;
        Self {
            hunt: hunt.clone(),
            round: opened.round,
            map: opened.map,
            commitment: opened.commitment,
            layout: opened.layout,
            config_version: opened.config_version,
            tiles: opened.tiles,
            opens_at: opened.schedule.opens_at.into(),
            closes_at: opened.schedule.closes_at.into(),
            server_time: now.into(),
            seed: entry.seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{HuntNumber, RoundOpened, RoundSchedule};

    use super::*;

    #[test]
    fn a_round_hides_its_seed_until_it_may_be_known() {
        let mut entry = RoundEntry {
            opened: RoundOpened {
                hunt: HuntNumber::new(0),
                round: RoundNumber::new(7),
                config_version: 1,
                map: Hash32::new([1; 32]),
                commitment: Hash32::new([2; 32]),
                layout: Hash32::new([3; 32]),
                tiles: 4,
                schedule: RoundSchedule {
                    opens_at: TimeMicros::from_millis(7_000),
                    closes_at: TimeMicros::from_millis(17_000),
                },
            },
            seed: None,
        };
        let hunt = HuntId::new("park").expect("a slug");
        let show = |entry: &RoundEntry| {
            let view = RoundView::new(&hunt, entry, TimeMicros::from_millis(8_500));
            serde_json::to_string(&view).expect("plain data")
        };
        let (ones, twos, threes) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
        assert_eq!(
            show(&entry),
            format!(
                r#"{{"hunt":"park","round":7,"map":"{ones}","commitment":"{twos}","layout":"{threes}","config_version":1,"tiles":4,"opens_at":"1970-01-01T00:00:07.000Z","closes_at":"1970-01-01T00:00:17.000Z","server_time":"1970-01-01T00:00:08.500Z"}}"#
            )
        );
        entry.seed = Some(Hash32::ZERO);
        assert!(show(&entry).ends_with(&format!(r#","seed":"{}"}}"#, "00".repeat(32))));
    }

    #[test]
    fn a_hidden_value_is_left_out() {
        let tile = TileView {
            tile: TileIndex::new(0),
            cell: CellText::new(0x08c1_fb46_741a_e1ff),
            value: None,
        };
        assert_eq!(
            serde_json::to_string(&tile).expect("plain data"),
            r#"{"tile":0,"cell":"8c1fb46741ae1ff"}"#
        );
    }
}
