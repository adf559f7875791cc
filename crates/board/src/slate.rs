//! What one window has counted: a tally, and what it takes to void claims in it.
//!
//! A highest, lowest or last score cannot be subtracted: it has to be found anew from all that
//! the player has. So for players with claims that may still be voided, what came besides
//! those claims is kept as their *base*; a claim that is too old to be voided becomes part of
//! it. What is shown is always the base and the claims together, whichever came first.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{BoardDefinition, BoardOperator, BoardOrder, BoardSource};

use crate::beside::Beside;
use crate::contribution::Contribution;
use crate::key::{Key, Place, Ranked};
use crate::ranking::{Frozen, Ranking, Ranks};
use crate::tally::Tally;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Slate {
    pub(crate) tally: Tally,
    pub(crate) undo: Undo,
    rule: Counting,
}

/// How a board's scores are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counting {
    pub(crate) operator: BoardOperator,
    pub(crate) order: BoardOrder,
    /// A voided claim has to be found among others.
    pub(crate) keeps_bases: bool,
}

/// What it takes to void claims where they cannot be subtracted. Mostly there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Undo {
    /// By player index: of those who have claims that may still be voided.
    pub(crate) bases: BTreeMap<u32, Base>,
    /// Players all of whose claims were voided: they are not ranked, but were there.
    pub(crate) emptied: BTreeSet<u32>,
}

/// What a player has besides claims that may still be voided, and how many of those there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) key: Option<Key>,
    pub(crate) claims: u32,
}

impl Counting {
    pub(crate) fn new(definition: &BoardDefinition) -> Self {
        let takes_claims = definition.from != BoardSource::Events;
        let subtracts = matches!(
            definition.operator,
            BoardOperator::Sum | BoardOperator::Count
        );
        Self {
            operator: definition.operator,
            order: definition.order,
            keeps_bases: takes_claims && !subtracts,
        }
    }

    fn joined(self, known: Option<Key>, more: Contribution) -> Key {
        let mut joined = more;
        if let Some(known) = known {
            let known = Contribution {
                score: known.score(self.order),
                place: known.place(),
            };
            let carry = joined.join(self.operator, known);
            debug_assert!(
                carry.is_none(),
                "only sums are carried, and they have no base"
            );
        }
        Key::new(self.order, joined.score, joined.place)
    }

    fn of_claim(self, points: u32, place: Place) -> Contribution {
        Contribution::of(self.operator, i64::from(points), place)
    }
}

impl Slate {
    /// Nothing counted.
    pub(crate) fn new(rule: Counting) -> Self {
        Self {
            tally: Tally::new(rule.operator, rule.order),
            undo: Undo::default(),
            rule,
        }
    }

    /// Goes on from what was counted.
    pub(crate) const fn restored(rule: Counting, tally: Tally, undo: Undo) -> Self {
        Self { tally, undo, rule }
    }

    /// Sets a player aside who has something here. Whoever has nothing takes nothing: that is
    /// told when something comes.
    pub(crate) fn set_aside(&mut self, player: u32) {
        self.tally.flush();
        if Ranks::Growing(self.tally.ranking()).find(player).is_some() {
            self.tally.set_aside(player);
        }
    }

    /// Something comes of a player: is it one of those who are set aside?
    #[inline]
    fn meet(&mut self, player: u32, disqualified: &BTreeSet<u32>) {
        if !disqualified.is_empty() && disqualified.contains(&player) {
            self.tally.set_aside(player);
        }
    }

    /// Takes a score event; the disqualified are counted aside.
    #[inline]
    pub(crate) fn put(
        &mut self,
        disqualified: &BTreeSet<u32>,
        (player, score, place): (u32, i64, Place),
    ) {
        self.meet(player, disqualified);
        self.tally.put(player, score, place);
        if self.rule.keeps_bases {
            if let Some(base) = self.undo.bases.get_mut(&player) {
                let more = Contribution::of(self.rule.operator, score, place);
                base.key = Some(self.rule.joined(base.key, more));
            }
            self.undo.emptied.remove(&player);
        }
    }

