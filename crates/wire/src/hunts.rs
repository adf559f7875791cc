//! Hunts: creating, changing and showing them, and their cells.

use huntcore_model::{
    BoardName, ConfigVersion, Hash32, HuntConfig, HuntEntry, HuntId, HuntState, RoundNumber,
    TimeMicros, ValueWeight,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{BoardSpec, CellText, DurationText, Timestamp, schema};

/// Creates a hunt (`POST /v1/hunts`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HuntRequest {
    /// Its public name.
    #[schema(value_type = schema::HuntId)]
    pub id: HuntId,
    /// Where it takes place: `GeoJSON`.
    #[schema(value_type = schema::Area)]
    pub area: Value,
    /// The H3 resolution of its cells.
    #[schema(maximum = 15, examples(12))]
    pub resolution: u8,
    /// From one round's opening to the next one's; 100 ms to 1 h.
    #[schema(value_type = schema::Duration, examples("1s"))]
    pub round: DurationText,
    /// How long a round's tiles may be claimed; from one round's length to 1 h.
    #[schema(value_type = schema::Duration, examples("10s"))]
    pub claim_window: DurationText,
    /// Tiles of one map; at most as many as the area has cells.
    #[schema(minimum = 1, maximum = 1_048_576, examples(1024))]
    pub tiles: u32,
    /// When round 1 opens; at once if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub starts_at: Option<Timestamp>,
    /// No round opens at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub ends_at: Option<Timestamp>,
    /// What a tile may be worth, and how often; 1, 5, 25 or 100 points by weights of 70, 20,
    /// 9 and 1 if left out.
    #[serde(default = "ValueRow::default_table")]
    #[schema(min_items = 1, max_items = 64)]
    pub values: Vec<ValueRow>,
    /// Whether values stay hidden until their round's seed is published.
    #[serde(default)]
    pub values_hidden: bool,
    /// Its boards, besides `total`, `best` and `second`, which every hunt has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub boards: Vec<BoardSpec>,
}

/// Changes a hunt (`PATCH /v1/hunts/{hunt}`); what is left out stays. A change of the
/// configuration holds from a future round on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HuntChange {
    /// Where it takes place: `GeoJSON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Area>)]
    pub area: Option<Value>,
    /// The H3 resolution of its cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 15)]
    pub resolution: Option<u8>,
    /// From one round's opening to the next one's; 100 ms to 1 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Duration>)]
    pub round: Option<DurationText>,
    /// How long a round's tiles may be claimed; from one round's length to 1 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Duration>)]
    pub claim_window: Option<DurationText>,
    /// Tiles of one map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_048_576)]
    pub tiles: Option<u32>,
    /// What a tile may be worth, and how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub values: Option<Vec<ValueRow>>,
    /// Whether values stay hidden until their round's seed is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_hidden: Option<bool>,
    /// No round opens at this time or later; `null` removes the end.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub ends_at: Option<Option<Timestamp>>,
    /// All of its boards besides those that every hunt has. One that is defined as before goes
    /// on, any other begins anew, and one that is left out is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub boards: Option<Vec<BoardSpec>>,
}

/// One row of a hunt's table of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueRow {
    /// Points for the tile's winner.
    #[schema(maximum = 1_000_000, examples(5))]
    pub points: u32,
    /// How often, against the other rows' weights.
    #[schema(minimum = 1, maximum = 2_147_483_648_u32, examples(20))]
    pub weight: u32,
}

/// What a hunt is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HuntStateName {
    /// Its first round has not opened.
    Scheduled,
    /// Rounds open and are claimed.
    Running,
    /// Rounds go on, claims are refused.
    Paused,
    /// Its end has come; the last rounds' answers are kept.
    Ended,
    /// An operator ended it for ever.
    Closed,
}

/// A hunt (`GET /v1/hunts/{hunt}`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HuntView {
    /// What the list of hunts says of it.
    #[serde(flatten)]
    pub summary: HuntSummary,
    /// Where it takes place: a `GeoJSON` geometry.
    #[schema(value_type = schema::Area)]
    pub outline: Value,
    /// The boards that it was given, as they may be given again.
    #[serde(default)]
    pub board_definitions: Vec<BoardSpec>,
}

