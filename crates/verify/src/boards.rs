//! The boards against a naive count of the same records.
//!
//! Naive: a table of each player's score and when it was reached, sorted whole when it is
//! compared. A window is compared when it becomes final and then forgotten, the boards of
//! whole hunts at the end.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_board::{BoardLimits, BoardName, BoardView, Boards, BoardsVersion, Entry};
use huntcore_model::{
    Batch, ControlRecord, HuntId, HuntNumber, PlayerId, Record, Sequence, TimeMicros,
};

use crate::fault::{BoardLine, Fault, Place};
use crate::players::{Known, PlayerIndex, Players};
use crate::report::{BoardsReport, Report};
use crate::table::{Moment, Table};
use crate::verifier::Settings;

const WINDOW_MICROS: u64 = 1_000_000;

/// Boards, and what they should show.
#[derive(Debug)]
pub struct BoardCheck {
    /// `None` once they could not follow, or if the log does not begin at its beginning.
    boards: Option<Boards>,
    /// By shard, the next sequence and the last time.
    ends: Vec<(Sequence, TimeMicros)>,
    names: BTreeMap<HuntNumber, HuntId>,
    players: Players,
    totals: BTreeMap<HuntNumber, Table>,
    bests: BTreeMap<HuntNumber, Table>,
    /// Windows that are not final.
    windows: BTreeMap<(TimeMicros, HuntNumber), Table>,
    /// Windows that anybody scored in.
    known: BTreeSet<(HuntNumber, TimeMicros)>,
    /// The claims of the batch at hand: looked up all together, none waits for memory alone.
    claims: Vec<Counted>,
    report: BoardsReport,
}

/// A claim on its way to the sum of its player.
#[derive(Clone, Copy, Debug)]
struct Counted {
    hunt: HuntNumber,
    player: PlayerIndex,
    points: u32,
    sequence: Sequence,
}

