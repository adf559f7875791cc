//! Bytes that are not those that were written: found and named, never misread.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use huntcore_checkpoint::{Damage, Part, Stand, list};
use huntcore_disk::simulated::SimulatedDisk;
use huntcore_model::TimeMicros;

use crate::support::{check, directory, open, write};

fn two_checkpoints() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    for _ in 0..2 {
        write(&mut checkpoints).expect("the disk works");
    }
    disk
}

/// What reading everything says, newest checkpoint first.
fn read_all(disk: &SimulatedDisk) -> Vec<(u64, Result<(), Damage>)> {
    let disk: Arc<dyn huntcore_disk::Disk> = Arc::new(disk.clone());
    let listing = list(&disk, directory()).expect("the disk works");
    let passed = listing.passed_over.into_iter();
    let passed = passed.map(|passed| (passed.id, Err(passed.damage)));
    let good = listing.good.iter().map(|good| (good.id(), check(good)));
    let mut all: Vec<_> = passed.chain(good).collect();
    all.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    all
}

fn file_of(damage: &Damage) -> String {
    match damage {
        Damage::Unreadable { file, .. }
        | Damage::Manifest { file, .. }
        | Damage::Differs { file, .. } => file.display().to_string(),
        Damage::Load(error) => error.to_string(),
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_its_file_named_and_the_other_checkpoint_is_good() {
    let disk = two_checkpoints();
    for file in disk.files() {
        let length = disk.content(&file).len();
        for byte in 0..length {
            let damaged = disk.copy();
            damaged.change(&file, |bytes| bytes[byte] ^= 1 << (byte % 8));
            let all = read_all(&damaged);
            let bad: Vec<_> = all
                .iter()
                .filter_map(|(_, read)| read.as_ref().err())
                .collect();
            let context = format!("{} byte {byte}", file.display());
            let shared = file.ends_with("answers-1.00000000000000000001.part");
            assert_eq!(bad.len(), if shared { 2 } else { 1 }, "{context}");
            for damage in bad {
                assert_eq!(file_of(damage), file.display().to_string(), "{context}");
            }
        }
    }
}

/// A part of three chunks and a bit, and where its file is.
fn long_part() -> (SimulatedDisk, PathBuf) {
    let disk = SimulatedDisk::default();
    let mut checkpoints = open(&disk);
    let mut draft = checkpoints.begin(TimeMicros::ZERO).expect("begins");
    let part = Part {
        name: "long",
        is_shared: false,
        stand: Stand::default(),
    };
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    draft
        .part(part, |out| out.write_all(&bytes))
        .expect("the disk works");
    let checkpoint = draft.commit().expect("the disk works");
    let path = checkpoint.path(&checkpoint.parts()[0]);
    (disk, path)
}

#[test]
fn chunks_in_another_order_missing_or_twice_are_found() {
    const HEADER: usize = 14;
    const CHUNK: usize = 262_144 + 8;
    let (disk, path) = long_part();
    open(&disk).good()[0].verify().expect("sound so far");
    let sound = disk.content(&path);
    let chunk = |number: usize| &sound[HEADER + number * CHUNK..][..CHUNK];
    let (head, rest) = (&sound[..HEADER], &sound[HEADER + 3 * CHUNK..]);
    let orders: [&[usize]; 4] = [&[1, 0, 2], &[0, 0, 2], &[0, 2], &[0, 1, 2, 2]];
    for order in orders {
        let chunks: Vec<u8> = order
            .iter()
            .flat_map(|&number| chunk(number))
            .copied()
            .collect();
        let bytes = [head, &chunks, rest].concat();
        disk.change(&path, |content| *content = bytes);
        let good = open(&disk);
        let is_good = good.good().iter().any(|good| good.verify().is_ok());
        assert!(!is_good, "{order:?}");
    }
    for seam in [HEADER, HEADER + CHUNK, sound.len() - 8] {
        for byte in seam - 8..seam + 8 {
            disk.change(&path, |content| {
                content.clone_from(&sound);
                content[byte] ^= 0x10;
            });
            let good = open(&disk);
            let is_good = good.good().iter().any(|good| good.verify().is_ok());
            assert!(!is_good, "byte {byte}");
        }
    }
}

#[test]
fn a_file_that_is_cut_lengthened_missing_or_another_is_found() {
    let disk = two_checkpoints();
    let files = disk.files();
    for file in &files {
        let length = disk.content(file).len();
        let mut damaged = vec![disk.copy(), disk.copy(), disk.copy()];
        damaged[0].change(file, |bytes| bytes.truncate(length - 1));
        damaged[1].change(file, |bytes| bytes.push(0));
        damaged[2].remove_file(file);
        for other in files.iter().filter(|other| *other != file) {
            let swapped = disk.copy();
            let bytes = disk.content(other);
            swapped.change(file, |content| *content = bytes);
            damaged.push(swapped);
        }
        for (case, disk) in damaged.iter().enumerate() {
            let bad = read_all(disk).iter().any(|(_, read)| read.is_err());
            assert!(bad, "{} case {case}", file.display());
        }
    }
}

#[test]
fn a_checkpoint_of_a_newer_program_is_passed_over_with_both_versions_named() {
    let disk = two_checkpoints();
    let manifest = directory().join("00000000000000000002/manifest");
    disk.change(&manifest, |bytes| bytes[4] = 2);
    let all = read_all(&disk);
    let damage = all[0].1.as_ref().expect_err("not read");
    let Damage::Manifest { source, .. } = damage else {
        panic!("{damage}")
    };
    assert_eq!(
        source.to_string(),
        "snapshot has format version 2, this program reads 1"
    );
    all[1].1.as_ref().expect("the older one is good");
}

#[test]
fn damage_says_file_offset_expected_and_found() {
    let disk = two_checkpoints();
    let file = directory().join("00000000000000000002/view.part");
    disk.change(&file, |bytes| bytes[20] ^= 1);
    let all = read_all(&disk);
    let damage = all[0].1.as_ref().expect_err("damaged").to_string();
    let start = format!("{} at offset 14: checksum is ", file.display());
    assert!(damage.starts_with(&start), "{damage}");
    assert!(damage.contains(", expected "), "{damage}");
}
