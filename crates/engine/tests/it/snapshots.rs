//! Snapshots that were damaged, mixed up or made up.

use huntcore_engine::{
    Arbiter, ArbiterSnapshot, ClosedOrdinal, Controller, EngineLimits, RestoreError,
};
use huntcore_model::{ShardId, SnapshotError, SnapshotWriter};
use proptest::prelude::*;

use crate::checkpoints::state;
use crate::desk::Desk;
use crate::stream::Stream;

const SECRET: [u8; 32] = [9; 32];

pub(crate) fn restore(base: &[u8], answers: &[&[u8]]) -> Result<Arbiter, RestoreError> {
    Arbiter::restore(
        EngineLimits::default(),
        SECRET,
        base,
        answers.iter().copied(),
    )
}

/// A desk with open and closed rounds, and with score events old and new.
pub(crate) fn desk() -> Desk {
    let limits = EngineLimits {
        event_horizon_ms: 24_000,
        ..EngineLimits::default()
    };
    let mut desk = Desk::new(limits);
    for round in 1..=6 {
        let now_ms = i64::try_from(round).expect("few") * 1_000 - 1_000;
        desk.open(now_ms, round);
        for (tile, player) in [(3, "ada"), (0, "Ünï 🐙")] {
            desk.attempt(now_ms, round, tile, player);
        }
        desk.score(now_ms, "bo", &round.to_string(), 7);
    }
    desk
}

/// The same with a voided claim, disqualified players and results of windows.
fn corrected_desk() -> Desk {
    let mut desk = desk();
    desk.give_boards(6_000, &["hourly", "weekly"]);
    desk.void(6_100, 1, 3);
    desk.void(6_100, 6, 0);
    desk.disqualify(6_200, "bo");
    desk.disqualify(6_200, "nobody here");
    desk.reinstate(6_300, "bo");
    desk.close_board(6_400, "weekly", 5_000, &[("ada", 7), ("elsewhere", -3)]);
    desk
}