impl BoardCheck {
    /// Nothing read so far.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        // One stream may be read far ahead of another, and nobody is to be left out.
        let limits = BoardLimits {
            open_window_entries_max: usize::MAX,
            players_max: u32::MAX,
            ..BoardLimits::default()
        };
        let shards = settings.shards;
        let is_whole = settings
            .begins
            .values()
            .all(|&begin| begin == Sequence::ZERO);
        Self {
            boards: is_whole.then(|| Boards::new(shards, limits)),
            ends: vec![Default::default(); usize::from(shards.count())],
            names: BTreeMap::new(),
            players: Players::new(shards.count()),
            totals: BTreeMap::new(),
            bests: BTreeMap::new(),
            windows: BTreeMap::new(),
            known: BTreeSet::new(),
            claims: Vec::new(),
            report: BoardsReport::default(),
        }
    }

    /// Takes the next batch of its stream.
    pub fn feed(&mut self, batch: &Batch) {
        if self.boards.is_none() {
            return;
        }
        let header = batch.header();
        if header.shard.is_control() {
            self.learn_names(batch);
        } else {
            let Some(end) = self.ends.get_mut(usize::from(header.shard.get())) else {
                return;
            };
            // What was read before counts once.
            if header.first_sequence != end.0 && header.next_sequence() <= end.0 {
                return;
            }
            *end = (header.next_sequence(), header.time.max(end.1));
            self.count(batch);
        }
        self.apply(batch);
        self.pass();
    }

    /// What was found, now that all batches were fed.
    #[must_use]
    pub fn finish(mut self) -> BoardsReport {
        let Some(mut boards) = self.boards.take() else {
            return self.report;
        };
        let version = boards.publish();
        for ((start, hunt), table) in std::mem::take(&mut self.windows) {
            self.compare_window(&version, (start, hunt), &table, false);
        }
        let mut hunts: BTreeSet<HuntNumber> = version.hunts().collect();
        hunts.extend(self.totals.keys());
        hunts.extend(self.bests.keys());
        for hunt in hunts {
            for board in [BoardName::Total, BoardName::Best] {
                let tables = match board {
                    BoardName::Total => &mut self.totals,
                    _ => &mut self.bests,
                };
                let table = tables.remove(&hunt).unwrap_or_default();
                if let Some(view) = version.board(hunt, board) {
                    self.compare(&view, &table, hunt);
                }
            }
            for view in version.windows(hunt) {
                let Some(starts_at) = view.window().start else {
                    continue;
                };
                if !self.known.contains(&(hunt, starts_at)) {
                    self.report.fault(Fault::WindowDiffers {
                        hunt: self.name(hunt),
                        starts_at,
                        expected: "not there",
                        found: "there",
                    });
                }
            }
        }
        self.report
    }

    fn learn_names(&mut self, batch: &Batch) {
        for (_, record) in batch.records().map_while(Result::ok) {
            if let Record::Control { record, .. } = record
                && let ControlRecord::HuntCreated(created) = *record
            {
                self.names.entry(created.hunt).or_insert(created.id);
            }
        }
    }

    fn name(&self, hunt: HuntNumber) -> String {
        self.names
            .get(&hunt)
            .map_or_else(|| format!("number {hunt}"), HuntId::to_string)
    }

    fn count(&mut self, batch: &Batch) {
        let header = batch.header();
        // Numbers out of turn are for the rules to report.
        let mut elsewhere = Report::default();
        for (sequence, record) in batch.records().map_while(Result::ok) {
            let at = Place::new(header.shard, sequence);
            match record {
                Record::Player(player) => self.players.meet(at, &player, &mut elsewhere),
                Record::Claim(claim) => {
                    if let Known::Player(player) = self.players.of(at, claim.player) {
                        self.claims.push(Counted {
                            hunt: claim.hunt,
                            player,
                            points: claim.points,
                            sequence,
                        });
                    }
                }
                Record::Score(event) => {
                    if let Known::Player(player) = self.players.of(at, event.player) {
                        let moment = Moment::new(header.time, at);
                        self.score(event.hunt, player, event.score, moment);
                    }
                }
                Record::Time | Record::Control { .. } => {}
            }
        }
        let claims = std::mem::take(&mut self.claims);
        for of_hunt in claims.chunk_by(|a, b| a.hunt == b.hunt) {
            let table = self.totals.entry(of_hunt[0].hunt).or_default();
            for claim in of_hunt {
                let at = Place::new(header.shard, claim.sequence);
                table.add(claim.player, claim.points, Moment::new(header.time, at));
            }
        }
        self.claims = claims;
        self.claims.clear();
    }

    /// Counts a score event: the highest counts, of equal ones the earliest.
    fn score(&mut self, hunt: HuntNumber, player: PlayerIndex, score: i64, at: Moment) {
        let start = TimeMicros::new(at.time.get() - at.time.get() % WINDOW_MICROS);
        self.known.insert((hunt, start));
        let tables = [
            self.bests.entry(hunt).or_default(),
            self.windows.entry((start, hunt)).or_default(),
        ];
        for table in tables {
            table.raise(player, score, at);
        }
    }

    /// Applies a batch whose records have been counted.
    fn apply(&mut self, batch: &Batch) {
        let Some(boards) = &mut self.boards else {
            return;
        };
        if let Err(error) = boards.apply(batch) {
            self.boards = None;
            self.windows.clear();
            let header = batch.header();
            self.report.fault(Fault::BoardsRefuse {
                at: Place::new(header.shard, header.first_sequence),
                reason: error.to_string(),
            });
        }
    }

    /// Compares the windows that are final now that every shard has passed them.
    fn pass(&mut self) {
        let times = self.ends.iter().map(|(_, time)| *time);
        let everywhere = times.min().unwrap_or_default();
        while let Some(entry) = self.windows.first_entry()
            && entry.key().0.get().saturating_add(WINDOW_MICROS) <= everywhere.get()
        {
            let (window, table) = entry.remove_entry();
            if let Some(boards) = &mut self.boards {
                let version = boards.publish();
                self.compare_window(&version, window, &table, true);
            }
        }
    }

    fn compare_window(
        &mut self,
        version: &BoardsVersion,
        (start, hunt): (TimeMicros, HuntNumber),
        table: &Table,
        is_final: bool,
    ) {
        // One that has made room for newer ones cannot be compared.
        let Ok(view) = version.window(hunt, start) else {
            return;
        };
        let word = |is_final| if is_final { "final" } else { "open" };
        if view.window().is_final != is_final {
            self.report.fault(Fault::WindowDiffers {
                hunt: self.name(hunt),
                starts_at: start,
                expected: word(is_final),
                found: word(!is_final),
            });
        }
        self.compare(&view, table, hunt);
    }

    fn compare(&mut self, view: &BoardView<'_>, table: &Table, hunt: HuntNumber) {
        self.report.compared += 1;
        let players = &self.players;
        let mut expected = table
            .ranked()
            .into_iter()
            .map(|(player, score)| (players.id(player), score));
        let mut found = view.entries(0);
        for rank in 1.. {
            let (expected, found): (_, Option<Entry<'_>>) = (expected.next(), found.next());
            if expected.is_none() && found.is_none() {
                return;
            }
            let same = found.map(|entry| (entry.player, entry.score)) == expected
                && found.is_none_or(|entry| entry.rank == rank);
            if !same {
                let line = |(player, score): (&PlayerId, i64)| BoardLine {
                    player: player.to_string(),
                    score,
                };
                let fault = Fault::BoardDiffers {
                    hunt: self.name(hunt),
                    board: view.name().as_str(),
                    starts_at: view.window().start,
                    rank,
                    expected: expected.map(line),
                    found: found.map(|entry| line((entry.player, entry.score))),
                };
                self.report.fault(fault);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{
        BatchBuilder, ClaimRecord, Epoch, EventDigest, PlayerNumber, PlayerRecord, RoundNumber,
        Salt, ScoreRecord, ShardId, ShardMap, Tail, TileIndex,
    };

    use super::*;

    const SHARD: ShardId = ShardId::new(0);
    const HUNT: HuntNumber = HuntNumber::new(0);

    /// Boards of a batch in which ada wins 5 points and scores 3, counted naively as `count`
    /// says, and the faults that come of it.
    fn faults(count: impl Fn(&mut BoardCheck, PlayerIndex, Moment)) -> Vec<Fault> {
        let number = PlayerNumber::new(0);
        let mut builder = BatchBuilder::new();
        builder.push_player(number, "ada", Salt([1; 16]));
        builder.push(&Record::Claim(ClaimRecord {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            tile: TileIndex::new(0),
            player: number,
            points: 5,
        }));
        builder.push(&Record::Score(ScoreRecord {
            hunt: HUNT,
            player: number,
            event_id: "e",
            event_type: "t",
            score: 3,
            sent_at: None,
            payload: "",
            digest: EventDigest([0; 16]),
        }));
        let time = TimeMicros::from_millis(1_500);
        let tail = Tail::default();
        let batch = builder.finish(SHARD, Epoch::new(1), &tail, time, Sequence::ZERO);

        let settings = Settings::new(ShardMap::new(1).expect("one"), 1_000);
        let mut check = BoardCheck::new(&settings);
        check
            .names
            .insert(HUNT, HuntId::new("park").expect("a slug"));
        let at = Place::new(SHARD, Sequence::ZERO);
        let record = PlayerRecord {
            number,
            fingerprint: [0; 32],
            id: Some("ada"),
        };
        check.players.meet(at, &record, &mut Report::default());
        let Known::Player(ada) = check.players.of(at, number) else {
            unreachable!("just met");
        };
        count(&mut check, ada, Moment::new(time, at));
        check.apply(&batch);
        check.finish().faults
    }

    #[test]
    fn boards_that_show_what_was_counted_have_no_fault() {
        let found = faults(|check, ada, at| {
            check.totals.entry(HUNT).or_default().add(ada, 5, at);
            check.score(HUNT, ada, 3, at);
        });
        assert_eq!(found, []);
    }

    #[test]
    fn a_board_that_shows_something_else_is_named_with_its_first_wrong_rank() {
        let found = faults(|check, ada, at| {
            check.totals.entry(HUNT).or_default().add(ada, 6, at);
            check.score(HUNT, ada, 3, at);
        });
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [r#"board total of hunt park has "ada" with 5 on rank 1, expected "ada" with 6"#]
        );
    }

    #[test]
    fn a_window_that_nobody_scored_in_and_an_entry_too_many_are_named() {
        let found = faults(|check, ada, at| {
            check.totals.entry(HUNT).or_default().add(ada, 5, at);
        });
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                r#"board best of hunt park has "ada" with 3 on rank 1, expected nobody"#,
                "board second of hunt park, window 1970-01-01T00:00:01.000000Z is there, \
                 expected not there"
            ]
        );
    }
}
