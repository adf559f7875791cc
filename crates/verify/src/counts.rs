//! What the boards should show, counted naively: a table of each player's score and when it
//! was reached, sorted whole when it is compared.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{HuntNumber, PlayerId, TimeMicros};

use crate::closings::Said;
use crate::corrections::Corrections;
use crate::players::{PlayerIndex, Players};
use crate::table::{Moment, Table};

const WINDOW_MICROS: u64 = 1_000_000;

/// What the rules say of a batch, for the boards.
#[derive(Debug, Default)]
pub struct Judged {
    /// Whether its records count: they were not read before.
    pub(crate) is_new: bool,
    /// The windows that are final with it.
    pub(crate) windows: Vec<Expected>,
    pub(crate) said: Said,
}

/// What one board should show.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) hunt: HuntNumber,
    pub(crate) name: String,
    /// Of a window.
    pub(crate) starts_at: TimeMicros,
    /// Players and scores, best first.
    pub(crate) table: Vec<(PlayerId, i64)>,
}

/// What all boards should show at the end.
#[derive(Debug, Default)]
pub struct ExpectedAll {
    pub(crate) totals: Vec<Expected>,
    pub(crate) bests: Vec<Expected>,
    pub(crate) open_windows: Vec<Expected>,
    /// All that anybody scored in, final ones too.
    pub(crate) windows: BTreeSet<(HuntNumber, TimeMicros)>,
    /// Whether no batch is missing at the end.
    pub(crate) is_all: bool,
}

impl ExpectedAll {
    /// A hunt's name, or its number if nothing was counted for it.
    pub(crate) fn name(&self, hunt: HuntNumber) -> String {
        let mut all = self.totals.iter().chain(&self.bests);
        all.find(|expected| expected.hunt == hunt)
            .map_or_else(|| format!("number {hunt}"), |found| found.name.clone())
    }
}

/// Everybody's scores.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    totals: BTreeMap<HuntNumber, Table>,
    bests: BTreeMap<HuntNumber, Table>,
    /// Windows that are not final.
    windows: BTreeMap<(TimeMicros, HuntNumber), Table>,
    /// Windows that anybody scored in.
    known: BTreeSet<(HuntNumber, TimeMicros)>,
    /// The claims of the batch at hand: looked up all together, none waits for memory alone.
    claims: Vec<Counted>,
}

/// A claim on its way to the sum of its player.
#[derive(Clone, Copy, Debug)]
struct Counted {
    hunt: HuntNumber,
    player: PlayerIndex,
    points: u32,
    at: Moment,
}

impl Counts {
    /// Counts a claim.
    pub(crate) fn claim(&mut self, hunt: HuntNumber, player: PlayerIndex, points: u32, at: Moment) {
        self.claims.push(Counted {
            hunt,
            player,
            points,
            at,
        });
    }

    /// Counts a score event.
    pub(crate) fn score(&mut self, hunt: HuntNumber, player: PlayerIndex, score: i64, at: Moment) {
        let start = TimeMicros::new(at.time.get() - at.time.get() % WINDOW_MICROS);
        let window = self.windows.entry((start, hunt)).or_insert_with(|| {
            self.known.insert((hunt, start));
            Table::default()
        });
        window.raise(player, score, at);
        self.bests.entry(hunt).or_default().raise(player, score, at);
    }

    /// Takes a voided claim's points away again.
    pub(crate) fn void(&mut self, hunt: HuntNumber, player: PlayerIndex, points: u32) {
        self.settle();
        if let Some(table) = self.totals.get_mut(&hunt) {
            table.take_away(player, points);
        }
    }

    /// A batch has ended; the windows that are final now that every shard has got to `time`.
    pub(crate) fn pass(
        &mut self,
        time: TimeMicros,
        players: &Players,
        corrections: &Corrections,
        name: impl Fn(HuntNumber) -> String,
    ) -> Vec<Expected> {
        self.settle();
        let mut passed = Vec::new();
        while let Some(entry) = self.windows.first_entry()
            && entry.key().0.get().saturating_add(WINDOW_MICROS) <= time.get()
        {
            let ((starts_at, hunt), table) = entry.remove_entry();
            passed.push(expected(
                hunt,
                starts_at,
                &table,
                players,
                corrections,
                &name,
            ));
        }
        passed
    }

    /// All that is left.
    pub(crate) fn finish(
        mut self,
        players: &Players,
        corrections: &Corrections,
        name: impl Fn(HuntNumber) -> String,
    ) -> ExpectedAll {
        self.settle();
        let of_hunts = |tables: BTreeMap<HuntNumber, Table>| {
            let all = tables.into_iter();
            all.map(|(hunt, table)| {
                expected(hunt, TimeMicros::ZERO, &table, players, corrections, &name)
            })
            .collect()
        };
        let open_windows = self
            .windows
            .iter()
            .map(|(&(start, hunt), table)| {
                expected(hunt, start, table, players, corrections, &name)
            })
            .collect();
        ExpectedAll {
            totals: of_hunts(self.totals),
            bests: of_hunts(self.bests),
            open_windows,
            windows: self.known,
            is_all: false,
        }
    }

    /// Adds the claims of a batch to their players' sums.
    fn settle(&mut self) {
        for of_hunt in self.claims.chunk_by(|a, b| a.hunt == b.hunt) {
            let table = self.totals.entry(of_hunt[0].hunt).or_default();
            for claim in of_hunt {
                table.add(claim.player, claim.points, claim.at);
            }
        }
        self.claims.clear();
    }
}

fn expected(
    hunt: HuntNumber,
    starts_at: TimeMicros,
    table: &Table,
    players: &Players,
    corrections: &Corrections,
    name: impl Fn(HuntNumber) -> String,
) -> Expected {
    let ranked = table.ranked().into_iter();
    let ranked = ranked.filter(|&(player, _)| !corrections.is_disqualified(hunt, player));
    Expected {
        hunt,
        name: name(hunt),
        starts_at,
        table: ranked
            .map(|(player, score)| (players.id(player).clone(), score))
            .collect(),
    }
}
