//! Hunts as people read them.

use huntcore_wire::{DurationText, HuntStateName, HuntSummary, HuntView, Timestamp};

use crate::show;

pub(super) fn all(hunts: &[HuntSummary]) -> String {
    if hunts.is_empty() {
        return "no hunts".to_owned();
    }
    let rows = hunts.iter().map(|hunt| {
        [
            hunt.hunt.to_string(),
            state(hunt.state).to_owned(),
            hunt.starts_at.to_string(),
            end(hunt),
            DurationText::from_millis(hunt.round_ms).to_string(),
            DurationText::from_millis(hunt.claim_window_ms).to_string(),
            show::count(u64::from(hunt.tiles)),
            show::count(u64::from(hunt.cells)),
            hunt.config_version.to_string(),
        ]
    });
    let header = [
        "hunt",
        "state",
        "starts (UTC)",
        "ends (UTC)",
        "round",
        "window",
        "tiles",
        "cells",
        "version",
    ];
    show::table(header, |column| column >= 4, rows)
}

pub(super) fn one(view: &HuntView) -> String {
    let hunt = &view.summary;
    let values = hunt
        .values
        .iter()
        .map(|row| format!("{} ({})", row.points, row.weight));
    let hidden = if hunt.values_hidden {
        ", hidden until revealed"
    } else {
        ""
    };
    let mut rows = vec![
        ("hunt", hunt.hunt.to_string()),
        ("state", state(hunt.state).to_owned()),
        ("created", hunt.created_at.to_string()),
        ("starts", hunt.starts_at.to_string()),
        ("ends", end(hunt)),
        (
            "round",
            DurationText::from_millis(hunt.round_ms).to_string(),
        ),
        (
            "claim window",
            DurationText::from_millis(hunt.claim_window_ms).to_string(),
        ),
        ("resolution", hunt.resolution.to_string()),
        ("tiles", show::count(u64::from(hunt.tiles))),
        ("cells", show::count(u64::from(hunt.cells))),
        (
            "points (weight)",
            values.collect::<Vec<_>>().join(", ") + hidden,
        ),
        (
            "anchors",
            hunt.anchors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        ),
    ];
    for version in &hunt.versions {
        let text = format!(
            "from round {} at {}, {} tiles, {}",
            version.from_round, version.from_time, version.tiles, version.config_hash
        );
        rows.push(("version", format!("{} {text}", version.version)));
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    let lines = rows
        .iter()
        .map(|(name, value)| format!("{name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn end(hunt: &HuntSummary) -> String {
    let over = hunt.closed_at.or(hunt.ends_at);
    over.as_ref()
        .map_or_else(|| "-".to_owned(), Timestamp::to_string)
}

const fn state(state: HuntStateName) -> &'static str {
    match state {
        HuntStateName::Scheduled => "scheduled",
        HuntStateName::Running => "running",
        HuntStateName::Paused => "paused",
        HuntStateName::Ended => "ended",
        HuntStateName::Closed => "closed",
    }
}
