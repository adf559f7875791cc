//! Every answer that a server ever gave, and what must follow from it. Whatever contradicts an
//! earlier answer fails the test at the spot, naming both.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::{Claim, Event};

/// A round and one of its tiles.
type Tile = (u64, u32);

/// What was told, and what was asked without an answer.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Final answers to attempts (I3).
    answers: BTreeMap<Claim, Final>,
    /// The one winner of each tile that somebody won (I1).
    winners: BTreeMap<Tile, Win>,
    /// Where the winning claim of a tile stands, by what winner and losers were told.
    holders: BTreeMap<Tile, String>,
    /// Attempts that may or may not have been decided.
    unanswered: BTreeSet<Claim>,
    events: BTreeSet<Event>,
    events_unanswered: BTreeSet<Event>,
    /// What was answered since it was last listed to be asked again.
    new_claims: BTreeSet<Claim>,
    new_events: BTreeSet<Event>,
}

/// An answer that must never change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Final {
    Won { points: i64, position: String },
    Taken { winner_position: String },
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Win {
    player: String,
    points: i64,
}

impl Ledger {
    /// Takes down what a server said to `claim`: a final answer, or anything else. Returns
    /// whether it was final.
    ///
    /// # Panics
    /// When it contradicts what was said before.
    pub(crate) fn answered(&mut self, claim: &Claim, outcome: &str, body: &Value) -> bool {
        let text = |value: &Value| value.as_str().expect("a position is a string").to_owned();
        let told = match outcome {
            "won" => Final::Won {
                points: body["points"].as_i64().expect("points are a number"),
                position: text(&body["receipt"]["position"]),
            },
            "taken" => Final::Taken {
                winner_position: text(&body["winner_position"]),
            },
            "expired" => Final::Expired,
            "outcome-unknown" => {
                self.unanswered(claim);
                return false;
            }
            "overloaded" | "rate-limited" | "not-yet-open" | "unavailable" => return false,
            other => panic!("{claim:?} got {other:?}: {body}"),
        };
        if let Some(before) = self.answers.get(claim) {
            assert_eq!(
                *before, told,
                "I3: {claim:?} got another answer than before"
            );
        }
        let tile = (claim.round, claim.tile);
        if let Final::Won { points, position } = &told {
            let win = Win {
                player: claim.player.clone(),
                points: *points,
            };
            let held = self.winners.entry(tile).or_insert_with(|| win.clone());
            assert_eq!(*held, win, "I1: {tile:?} has two winners");
            self.holds(tile, position);
        }
        if let Final::Taken { winner_position } = &told {
            let won_it = self
                .winners
                .get(&tile)
                .is_some_and(|win| win.player == claim.player);
            assert!(
                !won_it,
                "I3: {claim:?} had won and is told that it is taken"
            );
            self.holds(tile, winner_position);
        }
        self.unanswered.remove(claim);
        if self.answers.insert(claim.clone(), told).is_none() {
            self.new_claims.insert(claim.clone());
        }
        true
    }

    /// An attempt that got no answer, or one that says that nothing is known.
    pub(crate) fn unanswered(&mut self, claim: &Claim) {
        if !self.answers.contains_key(claim) {
            self.unanswered.insert(claim.clone());
        }
    }

    pub(crate) fn event_answered(&mut self, event: Event) {
        self.events_unanswered.remove(&event);
        if self.events.insert(event.clone()) {
            self.new_events.insert(event);
        }
    }

    pub(crate) fn event_unanswered(&mut self, event: Event) {
        if !self.events.contains(&event) {
            self.events_unanswered.insert(event);
        }
    }

    /// Everything that was ever asked, so that it can be asked again; with `some` only what
    /// is open, what was answered since, and so many of the rest.
    pub(crate) fn claims_to_ask(&mut self, some: Option<(usize, &mut StdRng)>) -> Vec<Claim> {
        let new = std::mem::take(&mut self.new_claims);
        let mut claims = match some {
            None => self.answers.keys().cloned().collect(),
            Some((count, random)) => sampled(self.answers.keys(), new, count, random),
        };
        claims.extend(self.unanswered.iter().cloned());
        claims
    }

    /// The events that were acknowledged; with `some` only those since, and so many of the
    /// rest.
    pub(crate) fn events_to_ask(&mut self, some: Option<(usize, &mut StdRng)>) -> Vec<Event> {
        let new = std::mem::take(&mut self.new_events);
        match some {
            None => self.events.iter().cloned().collect(),
            Some((count, random)) => sampled(self.events.iter(), new, count, random),
        }
    }

    /// The events that may or may not have been recorded.
    pub(crate) fn events_in_doubt(&self) -> Vec<Event> {
        self.events_unanswered.iter().cloned().collect()
    }

    /// Checks that nothing is open any more: every attempt has its answer, every tile that was
    /// taken its winner.
    pub(crate) fn assert_settled(&self) {
        assert!(
            self.unanswered.is_empty(),
            "still without an answer: {:?}",
            self.unanswered
        );
        assert!(
            self.events_unanswered.is_empty(),
            "in doubt: {:?}",
            self.events_unanswered
        );
        for tile in self.holders.keys() {
            assert!(
                self.winners.contains_key(tile),
                "I1: {tile:?} is taken, but nobody who asked for it won it"
            );
        }
    }

    /// Who holds each tile.
    pub(crate) fn winners(&self) -> BTreeMap<Tile, String> {
        self.winners
            .iter()
            .map(|(tile, win)| (*tile, win.player.clone()))
            .collect()
    }

    /// The `total` board as the fold of all wins, in no order.
    pub(crate) fn total(&self) -> BTreeMap<String, i64> {
        let mut board = BTreeMap::new();
        for win in self.winners.values() {
            *board.entry(win.player.clone()).or_insert(0) += win.points;
        }
        board
    }

    /// The `best` board as the fold of all events, in no order.
    pub(crate) fn best(&self) -> BTreeMap<String, i64> {
        let mut board = BTreeMap::new();
        for event in &self.events {
            let best = board.entry(event.player.clone()).or_insert(event.score);
            *best = event.score.max(*best);
        }
        board
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} answers, {} won, {} events",
            self.answers.len(),
            self.winners.len(),
            self.events.len()
        )
    }

    fn holds(&mut self, tile: Tile, position: &str) {
        let held = self
            .holders
            .entry(tile)
            .or_insert_with(|| position.to_owned());
        assert_eq!(held, position, "I1: {tile:?} is held by two claims");
    }
}

/// `new`, and about so many others of `all`.
fn sampled<'a, T: Clone + Ord + 'a>(
    all: impl ExactSizeIterator<Item = &'a T>,
    new: BTreeSet<T>,
    count: usize,
    random: &mut StdRng,
) -> Vec<T> {
    let of = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    let count = u32::try_from(count).unwrap_or(u32::MAX).min(of);
    let some = all.filter(|item| random.random_ratio(count, of) && !new.contains(item));
    let mut some: Vec<T> = some.cloned().collect();
    some.extend(new);
    some
}
