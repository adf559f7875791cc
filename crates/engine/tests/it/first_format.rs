//! Snapshots in the first format, which earlier versions wrote: each id, and each claim's
//! numbers, one after another.

use std::io::{Read, Write};

use huntcore_engine::{Arbiter, AttemptRef};
use huntcore_model::{
    Catalog, ControlRecord, OutcomeKind, RoundNumber, SnapshotReader, SnapshotWriter, TileIndex,
};

use crate::checkpoints::state;
use crate::desk::{HUNT, at};
use crate::snapshots::{desk, restore};

const ARBITER: [u8; 4] = *b"HCAR";
const ANSWERS: [u8; 4] = *b"HCAN";

/// Takes values out of a snapshot of this version and puts them into one of the first.
struct Rewrite<R, W> {
    input: SnapshotReader<R>,
    out: SnapshotWriter<W>,
}

impl<'s> Rewrite<&'s [u8], Vec<u8>> {
    fn new(stored: &'s [u8], magic: [u8; 4]) -> Self {
        Self {
            input: SnapshotReader::new(stored, magic, 3).expect("this version's"),
            out: SnapshotWriter::new(Vec::new(), magic, 1).expect("memory"),
        }
    }

    fn finish(self) -> Vec<u8> {
        self.input.finish().expect("all was read");
        self.out.finish().expect("memory")
    }
}

impl<R: Read, W: Write> Rewrite<R, W> {
    fn number(&mut self) -> u64 {
        let number = self.input.number("any").expect("one more");
        self.out.number(number).expect("memory");
        number
    }

    fn numbers(&mut self, count: usize) {
        for _ in 0..count {
            self.number();
        }
    }

    fn raw<const N: usize>(&mut self) {
        let bytes: [u8; N] = self.input.array().expect("so many more");
        self.out.raw(&bytes).expect("memory");
    }

    fn players(&mut self) {
        let mut lengths = vec![0; usize::try_from(self.number()).expect("few")];
        self.input.raw(&mut lengths).expect("a length each");
        for length in lengths {
            let mut id = vec![0; usize::from(length)];
            self.input.raw(&mut id).expect("its bytes");
            self.out.bytes(&id).expect("memory");
        }
    }

    fn claims(&mut self) {
        let count = self.number();
        let first = self.input.number("first").expect("one more");
        let mut before = 0;
        for _ in 0..count {
            let place = u64::from_le_bytes(self.input.array().expect("a row"));
            let sequence = first + (place >> 20);
            self.out.number(sequence - before).expect("memory");
            self.out.number(place & ((1 << 20) - 1)).expect("memory");
            for _ in ["player", "points"] {
                let field = u32::from_le_bytes(self.input.array().expect("a row"));
                self.out.number(u64::from(field)).expect("memory");
            }
            before = sequence;
        }
    }

    fn events(&mut self) {
        self.numbers(2);
        for _ in 0..self.number() {
            self.number();
            self.raw::<32>();
        }
    }
}

fn base_of_version_1(stored: &[u8], catalog: &Catalog) -> Vec<u8> {
    let mut rewrite = Rewrite::new(stored, ARBITER);
    rewrite.numbers(2);
    rewrite.raw::<32>();
    rewrite.number();
    Catalog::read(&mut rewrite.input).expect("a catalog");
    catalog.write(&mut rewrite.out).expect("memory");
    assert_eq!(rewrite.number(), 0, "runs of expired rounds");
    rewrite.players();
    for _ in 0..rewrite.number() {
        rewrite.numbers(6);
        rewrite.claims();
    }
    rewrite.number();
    for _ in ["rounds", "events"] {
        if rewrite.number() == 1 {
            rewrite.number();
        }
        rewrite.number();
    }
    if rewrite.number() == 1 {
        rewrite.events();
    }
    rewrite
        .input
        .number("where the newest begins")
        .expect("one more");
    let elsewhere = rewrite.input.number("elsewhere").expect("one more");
    assert_eq!(elsewhere, 0, "the first format knew of nothing elsewhere");
    for what in [
        "voided claims",
        "disqualified players",
        "boards with results",
    ] {
        let count = rewrite.input.number(what).expect("one more");
        assert_eq!(count, 0, "{what}: the first format knew none");
    }
    rewrite.finish()
}

