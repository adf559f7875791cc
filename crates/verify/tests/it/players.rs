//! Players and score events that no arbiter writes; and erased players, who are none.

use huntcore_model::{Batch, PlayerNumber, Record, ScoreRecord};
use huntcore_verify::{End, Fault};

use crate::deployment::{Deployment, key};
use crate::logs::Log;

fn falsified(falsify: impl Fn(ScoreRecord<'_>) -> Vec<ScoreRecord<'_>>) -> Log {
    Deployment::history(3).replace_first(|_, record| match record {
        Record::Score(event) => Some(falsify(*event).into_iter().map(Record::Score).collect()),
        _ => None,
    })
}

#[test]
fn a_score_event_taken_twice_is_named() {
    let log = falsified(|event| vec![event, event]);
    log.must_only_have("event-twice");
}

#[test]
fn a_score_event_that_was_changed_is_named() {
    let log = falsified(|mut event| {
        event.score += 1;
        vec![event]
    });
    log.must_only_have("event-differs");
}

#[test]
fn a_number_that_was_not_given_out_is_named() {
    let log = falsified(|mut event| {
        event.player = PlayerNumber::new(99);
        vec![event]
    });
    log.must_have("player-unknown");
}

#[test]
fn players_are_numbered_one_after_another_and_once() {
    let log = Deployment::history(1);
    let leap = log.replace_first(|_, record| match record {
        Record::Player(player) if player.number.get() == 3 => {
            let mut player = *player;
            player.number = PlayerNumber::new(4);
            Some(vec![Record::Player(player)])
        }
        _ => None,
    });
    leap.must_have("player-out-of-turn");
    let mut first = None;
    let twice = log.replace_first(|_, record| match (record, first) {
        (Record::Player(player), None) => {
            first = Some(player.id.expect("not erased").to_owned().leak() as &'static str);
            None
        }
        (Record::Player(player), Some(id)) => {
            let mut player = *player;
            player.id = Some(id);
            Some(vec![Record::Player(player)])
        }
        _ => None,
    });
    let report = twice.verify(None, End::OfLog);
    let named = |fault: &Fault| {
        matches!(fault, Fault::PlayerTwice { first, number, .. }
            if (first.get(), number.get()) == (0, 1))
    };
    assert!(report.faults.iter().any(named), "{:?}", report.faults);
}

#[test]
fn an_erased_player_is_on_no_board_and_no_fault() {
    let mut log = Deployment::history(3);
    let sound = log.verify(Some(key()), End::OfLog);
    for stream in &mut log.streams {
        for batch in stream {
            *batch = erase(batch, "player 3");
        }
    }
    let report = log.verify(Some(key()), End::OfLog);
    assert_eq!(report.faults, []);
    assert_eq!(report.players, sound.players - 1);
    assert_eq!(report.claims, sound.claims);
}

/// Zeroes a player's salt and id, as erasing in place does.
fn erase(batch: &Batch, id: &str) -> Batch {
    let mut bytes = batch.bytes().to_vec();
    let personal_bytes = u32::from_le_bytes(bytes[80..84].try_into().expect("4 bytes"));
    let personal = bytes.len() - personal_bytes as usize;
    let mut at = personal;
    while at < bytes.len() {
        let id_bytes = usize::from(bytes[at + 16]);
        let end = at + 17 + id_bytes;
        if &bytes[at + 17..end] == id.as_bytes() {
            bytes[at..at + 16].fill(0);
            bytes[at + 17..end].fill(0);
        }
        at = end;
    }
    let crc = crc32c::crc32c(&bytes[personal..]).to_le_bytes();
    bytes[88..92].copy_from_slice(&crc);
    let crc = crc32c::crc32c(&bytes[..92]).to_le_bytes();
    bytes[92..96].copy_from_slice(&crc);
    Batch::decode(bytes.into()).expect("still sound")
}
