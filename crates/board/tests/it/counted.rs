//! Boards of every kind by walking through all that happened, and the same shape read from a
//! published version.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_board::{BoardsVersion, window_of};
use huntcore_model::{
    BoardClock, BoardDefinition, BoardName, BoardOperator, BoardOrder, BoardSource, Position,
    Sequence, ShardId, TimeMicros, WindowRule,
};

use crate::batches::HUNT;
use crate::deployment::{Deployment, Fact, What};
use crate::history::name;
use crate::naive::listed;

const MOST: i128 = (1 << 53) - 1;
const EVER: (TimeMicros, TimeMicros) = (TimeMicros::ZERO, TimeMicros::MAX);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    start: TimeMicros,
    end: TimeMicros,
    is_final: bool,
    is_recorded: bool,
    entries: Vec<(String, i64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    generation: u64,
    windows: Vec<Window>,
    late: Vec<(String, i64, TimeMicros)>,
}

/// The order of all records.
type Place = (TimeMicros, ShardId, Sequence);

/// A record that counts on a board: whose, how much, where, and whether it was voided.
struct Scored {
    player: u8,
    score: i64,
    place: Place,
    is_voided: bool,
}

/// What a hunt's boards should show once `position` has been applied.
pub(crate) fn boards(deployment: &Deployment, position: &Position) -> BTreeMap<BoardName, Board> {
    let facts = deployment.facts.iter();
    let facts: Vec<&Fact> = facts
        .filter(|fact| fact.sequence < position.next(fact.shard))
        .collect();
    let time = time(deployment, position);
    let at: Vec<usize> = deployment
        .shards
        .shards()
        .map(|shard| {
            let of_shard = facts.iter().filter(|fact| fact.shard == shard);
            of_shard.map(|fact| fact.list).max().unwrap_or(0)
        })
        .collect();
    let (slowest, newest) = (
        *at.iter().min().expect("some shards"),
        *at.iter().max().expect("some shards"),
    );
    let mut shown = BTreeMap::new();
    for definition in BoardDefinition::built_in() {
        let name = definition.name;
        shown.insert(name, board(&definition, 0, &facts, time, |_| true));
    }
    for list in 1..=newest {
        for definition in &deployment.lists[list - 1] {
            // Since when it has been defined like this without a break.
            let lists = &deployment.lists;
            let holds = |list: &usize| *list > 0 && lists[list - 1].contains(definition);
            let first = (1..=list).rev().take_while(holds).last().expect("itself");
            let last = (list..=lists.len())
                .take_while(holds)
                .last()
                .expect("itself");
            if slowest > last {
                continue;
            }
            let generation = first as u64;
            let counts = |fact: &Fact| (first..=last).contains(&fact.list);
            let counted = board(definition, generation, &facts, time, counts);
            shown.insert(definition.name, counted);
        }
    }
    shown
}

fn time(deployment: &Deployment, position: &Position) -> TimeMicros {
    let times = deployment.shards.shards().zip(&deployment.streams);
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

fn span(definition: &BoardDefinition, time: TimeMicros) -> (TimeMicros, TimeMicros) {
    match definition.window {
        WindowRule::Whole => EVER,
        WindowRule::Tumbling { length_ms } => {
            let start = time.millis() / length_ms * length_ms;
            let at = TimeMicros::from_millis;
            (at(start), at(start + length_ms))
        }
        _ => window_of(&definition.window, time).expect("a rule with windows"),
    }
}

fn board(
    definition: &BoardDefinition,
    generation: u64,
    facts: &[&Fact],
    time: TimeMicros,
    counts: impl Fn(&Fact) -> bool,
) -> Board {
    let voided: BTreeSet<(ShardId, Sequence)> = facts
        .iter()
        .filter_map(|fact| match fact.what {
            What::Voided { claimed, .. } => Some((fact.shard, claimed)),
            _ => None,
        })
        .collect();
    let mut aside = BTreeSet::new();
    for fact in facts {
        match fact.what {
            What::Disqualified => aside.insert(fact.player),
            What::Reinstated => aside.remove(&fact.player),
            _ => false,
        };
    }
    let lateness_ms = definition.lateness_ms();
    let mut windows = BTreeMap::<(TimeMicros, TimeMicros), Vec<Scored>>::new();
    let mut late = BTreeMap::new();
    for fact in facts.iter().filter(|fact| counts(fact)) {
        let place = (fact.time, fact.shard, fact.sequence);
        let (score, event_time) = match fact.what {
            What::Claim { points, .. } if definition.from != BoardSource::Events => {
                (i64::from(points), fact.time)
            }
            What::Score {
                score,
                sent_at,
                kind,
            } if definition.from != BoardSource::Claims => {
                let types = &definition.event_types;
                if !types.is_empty() && types.iter().all(|counts| counts != kind) {
                    continue;
                }
                let event_time = match definition.clock {
                    BoardClock::Server => fact.time,
                    BoardClock::Event { .. } => sent_at.unwrap_or(fact.time).min(fact.time),
                };
                (score, event_time)
            }
            _ => continue,
        };
        let span = span(definition, event_time);
        if fact.time >= span.1.plus_millis(lateness_ms) {
            late.insert(place, (name(fact.player), score, event_time));
            continue;
        }
        windows.entry(span).or_default().push(Scored {
            player: fact.player,
            score,
            place,
            is_voided: voided.contains(&(fact.shard, fact.sequence)),
        });
    }
    let mut written: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact.what {
            What::Closed { board, end } if board == definition.name => Some((end, fact.time)),
            _ => None,
        })
        .collect();
    written.sort_unstable();
    let recorded_at = |end| {
        let first = written.iter().find(|&&(until, _)| until >= end);
        first.map(|&(_, written_at)| written_at)
    };
    let is_whole = definition.window == WindowRule::Whole;
    let is_final = |end: TimeMicros| end.plus_millis(lateness_ms) <= time && !is_whole;
    let expired = |&(_, end): &(TimeMicros, TimeMicros)| {
        let kept_until = end.plus_millis(lateness_ms).plus_millis(definition.keep_ms);
        let until = match (definition.results, recorded_at(end)) {
            (0, _) => kept_until,
            (_, None) => return false,
            (_, Some(written_at)) => kept_until.max(TimeMicros::new(written_at.get() + 1)),
        };
        until <= time
    };
    let finals: Vec<_> = windows
        .keys()
        .copied()
        .filter(|span| is_final(span.1))
        .collect();
    let older = finals.len().saturating_sub(1);
    let dropped = finals[..older]
        .iter()
        .take_while(|span| expired(span))
        .count();
    let windows = windows.into_iter().skip(dropped).map(|(span, scored)| {
        let entries = entries(definition, scored, &aside);
        Window {
            start: span.0,
            end: span.1,
            is_final: is_final(span.1),
            is_recorded: match is_whole {
                true => !written.is_empty(),
                false => is_final(span.1) && recorded_at(span.1).is_some(),
            },
            entries,
        }
    });
    Board {
        generation,
        windows: windows
            .filter(|window| !is_whole || !window.entries.is_empty())
            .collect(),
        late: late.into_values().rev().collect(),
    }
}

