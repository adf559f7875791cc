//! Hunts to test with.

use huntcore_model::{Hash32, HuntConfig, ValueWeight};

/// A configuration with rounds and windows of these lengths.
pub(crate) fn config_of(round_ms: u64, claim_window_ms: u64, tiles: u32) -> HuntConfig {
    HuntConfig {
        area: "{}".to_owned(),
        resolution: 12,
        round_ms,
        claim_window_ms,
        tiles,
        values: vec![ValueWeight {
            points: 1,
            weight: 1,
        }],
        values_hidden: false,
        cells: 16,
        cells_hash: Hash32::ZERO,
        config_hash: Hash32::ZERO,
    }
}

/// One of six quite different configurations.
pub(crate) fn config(which: usize) -> HuntConfig {
    let all = [
        (500, 1_500, 4),
        (200, 3_000, 3),
        (1_000, 1_000, 8),
        (3_000, 5_000, 2),
        (100, 250, 5),
        (700, 10_000, 1),
    ];
    let (round_ms, claim_window_ms, tiles) = all[which];
    config_of(round_ms, claim_window_ms, tiles)
}
