//! From what an operator asks for to rules that a hunt can be made of.

use std::sync::Arc;

use huntcore_map::{
    Area, AreaError, AreaFault, MapConfig, MapConfigError, ValueTable, ValueTableError,
};
use huntcore_model::{HuntEntry, ValueWeight};
use huntcore_wire::{DurationText, HuntChange, HuntRequest, ValueRow};
use serde_json::Value;

use crate::clock::{Clock as _, SystemClock};
use crate::control::Rules;
use crate::definitions::{self, BoardFault};
use crate::maps::{MapError, Maps};

const ROUND_MS_MIN: u64 = 100;
const DURATION_MS_MAX: u64 = 3_600_000;
/// Rounds of a hunt that may be open at one time; each is a map in memory.
const ROUNDS_OPEN_MAX: u64 = 1_000;

/// Hidden values must be at least this hard to find by trying maps until the name fits.
const HIDDEN_BITS_MIN: f64 = 80.0;

/// Why no hunt can be made of a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    #[error("area: {0}")]
    Area(#[from] AreaError),
    #[error("values: {0}")]
    Values(#[from] ValueTableError),
    #[error("round is {found_ms} ms, expected {ROUND_MS_MIN} ms to 1 h")]
    Round { found_ms: u64 },
    #[error("claim_window is {found_ms} ms, expected {round_ms} ms (one round) to 1 h")]
    ClaimWindow { found_ms: u64, round_ms: u64 },
    #[error(
        "claim_window of {claim_window_ms} ms would keep {rounds} rounds of {round_ms} ms open at \
         once, expected at most {ROUNDS_OPEN_MAX}"
    )]
    RoundsOpen {
        claim_window_ms: u64,
        round_ms: u64,
        rounds: u64,
    },
    #[error(
        "values_hidden needs values that cannot be guessed from the map's public name: {tiles} \
         tiles with this table give {bits:.0} bits, expected at least {HIDDEN_BITS_MIN}; take more \
         tiles or a flatter table"
    )]
    Guessable { tiles: u32, bits: f64 },
    #[error(transparent)]
    Tiles(#[from] MapConfigError),
    #[error(transparent)]
    Map(#[from] MapError),
    #[error(transparent)]
    Board(#[from] BoardFault),
}

/// Why no hunt can be made of a request, and which of its fields is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct HuntFault {
    /// The field's name in the request.
    pub field: &'static str,
    /// Of `boards`: which of them, from 0.
    pub board: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

/// Finds out whether a hunt can be made of a request. Computes the area's cells, which may
/// take a while.
pub fn check_hunt(request: &HuntRequest) -> Result<(), HuntFault> {
    let now = SystemClock::default().now();
    let checked = of_request(request)
        .map(drop)
        .and_then(|()| Ok(definitions::of_specs(&request.boards, now).map(drop)?));
    checked.map_err(|error| HuntFault {
        field: error.field(),
        board: match &error {
            RulesError::Board(fault) => Some(fault.index),
            _ => None,
        },
        reason: error.to_string(),
    })
}

impl RulesError {
    const fn field(&self) -> &'static str {
        match self {
            Self::Area(AreaError {
                fault: AreaFault::Resolution { .. },
                ..
            }) => "resolution",
            Self::Area(_) | Self::Map(_) => "area",
            Self::Values(_) => "values",
            Self::Round { .. } => "round",
            Self::ClaimWindow { .. } | Self::RoundsOpen { .. } => "claim_window",
            Self::Guessable { .. } => "values_hidden",
            Self::Tiles(_) => "tiles",
            Self::Board(_) => "boards",
        }
    }
}

/// The rules of a hunt to be created. Computes the area's cells, which may take a while.
pub(crate) fn of_request(request: &HuntRequest) -> Result<Rules, RulesError> {
    let (round_ms, claim_window_ms) = durations(request.round, request.claim_window)?;
    let (area, cells) = cells(&request.area, request.resolution)?;
    checked(Rules {
        area,
        cells,
        round_ms,
        claim_window_ms,
        tiles: request.tiles,
        values: table(&request.values)?,
        values_hidden: request.values_hidden,
    })
}

fn checked(rules: Rules) -> Result<Rules, RulesError> {
    MapConfig::new(1, rules.cells.clone(), rules.tiles, rules.values.clone())?;
    let bits = rules.values.guess_bits(rules.tiles);
    if rules.values_hidden && bits < HIDDEN_BITS_MIN {
        return Err(RulesError::Guessable {
            tiles: rules.tiles,
            bits,
        });
    }
    Ok(rules)
}

/// The rules of a hunt with some of them changed; `None` if none is.
pub(crate) fn of_change(
    hunt: &HuntEntry,
    change: &HuntChange,
    maps: &Maps,
) -> Result<Option<(u32, Rules)>, RulesError> {
    let HuntChange {
        area,
        resolution,
        round,
        claim_window,
        tiles,
        values,
        values_hidden,
        ends_at: _,
        boards: _,
    } = change;
    let changes_rules = area.is_some()
        || resolution.is_some()
        || round.is_some()
        || claim_window.is_some()
        || tiles.is_some()
        || values.is_some()
        || values_hidden.is_some();
    if !changes_rules {
        return Ok(None);
    }
    let latest = hunt.latest_version();
    let before = &latest.config;
    let (round_ms, claim_window_ms) = durations(
        round.unwrap_or(DurationText::from_millis(before.round_ms)),
        claim_window.unwrap_or(DurationText::from_millis(before.claim_window_ms)),
    )?;
    let (area, cells) = match area {
        None if resolution.is_none_or(|resolution| resolution == before.resolution) => {
            (before.area.clone(), maps.cells(hunt, latest)?)
        }
        None => {
            let area = Area::parse(&before.area)?;
            let resolution = resolution.unwrap_or(before.resolution);
            (before.area.clone(), Arc::new(area.cells(resolution)?))
        }
        Some(area) => cells(area, resolution.unwrap_or(before.resolution))?,
    };
    let values = match values {
        Some(values) => table(values)?,
        None => ValueTable::new(before.values.clone())?,
    };
    let rules = Rules {
        area,
        cells,
        round_ms,
        claim_window_ms,
        tiles: tiles.unwrap_or(before.tiles),
        values,
        values_hidden: values_hidden.unwrap_or(before.values_hidden),
    };
    Ok(Some((latest.version, checked(rules)?)))
}

fn cells(area: &Value, resolution: u8) -> Result<(String, Arc<huntcore_map::CellList>), AreaError> {
    let area = Area::from_value(area)?;
    let cells = area.cells(resolution)?;
    Ok((area.outline().to_string(), Arc::new(cells)))
}

fn table(rows: &[ValueRow]) -> Result<ValueTable, ValueTableError> {
    let weight = |row: &ValueRow| ValueWeight {
        points: row.points,
        weight: row.weight,
    };
    ValueTable::new(rows.iter().map(weight).collect())
}

fn durations(round: DurationText, claim_window: DurationText) -> Result<(u64, u64), RulesError> {
    let (round_ms, claim_window_ms) = (round.millis(), claim_window.millis());
    if !(ROUND_MS_MIN..=DURATION_MS_MAX).contains(&round_ms) {
        return Err(RulesError::Round { found_ms: round_ms });
    }
    if !(round_ms..=DURATION_MS_MAX).contains(&claim_window_ms) {
        return Err(RulesError::ClaimWindow {
            found_ms: claim_window_ms,
            round_ms,
        });
    }
    let rounds = claim_window_ms.div_ceil(round_ms);
    if rounds > ROUNDS_OPEN_MAX {
        return Err(RulesError::RoundsOpen {
            claim_window_ms,
            round_ms,
            rounds,
        });
    }
    Ok((round_ms, claim_window_ms))
}
