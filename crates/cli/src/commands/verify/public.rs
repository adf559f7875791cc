//! What a hunt has published, gathered from the public API alone.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use huntcore_client::{Client, ClientError};
use huntcore_map::{
    Cell, MapConfig, PublishedConfig, PublishedHunt, PublishedRound, PublishedTile, ValueTable,
};
use huntcore_model::{HuntId, RoundNumber, TileIndex};
use huntcore_wire::{
    HuntSummary, HuntVersion, HuntView, MapView, ProblemKind, RoundView, Timestamp,
};

use crate::progress::Progress;

/// So many rounds are asked for at the same time.
const AT_ONCE: usize = 8;
/// A gap of so many rounds that were never announced is looked across.
const MISSING_MAX: u64 = 1_000;

/// Why a hunt cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatherError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("hunt {hunt} publishes version {version} that makes no maps: {reason}")]
    Version {
        hunt: HuntId,
        version: u32,
        reason: String,
    },
    #[error("map of round {round}: {reason}")]
    Map { round: RoundNumber, reason: String },
    #[error("hunt {hunt} has no round yet")]
    NoRound { hunt: HuntId },
}

/// The last `count` rounds of a hunt, oldest first, each with its map if that is still kept.
pub(super) async fn last_rounds(
    client: &Client,
    hunt: &HuntView,
    count: u64,
    now: Timestamp,
    progress: &Progress,
) -> Result<Vec<PublishedRound>, GatherError> {
    let id = &hunt.summary.hunt;
    let newest = newest_round(client, hunt, now).await?;
    let oldest = newest.get().saturating_sub(count.max(1) - 1).max(1);
    let numbers = (oldest..=newest.get()).map(RoundNumber::new);
    stream::iter(numbers)
        .map(|number| async move {
            let seen = sighting(client, id, number).await;
            progress.advance(1);
            seen
        })
        .buffered(AT_ONCE)
        .try_filter_map(|seen| async { Ok(seen) })
        .try_collect()
        .await
}

/// A round as it is shown now; `None` if nobody ever announced it.
pub(super) async fn sighting(
    client: &Client,
    hunt: &HuntId,
    number: RoundNumber,
) -> Result<Option<PublishedRound>, GatherError> {
    let Some(round) = found(client.round(hunt, number).await)? else {
        return Ok(None);
    };
    let map = found(client.map(round.map).await)?;
    Ok(Some(published(&round, map.as_ref())?))
}

/// All that can be checked of these rounds, with the versions that hold for them.
pub(super) async fn gather(
    client: &Client,
    hunt: &HuntView,
    rounds: Vec<PublishedRound>,
) -> Result<PublishedHunt, GatherError> {
    let summary = &hunt.summary;
    let id = &summary.hunt;
    let mut needed = BTreeMap::new();
    for round in &rounds {
        if let Some(version) = in_force(&summary.versions, round.round) {
            needed.insert(version.version, version);
        }
    }
    let mut configs = Vec::new();
    for version in needed.into_values() {
        let cells = client.cells(id, Some(version.version)).await?;
        let table = version.values.iter().map(|&row| row.into()).collect();
        let invalid = |reason| GatherError::Version {
            hunt: id.clone(),
            version: version.version,
            reason,
        };
        let table = ValueTable::new(table).map_err(|error| invalid(error.to_string()))?;
        let cells_hash = cells.hash();
        let config = MapConfig::new(version.version, cells, version.tiles, table)
            .map_err(|error| invalid(error.to_string()))?;
        configs.push(PublishedConfig {
            from_round: version.from_round,
            config,
            cells_hash,
            config_hash: version.config_hash,
        });
    }
    Ok(PublishedHunt {
        hunt: id.clone(),
        anchors: (0..).zip(summary.anchors.iter().copied()).collect(),
        configs,
        rounds,
    })
}

/// The newest round that has opened: the current one, or the last of a hunt that is over.
async fn newest_round(
    client: &Client,
    hunt: &HuntView,
    now: Timestamp,
) -> Result<RoundNumber, GatherError> {
    let id = &hunt.summary.hunt;
    match client.current_round(id).await {
        Ok(round) => return Ok(round.round),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(error.into()),
    }
    // No round is open: the hunt is over, or nothing ran for a while. Whatever was announced
    // last is not far below what the clock says.
    let newest = by_clock(&hunt.summary, now).unwrap_or(0);
    let looked_at = newest.saturating_sub(MISSING_MAX)..=newest;
    for number in looked_at.rev().filter(|&number| number > 0) {
        if found(client.round(id, RoundNumber::new(number)).await)?.is_some() {
            return Ok(RoundNumber::new(number));
        }
    }
    Err(GatherError::NoRound { hunt: id.clone() })
}