/// A hunt as the list shows it. What depends on the configuration is of the newest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HuntSummary {
    /// Its public name.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// What it is doing.
    pub state: HuntStateName,
    /// When it was created.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: Timestamp,
    /// When round 1 opens.
    #[schema(value_type = schema::Timestamp)]
    pub starts_at: Timestamp,
    /// No round opens at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub ends_at: Option<Timestamp>,
    /// When an operator closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub closed_at: Option<Timestamp>,
    /// From one round's opening to the next one's.
    #[schema(examples(1000))]
    pub round_ms: u64,
    /// How long a round's tiles may be claimed.
    #[schema(examples(10000))]
    pub claim_window_ms: u64,
    /// The H3 resolution of its cells.
    #[schema(maximum = 15, examples(12))]
    pub resolution: u8,
    /// Tiles of one map.
    #[schema(examples(1024))]
    pub tiles: u32,
    /// How many cells the area has.
    #[schema(examples(4711))]
    pub cells: u32,
    /// The newest configuration's version.
    #[schema(minimum = 1, examples(1))]
    pub config_version: u32,
    /// The name of all that goes into a map besides its seed.
    #[schema(value_type = schema::Hash)]
    pub config_hash: Hash32,
    /// What a tile may be worth, and how often.
    pub values: Vec<ValueRow>,
    /// Whether values stay hidden until their round's seed is published.
    pub values_hidden: bool,
    /// seed(0) of the first seed chain.
    #[schema(value_type = schema::Hash)]
    pub anchor: Hash32,
    /// seed(0) of every seed chain published so far, chain 0 first.
    #[schema(value_type = Vec<schema::Hash>)]
    pub anchors: Vec<Hash32>,
    /// Its boards, the built-in ones first.
    #[schema(value_type = Vec<schema::BoardName>)]
    pub boards: Vec<BoardName>,
    /// Its configurations, oldest first.
    pub versions: Vec<HuntVersion>,
}

/// From when on a configuration of a hunt holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HuntVersion {
    /// Counts from 1.
    #[schema(minimum = 1)]
    pub version: u32,
    /// The first round that it holds for.
    #[schema(value_type = schema::RoundNumber)]
    pub from_round: RoundNumber,
    /// When that round opens.
    #[schema(value_type = schema::Timestamp)]
    pub from_time: Timestamp,
    /// The name of all that goes into a map besides its seed: this and what follows, with
    /// the version's cells.
    #[schema(value_type = schema::Hash)]
    pub config_hash: Hash32,
    /// The H3 resolution of its cells.
    #[schema(maximum = 15, examples(12))]
    pub resolution: u8,
    /// Tiles of one map.
    #[schema(examples(1024))]
    pub tiles: u32,
    /// What a tile may be worth, and how often.
    pub values: Vec<ValueRow>,
}

/// Every hunt (`GET /v1/hunts`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HuntList {
    /// In order of creation.
    pub hunts: Vec<HuntSummary>,
}

/// The cells of a configuration (`GET /v1/hunts/{hunt}/cells`); never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellsView {
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Which configuration.
    #[schema(minimum = 1)]
    pub config_version: u32,
    /// Their H3 resolution.
    #[schema(maximum = 15)]
    pub resolution: u8,
    /// How many there are.
    pub count: u32,
    /// SHA-256 of the list, each cell as 8 bytes, big-endian.
    #[schema(value_type = schema::Hash)]
    pub hash: Hash32,
    /// The cells, ascending as numbers.
    #[schema(value_type = Vec<schema::Cell>)]
    pub cells: Vec<CellText>,
}

/// Which configuration's cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CellsQuery {
    /// The configuration's version; the one of the newest open round if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub version: Option<u32>,
}

impl HuntChange {
    /// Whether it changes the configuration, and so makes a new version.
    #[must_use]
    pub const fn changes_config(&self) -> bool {
        self.area.is_some()
            || self.resolution.is_some()
            || self.round.is_some()
            || self.claim_window.is_some()
            || self.tiles.is_some()
            || self.values.is_some()
            || self.values_hidden.is_some()
    }
}

impl ValueRow {
    /// The table of a hunt that names none.
    #[must_use]
    pub fn default_table() -> Vec<Self> {
        [(1, 70), (5, 20), (25, 9), (100, 1)]
            .map(|(points, weight)| Self { points, weight })
            .to_vec()
    }
}

impl From<ValueWeight> for ValueRow {
    fn from(row: ValueWeight) -> Self {
        Self {
            points: row.points,
            weight: row.weight,
        }
    }
}

impl From<ValueRow> for ValueWeight {
    fn from(row: ValueRow) -> Self {
        Self {
            points: row.points,
            weight: row.weight,
        }
    }
}

impl From<HuntState> for HuntStateName {
    fn from(state: HuntState) -> Self {
        match state {
            HuntState::Scheduled => Self::Scheduled,
            HuntState::Running => Self::Running,
            HuntState::Paused => Self::Paused,
            HuntState::Ended => Self::Ended,
            HuntState::Closed => Self::Closed,
        }
    }
}

