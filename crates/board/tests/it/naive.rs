//! The boards by sorting everything, and the same shape read from a published version.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_board::{BoardLimits, BoardView, BoardsVersion};
use huntcore_model::{BoardName, Position, TimeMicros};

use crate::history::{ERASED, Fact, History, Item, name};

type Entries = Vec<(String, i64)>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Boards {
    time: TimeMicros,
    total: BTreeMap<u32, Entries>,
    best: BTreeMap<u32, Entries>,
    /// By hunt and start: whether it is final, and who is in it.
    second: BTreeMap<(u32, TimeMicros), (bool, Entries)>,
}

/// What the boards should show once `position` has been applied.
pub(crate) fn boards(history: &History, position: &Position, limits: &BoardLimits) -> Boards {
    let mut facts: Vec<_> = history
        .facts
        .iter()
        .filter(|fact| fact.sequence < position.next(fact.shard))
        .filter(|fact| fact.item.player() != ERASED && fact.number.get() < limits.players_max)
        .copied()
        .collect();
    facts.sort_by_key(|fact| (fact.time, fact.shard, fact.sequence));
    let time = time(history, position);
    let mut total = BTreeMap::<u32, Vec<Fact>>::new();
    let mut best = BTreeMap::<u32, Vec<Fact>>::new();
    let mut second = BTreeMap::<(u32, TimeMicros), Vec<Fact>>::new();
    for fact in facts {
        match fact.item {
            Item::Claim { hunt, .. } => total.entry(hunt).or_default().push(fact),
            Item::Score { hunt, .. } => {
                best.entry(hunt).or_default().push(fact);
                let start = TimeMicros::new(fact.time.get() / 1_000_000 * 1_000_000);
                second.entry((hunt, start)).or_default().push(fact);
            }
        }
    }
    let ranked = |boards: BTreeMap<u32, Vec<Fact>>| {
        boards
            .into_iter()
            .map(|(hunt, facts)| (hunt, entries(&facts)))
            .collect()
    };
    let second = second
        .into_iter()
        .map(|((hunt, start), facts)| {
            let is_final = start.get() + 1_000_000 <= time.get();
            ((hunt, start), (is_final, entries(&facts)))
        })
        .collect();
    Boards {
        time,
        total: ranked(total),
        best: ranked(best),
        second: within(second, limits),
    }
}

fn time(history: &History, position: &Position) -> TimeMicros {
    let times = history.shards.shards().zip(&history.streams);
    let times = times.map(|(shard, batches)| {
        let applied = batches
            .iter()
            .filter(|batch| batch.header().next_sequence() <= position.next(shard));
        applied
            .map(|batch| batch.header().time)
            .max()
            .unwrap_or_default()
    });
    times.min().expect("some shards")
}

/// Ranks by a walk through one board's facts in order: the last change of a player's
/// score says when it was reached.
fn entries(facts: &[Fact]) -> Entries {
    let mut scores = BTreeMap::<u8, (i64, usize)>::new();
    for (at, fact) in facts.iter().enumerate() {
        let player = fact.item.player();
        let old = scores.get(&player).map(|&(score, _)| score);
        let new = match (fact.item, old) {
            (Item::Claim { points, .. }, old) => {
                (old.unwrap_or(0) + i64::from(points)).min((1 << 53) - 1)
            }
            (Item::Score { score, .. }, old) => {
                let shown = score.clamp(1 - (1 << 53), (1 << 53) - 1);
                old.map_or(shown, |old| old.max(shown))
            }
        };
        if old != Some(new) {
            scores.insert(player, (new, at));
        }
    }
    let mut ranked: Vec<_> = scores.into_iter().collect();
    ranked.sort_by_key(|&(_, (score, at))| (-i128::from(score), at));
    ranked
        .into_iter()
        .map(|(player, (score, _))| (name(player), score))
        .collect()
}

type Windows = BTreeMap<(u32, TimeMicros), (bool, Entries)>;

/// Lets windows become final one by one, and drops the oldest as the limits say.
fn within(mut windows: Windows, limits: &BoardLimits) -> Windows {
    let mut finals: Vec<_> = windows
        .iter()
        .filter(|(_, (is_final, _))| *is_final)
        .map(|(&(hunt, start), (_, entries))| (start, hunt, entries.len()))
        .collect();
    finals.sort_unstable();
    let mut kept: Vec<(TimeMicros, u32, usize)> = Vec::new();
    let mut dropped = BTreeSet::new();
    for window in finals {
        let newest = |kept: &[(TimeMicros, u32, usize)], hunt| {
            let of_hunt = kept.iter().filter(|window| window.1 == hunt);
            of_hunt.map(|window| window.0).max()
        };
        kept.push(window);
        while kept.iter().filter(|other| other.1 == window.1).count() > limits.windows_max.max(1) {
            let oldest = kept.iter().position(|other| other.1 == window.1);
            dropped.insert(kept.remove(oldest.expect("there are some")));
        }
        while kept.iter().map(|window| window.2).sum::<usize>() > limits.window_entries_max {
            let oldest = kept
                .iter()
                .position(|window| newest(&kept, window.1) != Some(window.0));
            match oldest {
                Some(oldest) => dropped.insert(kept.remove(oldest)),
                None => break,
            };
        }
    }
    for (start, hunt, _) in dropped {
        windows.remove(&(hunt, start));
    }
    windows
}

/// What a version shows.
pub(crate) fn shown(version: &BoardsVersion) -> Boards {
    let mut boards = Boards {
        time: version.time(),
        ..Boards::default()
    };
    for hunt in version.hunts() {
        for (name, shown) in [
            (BoardName::TOTAL, &mut boards.total),
            (BoardName::BEST, &mut boards.best),
        ] {
            let view = version.board(hunt, name).expect("always there");
            if !view.is_empty() {
                shown.insert(hunt.get(), listed(&view));
            }
        }
        for view in version.windows(hunt, BoardName::SECOND) {
            let window = view.window();
            let start = window.start.expect("windows have a start");
            boards
                .second
                .insert((hunt.get(), start), (window.is_final, listed(&view)));
        }
    }
    boards
}

pub(crate) fn listed(view: &BoardView<'_>) -> Entries {
    let entries: Vec<_> = view.entries(0).collect();
    assert_eq!(entries.len(), view.len());
    for (rank, entry) in (1..).zip(&entries) {
        assert_eq!(entry.rank, rank);
        let standing = view.standing(entry.player).expect("is on the board");
        assert_eq!((standing.rank, standing.score), (rank, entry.score));
    }
    entries
        .iter()
        .map(|entry| (entry.player.as_str().to_owned(), entry.score))
        .collect()
}
