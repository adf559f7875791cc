//! What an attempt is answered, and for how long.

use huntcore_engine::{ClosedOrdinal, EngineLimits};
use huntcore_model::{
    AttemptList, AttemptRef, BATCH_BYTES_MAX, ControlRecord, Outcome, OutcomeKind, RoundNumber,
    TileIndex, TimeMicros,
};

use crate::configs::config_of;
use crate::desk::{Desk, HUNT, at};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Holder {
    Nobody,
    Me,
    Another,
}

/// Everything that an answer depends on.
#[derive(Clone, Copy, Debug)]
struct Situation {
    holder: Holder,
    paused: bool,
    closed: bool,
    now_ms: i64,
    tile: u32,
    values: bool,
}

impl Situation {
    /// The order of checks as DESIGN gives it.
    fn expected(self) -> OutcomeKind {
        let held = self.tile == 0 && self.holder != Holder::Nobody;
        if self.tile >= 4 {
            OutcomeKind::UnknownTile
        } else if held && self.holder == Holder::Me {
            OutcomeKind::Won
        } else if held {
            OutcomeKind::Taken
        } else if self.closed || self.now_ms >= 3_000 {
            OutcomeKind::Expired
        } else if self.paused {
            OutcomeKind::HuntPaused
        } else if self.now_ms < 0 || !self.values {
            OutcomeKind::NotYetOpen
        } else {
            OutcomeKind::Won
        }
    }

    /// Round 1, open from 0 to 3,000 ms, is brought into the situation and asked for.
    fn found(self) -> OutcomeKind {
        let mut desk = Desk::new(EngineLimits::default());
        desk.announce(-500, 1);
        if self.values || self.holder != Holder::Nobody {
            desk.provide();
        }
        match self.holder {
            Holder::Nobody => {}
            Holder::Me => drop(desk.attempt(100, 1, 0, "me")),
            Holder::Another => drop(desk.attempt(100, 1, 0, "another")),
        }
        if self.paused {
            desk.copy(self.now_ms, &ControlRecord::HuntPaused { hunt: HUNT });
        }
        if self.closed {
            let closed_at = at(self.now_ms);
            desk.copy(
                self.now_ms,
                &ControlRecord::HuntClosed {
                    hunt: HUNT,
                    closed_at,
                },
            );
        }
        desk.attempt(self.now_ms, 1, self.tile, "me").kind()
    }
}

#[test]
fn checks_go_in_the_order_of_the_design() {
    for holder in [Holder::Nobody, Holder::Me, Holder::Another] {
        // A tile is held only once its round is open.
        let times: &[i64] = match holder {
            Holder::Nobody => &[-400, -1, 0, 2_999, 3_000, 90_000],
            _ => &[200, 2_999, 3_000, 90_000],
        };
        for &now_ms in times {
            for tile in [0, 3, 4, u32::MAX] {
                for flags in 0..8 {
                    let situation = Situation {
                        holder,
                        paused: flags & 1 != 0,
                        closed: flags & 2 != 0,
                        now_ms,
                        tile,
                        values: flags & 4 != 0 || holder != Holder::Nobody,
                    };
                    assert_eq!(situation.found(), situation.expected(), "{situation:?}");
                }
            }
        }
    }
}

#[test]
fn rounds_that_never_are_have_no_tiles() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    for round in [0, u64::MAX, u64::MAX / 1_000] {
        assert_eq!(
            desk.attempt(10, round, 0, "me"),
            Outcome::UnknownTile,
            "round {round}"
        );
    }
    let far = desk.attempt(10, 1 << 40, 0, "me");
    assert_eq!(far.kind(), OutcomeKind::NotYetOpen);
}

#[test]
fn losers_cost_no_log_space() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.attempt(50, 1, 0, "winner");
    desk.attempt(3_100, 1, 1, "late");
    let before = desk.records();
    desk.arbiter.begin(at(3_150));
    for index in 0..1_000 {
        let player = format!("loser {index}");
        assert_eq!(
            desk.attempt_now(1, 0, &player).answer.kind(),
            OutcomeKind::Taken
        );
        assert_eq!(desk.attempt_now(1, 1, &player).answer, Outcome::Expired);
        assert_eq!(
            desk.attempt_now(90, 1, &player).answer.kind(),
            OutcomeKind::NotYetOpen
        );
        assert_eq!(desk.attempt_now(1, 9, &player).answer, Outcome::UnknownTile);
    }
    assert_eq!(desk.finish(), None);
    assert_eq!(desk.records(), before);
}