fn written(snapshot: &ArbiterSnapshot) -> (Vec<u8>, Vec<u8>) {
    let (mut base, mut answers) = (Vec::new(), Vec::new());
    snapshot.write(&mut base).expect("memory");
    snapshot.write_answers(&mut answers).expect("memory");
    (base, answers)
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_snapshot_is_found() {
    let mut desk = corrected_desk();
    let (base, answers) = state(&mut desk.arbiter);
    let mut again = restore(&base, &[&answers]).expect("own bytes");
    assert_eq!(state(&mut again), (base.clone(), answers.clone()));
    for index in 0..base.len() + answers.len() {
        for bit in 0..8 {
            let (mut base, mut answers) = (base.clone(), answers.clone());
            match index.checked_sub(base.len()) {
                None => base[index] ^= 1 << bit,
                Some(index) => answers[index] ^= 1 << bit,
            }
            assert!(
                restore(&base, &[&answers]).is_err(),
                "bit {bit} of byte {index}"
            );
        }
    }
    for length in 0..base.len() {
        assert!(
            restore(&base[..length], &[&answers]).is_err(),
            "cut at {length}"
        );
    }
    for length in 0..answers.len() {
        assert!(
            restore(&base, &[&answers[..length]]).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn a_snapshot_without_an_increment_that_it_needs_is_refused() {
    let mut desk = desk();
    let first = desk.arbiter.snapshot(ClosedOrdinal::ZERO);
    desk.open(9_000, 10);
    desk.attempt(9_000, 10, 0, "ada");
    desk.attempt(12_500, 10, 1, "late");
    let second = desk.arbiter.snapshot(first.closed().end);
    let (first_base, first_answers) = written(&first);
    let (base, answers) = written(&second);
    assert!(!first.has_no_answers() && !second.has_no_answers());
    assert_eq!(second.closed_kept_from(), ClosedOrdinal::ZERO);
    assert!(restore(&base, &[&first_answers, &answers]).is_ok());
    let missing: [&[&[u8]]; 4] = [
        &[],
        &[&first_answers],
        &[&answers],
        &[&answers, &first_answers],
    ];
    for increments in missing {
        let refused = restore(&base, increments);
        assert!(
            matches!(refused, Err(RestoreError::Answers { .. })),
            "{refused:?}"
        );
    }
    // Twice is as good as once; what came later is not of that state.
    let mut again = restore(&first_base, &[&first_answers, &first_answers]).expect("its own");
    assert_eq!(state(&mut again).0, first_base);
    assert!(restore(&first_base, &[&first_answers, &answers]).is_err());
}

#[test]
fn an_increment_of_another_shard_is_refused() {
    let mut desk = desk();
    let (base, _) = state(&mut desk.arbiter);
    let mut other = Arbiter::new(ShardId::new(1), EngineLimits::default(), SECRET);
    let (_, answers) = state(&mut other);
    assert!(matches!(
        restore(&base, &[&answers]),
        Err(RestoreError::Shard { .. })
    ));
}

#[test]
fn a_snapshot_of_another_kind_is_refused() {
    let mut desk = desk();
    let (base, answers) = state(&mut desk.arbiter);
    for (base, answers) in [(&answers, &answers), (&base, &base)] {
        assert!(matches!(
            restore(base, &[answers]),
            Err(RestoreError::Snapshot(SnapshotError::Magic { .. }))
        ));
    }
    assert!(matches!(
        Controller::restore(base.as_slice()),
        Err(SnapshotError::Magic { .. })
    ));
}

#[test]
fn every_flipped_bit_of_a_controller_s_snapshot_is_found() {
    let mut stream = Stream::new();
    stream.announce(0);
    stream.publish(3_500);
    let mut bytes = Vec::new();
    stream
        .controller
        .snapshot()
        .write(&mut bytes)
        .expect("memory");
    let again = Controller::restore(bytes.as_slice()).expect("own bytes");
    assert_eq!(again.catalog(), stream.controller.catalog());
    assert_eq!(again.tail(), stream.controller.tail());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Controller::restore(flipped.as_slice()).is_err(),
            "bit {bit}"
        );
    }
    for length in 0..bytes.len() {
        assert!(
            Controller::restore(&bytes[..length]).is_err(),
            "cut at {length}"
        );
    }
}

/// Bytes with good checksums, so that it is the values that are looked at.
fn checked(magic: [u8; 4], payload: &[u8]) -> Vec<u8> {
    checked_in(3, magic, payload)
}

/// The same in a version of the format.
pub(crate) fn checked_in(version: u16, magic: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut writer = SnapshotWriter::new(Vec::new(), magic, version).expect("memory");
    writer.raw(payload).expect("memory");
    writer.finish().expect("memory")
}

/// What a snapshot's blocks hold.
fn payload(stored: &[u8]) -> Vec<u8> {
    let (mut payload, mut rest) = (Vec::new(), &stored[6..]);
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        payload.extend_from_slice(&behind[..length]);
        rest = &behind[length + 4..];
    }
    payload
}

/// Whatever was restored can be shown, closes its rounds and is written again.
fn works(restored: Result<Arbiter, RestoreError>) {
    if let Ok(mut arbiter) = restored {
        let time = arbiter.tail().time.plus_millis(4_000);
        arbiter.begin(time);
        drop(arbiter.finish());
        let (base, answers) = state(&mut arbiter);
        assert!(restore(&base, &[&answers]).is_ok());
    }
}

#[test]
fn values_that_no_arbiter_has_are_an_error_and_never_a_panic() {
    let mut desk = corrected_desk();
    let (base, answers) = state(&mut desk.arbiter);
    let (base_values, answers_values) = (payload(&base), payload(&answers));
    assert_eq!(checked(*b"HCAR", &base_values), base);
    assert_eq!(checked(*b"HCAN", &answers_values), answers);
    // Each byte made another value behind a good checksum: an error, or an arbiter that works.
    for index in 0..base_values.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff, base_values[index] ^ 1] {
            let mut values = base_values.clone();
            values[index] = value;
            works(restore(&checked(*b"HCAR", &values), &[&answers]));
        }
    }
    for index in 0..answers_values.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff, answers_values[index] ^ 1] {
            let mut values = answers_values.clone();
            values[index] = value;
            works(restore(&base, &[&checked(*b"HCAN", &values)]));
        }
    }
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(garbage: Vec<u8>, answers: Vec<u8>) {
        prop_assert!(restore(&garbage, &[]).is_err());
        prop_assert!(Controller::restore(garbage.as_slice()).is_err());
        prop_assert!(restore(&checked(*b"HCAR", &garbage), &[&checked(*b"HCAN", &answers)]).is_err());
        prop_assert!(Controller::restore(checked(*b"HCCO", &garbage).as_slice()).is_err() || garbage.len() > 30);
        let mut desk = desk();
        let (base, _) = state(&mut desk.arbiter);
        prop_assert!(restore(&base, &[&checked(*b"HCAN", &answers)]).is_err());
        prop_assert!(restore(&base, &[&checked_in(1, *b"HCAN", &answers)]).is_err());
        prop_assert!(restore(&checked_in(1, *b"HCAR", &garbage), &[]).is_err());
    }
}