    /// Takes claims, each a player, points and place; the disqualified are counted aside.
    pub(crate) fn put_claims(
        &mut self,
        disqualified: &BTreeSet<u32>,
        claims: &[(u32, u32, Place)],
    ) {
        for &(player, ..) in claims.iter().filter(|_| !disqualified.is_empty()) {
            self.meet(player, disqualified);
        }
        if self.rule.keeps_bases {
            return self.put_recalled(claims);
        }
        for &(player, points, place) in claims {
            self.tally.put(player, i64::from(points), place);
        }
    }

    fn put_recalled(&mut self, claims: &[(u32, u32, Place)]) {
        // Then whoever has no base has nothing that is not ranked yet.
        self.tally.flush();
        for &(player, points, place) in claims {
            let tally = &self.tally;
            let base = self.undo.bases.entry(player).or_insert_with(|| Base {
                key: key_of(tally, player),
                claims: 0,
            });
            base.claims += 1;
            self.undo.emptied.remove(&player);
            self.tally.put(player, i64::from(points), place);
        }
    }

    /// A claim can't be voided any more.
    pub(crate) fn settle(&mut self, player: u32, points: u32, place: Place) {
        settle(&mut self.undo, self.rule, player, points, place);
    }

    /// Takes away a claim's points.
    pub(crate) fn subtract(&mut self, player: u32, points: u32) {
        let subtracted = self.tally.subtract(player, i64::from(points));
        debug_assert!(subtracted, "asked of sums and counts only");
    }

    /// Counts a player anew after one of the claims was voided; these are left of those that
    /// may still be.
    pub(crate) fn recount(&mut self, player: u32, left: impl Iterator<Item = (u32, Place)>) {
        let Some(base) = self.undo.bases.get_mut(&player) else {
            return;
        };
        base.claims = base.claims.saturating_sub(1);
        let (mut key, claims) = (base.key, base.claims);
        if claims == 0 {
            self.undo.bases.remove(&player);
        }
        for (points, place) in left {
            key = Some(self.rule.joined(key, self.rule.of_claim(points, place)));
        }
        if key.is_none() {
            self.undo.emptied.insert(player);
        }
        self.replace(player, key);
    }

    /// How many players have been here, whatever became of their claims. It does not depend
    /// on what came first, so limits may go by it.
    pub(crate) fn weight(&self) -> usize {
        let aside = self.tally.beside().aside.values();
        self.tally.ranking().len() + aside.flatten().count() + self.undo.emptied.len()
    }

    /// What it comes to when nothing but corrections will come any more.
    pub(crate) fn freeze(mut self) -> (Frozen, Undo) {
        self.tally.flush();
        let never_here: Vec<u32> = self
            .tally
            .beside()
            .aside
            .iter()
            .filter(|(_, key)| key.is_none())
            .map(|(&player, _)| player)
            .collect();
        for player in never_here {
            self.tally.bring_back(player);
        }
        (self.tally.freeze(), self.undo)
    }

    fn replace(&mut self, player: u32, key: Option<Key>) {
        self.tally.flush();
        let mut ranking: Ranking = self.tally.ranking().clone();
        let mut beside: Beside = self.tally.beside().clone();
        match beside.aside.get_mut(&player) {
            Some(aside) => *aside = key,
            None => {
                ranking.remove(player);
                if let Some(key) = key {
                    ranking.insert(Ranked { key, player });
                }
            }
        }
        self.tally = Tally::restored(self.rule.operator, ranking, beside);
    }
}

impl Undo {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bases.len() * size_of::<(u32, Base)>() + self.emptied.len() * size_of::<u32>()
    }
}

/// A claim in a window, final or not, can't be voided any more.
pub(crate) fn settle(undo: &mut Undo, rule: Counting, player: u32, points: u32, place: Place) {
    if let Some(base) = undo.bases.get_mut(&player) {
        base.key = Some(rule.joined(base.key, rule.of_claim(points, place)));
        base.claims = base.claims.saturating_sub(1);
        if base.claims == 0 {
            undo.bases.remove(&player);
        }
    }
}

fn key_of(tally: &Tally, player: u32) -> Option<Key> {
    match tally.beside().aside.get(&player) {
        Some(&aside) => aside,
        None => {
            let found = Ranks::Growing(tally.ranking()).find(player);
            found.map(|(_, ranked)| ranked.key)
        }
    }
}