#[test]
fn an_outcome_waits_for_what_it_depends_on() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.arbiter.begin(at(10));
    let won = desk.attempt_now(1, 0, "ada");
    let taken = desk.attempt_now(1, 0, "bo");
    let claim = match won.answer {
        Outcome::Won { sequence, .. } => sequence,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (won.needs, taken.needs),
        (claim.advanced(1), claim.advanced(1))
    );
    let batch = desk.finish().expect("a claim");
    assert!(won.needs <= batch.tail().sequence && won.needs > batch.header().first_sequence);
    // Expired shows in the log by its time alone, so the first to hear it waits for that.
    desk.arbiter.begin(at(3_000));
    let expired = desk.attempt_now(1, 1, "bo");
    let before = desk.records();
    let batch = desk.finish().expect("a time record");
    assert_eq!((batch.header().count, batch.header().time), (1, at(3_000)));
    assert_eq!(
        (expired.answer, expired.needs),
        (Outcome::Expired, before.advanced(1))
    );
}

#[test]
fn expired_stays_expired_when_the_next_owner_s_clock_is_behind() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    assert_eq!(desk.attempt(3_000, 1, 0, "ada"), Outcome::Expired);
    desk.restart();
    desk.provide();
    assert_eq!(desk.attempt(100, 1, 0, "ada"), Outcome::Expired);
    assert_eq!(desk.arbiter.tail().time, at(3_000));
}

#[test]
fn a_round_that_passed_unannounced_stays_expired_after_a_change() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    // The controller slept; round 5 was open from 4,000 to 7,000 ms.
    assert_eq!(desk.attempt(7_000, 5, 0, "ada"), Outcome::Expired);
    // It wakes up, takes it to be 2,000 ms, and makes rounds longer: round 5 opens at 13,000.
    desk.change(7_100, 4, 3_000, config_of(10_000, 20_000, 2));
    desk.open(7_100, 5);
    for now_ms in [7_200, 14_000] {
        assert_eq!(desk.attempt(now_ms, 5, 0, "ada"), Outcome::Expired);
        assert_eq!(
            desk.attempt(now_ms, 5, 3, "ada"),
            Outcome::Expired,
            "a tile of before"
        );
        desk.restart();
        desk.provide();
    }
    desk.open(22_000, 6);
    assert_eq!(desk.attempt(23_500, 6, 0, "ada").kind(), OutcomeKind::Won);
}

#[test]
fn a_round_that_passed_unannounced_stays_expired_when_the_end_moves() {
    let mut desk = Desk::new(EngineLimits::default());
    assert_eq!(desk.attempt(9_000, 3, 0, "ada"), Outcome::Expired);
    let ends_at = Some(at(1_500));
    let hunt = HUNT;
    desk.copy(9_100, &ControlRecord::HuntEndMoved { hunt, ends_at });
    assert_eq!(desk.attempt(9_200, 3, 0, "ada"), Outcome::Expired);
}