impl HuntSummary {
    /// A hunt of the catalog, shown at `now`.
    #[must_use]
    pub fn new(entry: &HuntEntry, now: TimeMicros) -> Self {
        let latest = entry.latest_version();
        let config = &latest.config;
        Self {
            hunt: entry.id.clone(),
            state: entry.state(now).into(),
            created_at: entry.created_at.into(),
            starts_at: entry.starts_at.into(),
            ends_at: entry.ends_at.map(Timestamp::from),
            closed_at: entry.closed_at.map(Timestamp::from),
            round_ms: config.round_ms,
            claim_window_ms: config.claim_window_ms,
            resolution: config.resolution,
            tiles: config.tiles,
            cells: config.cells,
            config_version: latest.version,
            config_hash: config.config_hash,
            values: values(config),
            values_hidden: config.values_hidden,
            anchor: entry.anchors.first().copied().unwrap_or_default(),
            anchors: entry.anchors.clone(),
            boards: board_names(entry).collect(),
            versions: entry
                .versions
                .iter()
                .map(|version| HuntVersion::from(version.as_ref()))
                .collect(),
        }
    }
}

impl From<&ConfigVersion> for HuntVersion {
    fn from(version: &ConfigVersion) -> Self {
        Self {
            version: version.version,
            from_round: version.from_round,
            from_time: version.from_time.into(),
            config_hash: version.config.config_hash,
            resolution: version.config.resolution,
            tiles: version.config.tiles,
            values: values(&version.config),
        }
    }
}

/// A hunt's boards, the built-in ones first.
fn board_names(entry: &HuntEntry) -> impl Iterator<Item = BoardName> {
    let own = entry.boards.iter().map(|board| board.definition.name);
    BoardName::BUILT_IN.into_iter().chain(own)
}

fn values(config: &HuntConfig) -> Vec<ValueRow> {
    config.values.iter().copied().map(ValueRow::from).collect()
}

/// Tells `null` (there, but empty) from a field left out.
fn given<'de, D>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error>
where
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"{"id":"park","area":{"type":"Polygon","coordinates":[]},"resolution":12,"round":"1s","claim_window":"10s","tiles":1024}"#;

    #[test]
    fn a_hunt_has_a_table_of_values_and_open_values_by_default() {
        let request: HuntRequest = serde_json::from_str(REQUEST).expect("valid");
        assert_eq!(request.values, ValueRow::default_table());
        assert!(!request.values_hidden);
        assert_eq!(request.round.millis(), 1_000);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let json = REQUEST.replace("claim_window", "claim_windw");
        let error = serde_json::from_str::<HuntRequest>(&json).expect_err("misspelt");
        assert!(
            error.to_string().contains("unknown field `claim_windw`"),
            "{error}"
        );
    }

    #[test]
    fn a_change_tells_removing_the_end_from_leaving_it() {
        let parse = |json| serde_json::from_str::<HuntChange>(json).expect("valid");
        assert_eq!(parse("{}").ends_at, None);
        assert_eq!(parse(r#"{"ends_at":null}"#).ends_at, Some(None));
        let change = parse(r#"{"ends_at":"2026-11-22T10:00:00Z"}"#);
        assert!(matches!(change.ends_at, Some(Some(_))) && !change.changes_config());
        assert!(parse(r#"{"tiles":7}"#).changes_config());
    }

    #[test]
    fn a_hunts_summary_is_flat_in_its_view() {
        let view = HuntView {
            summary: HuntSummary {
                hunt: HuntId::new("park").expect("a slug"),
                state: HuntStateName::Running,
                created_at: Timestamp::default(),
                starts_at: Timestamp::default(),
                ends_at: None,
                closed_at: None,
                round_ms: 1_000,
                claim_window_ms: 10_000,
                resolution: 12,
                tiles: 4,
                cells: 9,
                config_version: 1,
                config_hash: Hash32::ZERO,
                values: vec![ValueRow {
                    points: 1,
                    weight: 1,
                }],
                values_hidden: false,
                anchor: Hash32::ZERO,
                anchors: vec![Hash32::ZERO],
                boards: BoardName::BUILT_IN.to_vec(),
                versions: Vec::new(),
            },
            outline: serde_json::json!({"type": "Polygon"}),
            board_definitions: Vec::new(),
        };
        let json = serde_json::to_string(&view).expect("plain data");
        let zero = "00".repeat(32);
        assert_eq!(
            json,
            format!(
                r#"{{"hunt":"park","state":"running","created_at":"1970-01-01T00:00:00.000Z","starts_at":"1970-01-01T00:00:00.000Z","round_ms":1000,"claim_window_ms":10000,"resolution":12,"tiles":4,"cells":9,"config_version":1,"config_hash":"{zero}","values":[{{"points":1,"weight":1}}],"values_hidden":false,"anchor":"{zero}","anchors":["{zero}"],"boards":["total","best","second"],"versions":[],"outline":{{"type":"Polygon"}},"board_definitions":[]}}"#
            )
        );
        assert_eq!(
            serde_json::from_str::<HuntView>(&json).expect("own JSON"),
            view
        );
    }
}