/// The round that opened last until `now`, or until the hunt was over.
fn by_clock(hunt: &HuntSummary, now: Timestamp) -> Option<u64> {
    let over = hunt.closed_at.into_iter().chain(hunt.ends_at).min();
    let until = over.map_or(now, |over| over.min(now)).micros();
    let started = hunt
        .versions
        .iter()
        .filter(|version| version.from_time.micros() <= until);
    let version = started.max_by_key(|version| version.from_round)?;
    let elapsed_ms = until.micros_since(version.from_time.micros()) / 1_000;
    let rounds = elapsed_ms.checked_div(hunt.round_ms)?;
    version.from_round.get().checked_add(rounds)
}

fn in_force(versions: &[HuntVersion], round: RoundNumber) -> Option<&HuntVersion> {
    let earlier = versions
        .iter()
        .filter(|version| version.from_round <= round);
    earlier.max_by_key(|version| (version.from_round, version.version))
}

fn published(round: &RoundView, map: Option<&MapView>) -> Result<PublishedRound, GatherError> {
    Ok(PublishedRound {
        round: round.round,
        config_version: round.config_version,
        commitment: round.commitment,
        layout: round.layout,
        map: round.map,
        seed: round.seed,
        tiles: map.map(|map| tiles(round.round, map)).transpose()?,
    })
}

fn tiles(round: RoundNumber, map: &MapView) -> Result<Vec<PublishedTile>, GatherError> {
    let invalid = |reason: String| GatherError::Map { round, reason };
    let tiles = (0..).map(TileIndex::new).zip(&map.tiles);
    tiles
        .map(|(expected, tile)| {
            if tile.tile != expected {
                let found = tile.tile;
                return Err(invalid(format!(
                    "tile {found} stands where {expected} should"
                )));
            }
            let cell = Cell::new(tile.cell.get()).map_err(|error| invalid(error.to_string()))?;
            Ok(PublishedTile {
                cell,
                points: tile.value,
            })
        })
        .collect()
}

/// `None` for what the server does not have (any more).
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &ClientError) -> bool {
    matches!(
        error.kind(),
        Some(ProblemKind::UnknownRound | ProblemKind::UnknownMap)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hunt(over: &serde_json::Value) -> HuntSummary {
        let hash = "00".repeat(32);
        let version = |version: u32, from_round: u64, from_time: &str| {
            json!({"version": version, "from_round": from_round, "from_time": from_time,
                   "config_hash": hash, "resolution": 9, "tiles": 1, "values": []})
        };
        let mut hunt = json!({
            "hunt": "park", "state": "running", "created_at": "2026-01-01T00:00:00Z",
            "starts_at": "2026-01-01T00:00:10Z", "round_ms": 2_000, "claim_window_ms": 5_000,
            "resolution": 9, "tiles": 1, "cells": 1, "config_version": 2, "config_hash": hash,
            "values": [], "values_hidden": false, "anchor": hash, "anchors": [hash],
            "boards": ["total"],
            "versions": [version(1, 1, "2026-01-01T00:00:10Z"), version(2, 6, "2026-01-01T00:00:20Z")],
        });
        for (key, value) in over.as_object().expect("an object") {
            hunt[key] = value.clone();
        }
        serde_json::from_value(hunt).expect("a hunt")
    }

    #[test]
    fn the_last_round_is_known_by_the_clock() {
        let now = |text: &str| text.parse::<Timestamp>().expect("a time");
        let open = hunt(&json!({}));
        assert_eq!(by_clock(&open, now("2026-01-01T00:00:09Z")), None);
        assert_eq!(by_clock(&open, now("2026-01-01T00:00:25Z")), Some(8));
        let closed =
            hunt(&json!({"closed_at": "2026-01-01T00:00:24Z", "ends_at": "2027-01-01T00:00:00Z"}));
        assert_eq!(by_clock(&closed, now("2026-06-01T00:00:00Z")), Some(8));
    }

    #[test]
    fn a_round_is_made_by_the_version_that_began_last() {
        let hunt = hunt(&json!({}));
        let version = |round| in_force(&hunt.versions, RoundNumber::new(round)).map(|v| v.version);
        assert_eq!(
            [0, 1, 5, 6, 99].map(version),
            [None, Some(1), Some(1), Some(2), Some(2)]
        );
    }
}