#[test]
fn answers_are_kept_for_their_time_and_are_expired_then() {
    let limits = EngineLimits {
        answer_ttl_ms: 60_000,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    desk.open(-500, 1);
    let won = desk.attempt(10, 1, 0, "ada");
    for now_ms in [2_999, 3_000, 40_000, 63_000] {
        assert_eq!(desk.attempt(now_ms, 1, 0, "ada"), won, "at {now_ms}");
        assert_eq!(
            desk.attempt(now_ms, 1, 0, "bo").kind(),
            OutcomeKind::Taken,
            "at {now_ms}"
        );
        desk.restart();
        assert_eq!(desk.attempt(now_ms, 1, 0, "ada"), won, "at {now_ms}");
    }
    // What is kept depends on the log's time, so the log has to hear of it first.
    desk.arbiter.begin(at(63_001));
    desk.finish();
    desk.arbiter.begin(at(63_101));
    desk.finish();
    for player in ["ada", "bo"] {
        assert_eq!(desk.attempt(63_200, 1, 0, player), Outcome::Expired);
    }
}

#[test]
fn what_was_won_in_a_hunt_that_closed_counts_as_answers_at_once() {
    let limits = EngineLimits {
        answers_max: 32,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    for round in 1..=3 {
        desk.open(-500, round);
    }
    let won = desk.attempt(2_010, 3, 0, "ada");
    for round in 1..=2 {
        desk.attempt(2_020, round, 0, "ada");
    }
    let open = desk.arbiter.snapshot(ClosedOrdinal::ZERO);
    assert!(open.has_no_answers());
    let (hunt, closed_at) = (HUNT, at(2_100));
    desk.copy(2_100, &ControlRecord::HuntClosed { hunt, closed_at });
    let closed = desk.arbiter.snapshot(ClosedOrdinal::ZERO);
    assert!(!closed.has_no_answers());
    // There is room for two rounds, which count as 16 each: the first has gone.
    for restarts in 0..2 {
        assert_eq!(desk.attempt(2_200, 3, 0, "ada"), won, "{restarts}");
        assert_eq!(desk.attempt(2_200, 2, 0, "bo").kind(), OutcomeKind::Taken);
        assert_eq!(desk.attempt(2_200, 1, 0, "ada"), Outcome::Expired);
        assert_eq!(desk.attempt(2_200, 3, 1, "ada"), Outcome::Expired);
        desk.restart();
    }
}

#[test]
fn beyond_the_limit_the_oldest_round_s_answers_go_first() {
    // A round counts as its claims, and as at least 16.
    for (tiles, answers_max) in [(2, 47), (20, 59)] {
        let limits = EngineLimits {
            answers_max,
            ..EngineLimits::default()
        };
        let mut desk = Desk::with_config(limits, config_of(1_000, 3_000, tiles + 1));
        let kinds = |desk: &mut Desk, now_ms| -> Vec<OutcomeKind> {
            (1..=3)
                .map(|round| desk.attempt(now_ms, round, 0, "ada").kind())
                .collect()
        };
        for round in 1..=3 {
            let now_ms = i64::try_from(round).expect("few") * 1_000 - 1_000;
            desk.open(now_ms, round);
            for tile in 0..tiles {
                desk.attempt(now_ms, round, tile, "ada");
            }
        }
        let (won, expired) = (OutcomeKind::Won, OutcomeKind::Expired);
        let all = [won, won, won];
        assert_eq!(kinds(&mut desk, 2_500), all, "open rounds do not count");
        desk.attempt(3_000, 1, tiles, "late");
        assert_eq!(kinds(&mut desk, 3_001), all, "one round's answers");
        desk.attempt(4_000, 2, tiles, "late");
        assert_eq!(kinds(&mut desk, 4_001), all, "two rounds'");
        desk.attempt(5_000, 3, tiles, "late");
        let kept = [expired, won, won];
        assert_eq!(kinds(&mut desk, 5_001), kept, "three would be one too many");
        desk.restart();
        assert_eq!(kinds(&mut desk, 5_001), kept);
    }
}

#[test]
fn at_the_limit_of_players_newcomers_are_refused_and_nothing_changes() {
    let limits = EngineLimits {
        players_max: 2,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    desk.open(-500, 1);
    desk.attempt(10, 1, 0, "ada");
    desk.attempt(11, 1, 1, "bo");
    let before = desk.records();
    assert_eq!(desk.attempt(12, 1, 2, "cy"), Outcome::Overloaded);
    assert_eq!(
        desk.attempt(12, 1, 0, "cy").kind(),
        OutcomeKind::Taken,
        "it needs no number"
    );
    assert_eq!(desk.records(), before);
    assert_eq!(desk.attempt(13, 1, 2, "bo").kind(), OutcomeKind::Won);
}

#[test]
fn a_block_beyond_a_batch_is_decided_as_far_as_there_is_room() {
    let tiles = 70_000;
    let mut desk = Desk::with_config(EngineLimits::default(), config_of(1_000, 3_000, tiles));
    desk.announce(-500, 1);
    let points = vec![10; tiles as usize];
    let round = RoundNumber::new(1);
    desk.arbiter.provide_values(HUNT, round, points.into());
    let mut attempts = AttemptList::new();
    for tile in 0..tiles {
        let player = format!("{tile:064}");
        let tile = TileIndex::new(tile);
        attempts.push(AttemptRef {
            hunt: HUNT,
            round,
            tile,
            player: &player,
        });
    }
    let mut outcomes = Vec::new();
    desk.arbiter.begin(at(10));
    desk.arbiter.decide(&attempts, &mut outcomes);
    let won = outcomes.iter().take_while(|o| o.kind() == OutcomeKind::Won);
    let won = won.count();
    assert!(won > 60_000, "{won}");
    assert!(outcomes[won..].iter().all(|o| *o == Outcome::Overloaded));
    assert!(outcomes.len() == tiles as usize && won < outcomes.len());
    let batch = desk.finish().expect("claims");
    assert!(batch.bytes().len() <= BATCH_BYTES_MAX);
    // The refused ones are decided by the next decision, and the others as before.
    let before = std::mem::take(&mut outcomes);
    desk.arbiter.begin(at(11));
    desk.arbiter.decide(&attempts, &mut outcomes);
    assert_eq!(outcomes[..won], before[..won]);
    assert!(outcomes.iter().all(|o| o.kind() == OutcomeKind::Won));
    desk.finish().expect("the other claims");
}

#[test]
fn a_full_log_refuses_what_needs_space_and_gives_known_answers() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    let won = desk.attempt(10, 1, 0, "ada");
    desk.arbiter.set_storage_full(true);
    let before = desk.records();
    assert_eq!(desk.attempt(11, 1, 1, "ada"), Outcome::StorageFull);
    assert_eq!(desk.attempt(11, 1, 0, "ada"), won);
    assert_eq!(desk.records(), before);
    desk.arbiter.set_storage_full(false);
    assert_eq!(desk.attempt(12, 1, 1, "ada").kind(), OutcomeKind::Won);
}

#[test]
fn values_that_come_late_open_the_round_late() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.announce(-500, 1);
    let opens_at = at(0);
    assert_eq!(
        desk.attempt(500, 1, 0, "ada"),
        Outcome::NotYetOpen { opens_at }
    );
    assert_eq!(desk.provide(), [1]);
    assert_eq!(desk.attempt(501, 1, 0, "ada").kind(), OutcomeKind::Won);
}

#[test]
fn values_are_asked_for_all_rounds_that_are_open_after_a_restart() {
    let mut desk = Desk::with_config(EngineLimits::default(), config_of(1_000, 9_000, 4));
    desk.open(-500, 1);
    desk.open(500, 2);
    // Later rounds close before the earlier ones.
    desk.change(600, 3, 2_000, config_of(1_000, 1_000, 4));
    for round in 3..=6 {
        desk.open(i64::try_from(round).expect("few") * 1_000 - 1_500, round);
    }
    desk.restart();
    desk.arbiter.begin(at(5_500));
    assert_eq!(desk.finish().map(|batch| batch.header().count), Some(1));
    assert_eq!(desk.provide(), [1, 2, 6]);
    assert_eq!(desk.attempt(5_600, 1, 0, "ada").kind(), OutcomeKind::Won);
}

#[test]
fn the_log_hears_of_time_every_100_ms_and_when_rounds_open_and_close() {
    let mut desk = Desk::with_config(EngineLimits::default(), config_of(1_030, 2_570, 4));
    assert_eq!(
        desk.arbiter.next_time_record(),
        Some(at(-1_000)),
        "sleeps until a second before"
    );
    let mut times = Vec::new();
    let mut now = -1_000;
    for round in 1..=4 {
        while now < (round - 1) * 1_030 - 900 {
            now += 1;
            desk.arbiter.begin(at(now));
            times.extend(desk.finish().map(|batch| batch.header().time));
        }
        desk.open(now, u64::try_from(round).expect("from 1"));
        times.push(desk.arbiter.tail().time);
    }
    while now < 6_000 {
        now += 1;
        desk.arbiter.begin(at(now));
        times.extend(desk.finish().map(|batch| batch.header().time));
    }
    for pair in times.windows(2) {
        assert!(
            pair[1].micros_since(pair[0]) <= 100_000 && pair[1] >= pair[0],
            "{pair:?}"
        );
    }
    for round in 0..4 {
        let opens = round * 1_030;
        assert!(
            times.contains(&at(opens)),
            "round {} opens at {opens}",
            round + 1
        );
        assert!(
            times.contains(&at(opens + 2_570)),
            "round {} closes",
            round + 1
        );
    }
}

/// How long a shard that hears something at 500 ms goes on to say that time passes.
fn time_records_after(record: &ControlRecord) -> i64 {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.copy(500, record);
    let mut now = 500;
    while let Some(due) = desk.arbiter.next_time_record() {
        now += 100;
        assert!(due <= at(now), "due at {due:?}, now {now}");
        desk.arbiter.begin(at(now));
        desk.finish().expect("it is due");
    }
    now
}

#[test]
fn a_hunt_that_is_over_needs_no_time_records() {
    let (hunt, closed_at) = (HUNT, at(500));
    let until = time_records_after(&ControlRecord::HuntClosed { hunt, closed_at });
    assert_eq!(until, 13_000, "ten seconds after its last round closed");
    let ends_at = Some(at(600));
    let until = time_records_after(&ControlRecord::HuntEndMoved { hunt, ends_at });
    assert_eq!(
        until, 5_600,
        "two seconds after a round that opened last of all would have closed"
    );
}

#[test]
fn a_clock_that_goes_back_holds_the_log_s_time() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.attempt(2_000, 1, 0, "ada");
    desk.attempt(1_000, 1, 1, "ada");
    assert_eq!(desk.arbiter.tail().time, at(2_000));
    desk.restart();
    desk.arbiter.begin(TimeMicros::ZERO);
    desk.attempt_now(1, 1, "bo");
    assert_eq!(desk.finish(), None, "no time has passed");
}