fn answers_of_version_1(stored: &[u8]) -> Vec<u8> {
    let mut rewrite = Rewrite::new(stored, ANSWERS);
    rewrite.number();
    for _ in 0..rewrite.number() {
        rewrite.numbers(5);
        rewrite.claims();
    }
    for _ in 0..rewrite.number() {
        rewrite.number();
        rewrite.events();
        for what in ["first", "end", "newest"] {
            rewrite.input.number(what).expect("one more");
        }
        let _chain: [u8; 32] = rewrite.input.array().expect("a chain");
    }
    rewrite.finish()
}

#[test]
fn a_snapshot_of_the_first_format_makes_the_same_arbiter() {
    let mut desk = desk();
    let (base, answers) = state(&mut desk.arbiter);
    let old_base = base_of_version_1(&base, desk.arbiter.catalog());
    let old = (old_base, answers_of_version_1(&answers));
    assert_eq!([old.0[4], old.1[4]], [1, 1]);
    for (old_base, old_answers) in [(&old.0, &old.1), (&old.0, &answers), (&base, &old.1)] {
        let mut again = restore(old_base, &[old_answers]).expect("either format");
        let catalog = again.catalog().clone();
        let (again_base, again_answers) = state(&mut again);
        // The first format does not say where buckets of events begin and end.
        assert_eq!(base_of_version_1(&again_base, &catalog), old.0);
        assert_eq!(answers_of_version_1(&again_answers), old.1);
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_first_format_is_found() {
    let mut desk = desk();
    let (base, answers) = state(&mut desk.arbiter);
    let old_base = base_of_version_1(&base, desk.arbiter.catalog());
    let old = (old_base, answers_of_version_1(&answers));
    for (stored, is_base) in [(&old.0, true), (&old.1, false)] {
        let refused = |bytes: &[u8]| {
            let pair: (&[u8], &[u8]) = if is_base {
                (bytes, &old.1)
            } else {
                (&old.0, bytes)
            };
            restore(pair.0, &[pair.1]).is_err()
        };
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&flipped), "bit {bit}, base: {is_base}");
        }
        assert!((0..stored.len()).all(|length| refused(&stored[..length])));
    }
}

#[test]
fn rounds_left_open_when_their_hunt_closed_become_answers() {
    let mut desk = desk();
    let (open, answers) = state(&mut desk.arbiter);
    let (hunt, closed_at) = (HUNT, at(5_100));
    desk.copy(5_100, &ControlRecord::HuntClosed { hunt, closed_at });
    // Earlier versions kept the rounds of a closed hunt open until their windows passed.
    let old = base_of_version_1(&open, desk.arbiter.catalog());
    let mut again = restore(&old, &[&answers]).expect("open rounds of a closed hunt");
    let before = state(&mut again);
    again.begin(again.tail().time.plus_millis(500));
    again.finish().expect("time has passed");
    let after = state(&mut again);
    assert!(after.0.len() < before.0.len() && after.1.len() > before.1.len());
    let mut again = restore(&after.0, &[&after.1]).expect("as in this version");
    let answer = |arbiter: &mut Arbiter, tile, player| {
        let (hunt, round, tile) = (HUNT, RoundNumber::new(6), TileIndex::new(tile));
        let attempt = AttemptRef {
            hunt,
            round,
            tile,
            player,
        };
        arbiter.begin(arbiter.tail().time);
        let decided = arbiter.attempt(&attempt);
        arbiter.finish();
        decided.answer.kind()
    };
    assert_eq!(answer(&mut again, 3, "ada"), OutcomeKind::Won);
    assert_eq!(answer(&mut again, 3, "bo"), OutcomeKind::Taken);
    assert_eq!(answer(&mut again, 1, "bo"), OutcomeKind::Expired);
}