fn entries(
    definition: &BoardDefinition,
    mut scored: Vec<Scored>,
    aside: &BTreeSet<u8>,
) -> Vec<(String, i64)> {
    scored.sort_by_key(|scored| scored.place);
    let mut players = BTreeMap::<u8, Vec<Scored>>::new();
    for scored in scored {
        players.entry(scored.player).or_default().push(scored);
    }
    let mut ranked: Vec<(i128, Place, u8)> = players
        .into_iter()
        .filter(|(player, _)| !aside.contains(player))
        .filter_map(|(player, scored)| {
            let (score, place) = result(definition.operator, &scored)?;
            Some((score, place, player))
        })
        .collect();
    ranked.sort_by_key(|&(score, place, player)| match definition.order {
        BoardOrder::Descending => (-score, place, player),
        BoardOrder::Ascending => (score, place, player),
    });
    let ranked = ranked.into_iter();
    ranked
        .map(|(score, _, player)| (name(player), i64::try_from(score).expect("in bounds")))
        .collect()
}

/// What one player's records, in order, come to, and the place of the one that it was reached
/// with. Sums and counts go by records that were voided, too, but for their amounts.
fn result(operator: BoardOperator, scored: &[Scored]) -> Option<(i128, Place)> {
    let left = || scored.iter().filter(|scored| !scored.is_voided);
    let first_with = |score: i64| {
        let mut with = left().filter(move |scored| scored.score == score);
        (i128::from(score), with.next().expect("one has it").place)
    };
    let first = scored.first()?;
    match operator {
        BoardOperator::Sum => {
            let sum: i128 = left().map(|scored| i128::from(scored.score)).sum();
            let moving = scored.iter().rfind(|scored| scored.score != 0);
            Some((sum.clamp(-MOST, MOST), moving.unwrap_or(first).place))
        }
        BoardOperator::Count => {
            let count = i128::try_from(left().count()).expect("few");
            Some((count, scored.last()?.place))
        }
        BoardOperator::Last => {
            let last = left().next_back()?;
            Some((i128::from(last.score), last.place))
        }
        BoardOperator::Max => Some(first_with(left().map(|scored| scored.score).max()?)),
        BoardOperator::Min => Some(first_with(left().map(|scored| scored.score).min()?)),
    }
}

/// What a version shows.
pub(crate) fn shown(version: &BoardsVersion) -> BTreeMap<BoardName, Board> {
    let boards = version.boards(HUNT).map(|defined| {
        let name = defined.definition.name;
        let whole = version.board(HUNT, name);
        let is_whole = defined.definition.window == WindowRule::Whole;
        let whole = whole.filter(|view| is_whole && !view.is_empty());
        let windows = whole.into_iter().chain(version.windows(HUNT, name));
        let windows = windows.map(|view| {
            let window = view.window();
            Window {
                start: window.start.unwrap_or(EVER.0),
                end: window.end.unwrap_or(EVER.1),
                is_final: window.is_final,
                is_recorded: window.is_recorded,
                entries: listed(&view),
            }
        });
        let late = version.late_events(HUNT, name).expect("a board");
        let events: Vec<_> = late
            .newest()
            .map(|event| {
                (
                    event.player.as_str().to_owned(),
                    event.score,
                    event.event_time,
                )
            })
            .collect();
        assert_eq!(late.count(), events.len() as u64, "all are kept");
        let board = Board {
            generation: defined.defined_at.get(),
            windows: windows.collect(),
            late: events,
        };
        (name, board)
    });
    boards.collect()
}
