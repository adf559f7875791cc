//! Damage is found, and named by file and offset; what was in a damaged run is a gap.

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_event_keys::{Asked, set_aside};

use crate::support::{fact, file, is_found, open, span, spans, write};

#[test]
fn every_flipped_bit_is_found_on_opening_or_reading() {
    let disk = SimulatedDisk::default();
    write(&mut open(&disk), 0, 150, 0);
    let path = file(0, 150);
    let bytes = disk.content(&path);
    // One header, two pages, a filter of 38 words, two keys.
    assert_eq!(bytes.len(), 3 * 4_096 + 38 * 8 + 2 * 8);
    for offset in (0..bytes.len()).step_by(7) {
        let disk = disk.copy();
        disk.change(&path, |bytes| bytes[offset] ^= 1 << (offset % 8));
        let keys = open(&disk);
        if let Some(passed) = keys.passed_over().first() {
            assert!(
                passed.reason.contains("150.run at offset"),
                "{}",
                passed.reason
            );
            assert!(spans(&keys).is_empty());
            continue;
        }
        let runs = keys.runs();
        let damage = runs.all()[0].verify().expect_err("a byte differs");
        let page = offset / 4_096 * 4_096;
        assert!(
            damage.to_string().contains(&format!("offset {page}")),
            "{damage}"
        );
        assert!(
            (4_096..3 * 4_096).contains(&offset),
            "{offset}: found only by reading"
        );
    }
}

#[test]
fn a_cut_or_grown_or_renamed_run_is_found_on_opening() {
    let disk = SimulatedDisk::default();
    write(&mut open(&disk), 0, 150, 0);
    let path = file(0, 150);
    let length = disk.content(&path).len();
    for changed in [0, 1, 4_095, 4_096, 8_192, length - 1, length + 1] {
        let disk = disk.copy();
        disk.change(&path, |bytes| bytes.resize(changed, 0));
        let keys = open(&disk);
        assert_eq!(
            (keys.passed_over().len(), spans(&keys).len()),
            (1, 0),
            "{changed}"
        );
    }
    disk.move_file(&path, &file(0, 151));
    let keys = open(&disk);
    assert!(
        keys.passed_over()[0].reason.contains("stretch"),
        "{:?}",
        keys.passed_over()
    );
}

#[test]
fn a_run_set_aside_is_a_gap_until_it_is_written_anew() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    write(&mut keys, 0, 150, 0);
    write(&mut keys, 150, 300, 0);
    disk.change(&file(0, 150), |bytes| bytes[4_096] ^= 1);
    let runs = keys.runs();
    let asked: Vec<Asked> = (0..150)
        .map(|number| Asked {
            key: fact(number).key,
            id_time: None,
        })
        .collect();
    let damage = runs
        .look_up(&asked, &mut Vec::new())
        .expect_err("a bad page");
    assert_eq!(damage.file(), file(0, 150));
    set_aside(&disk, &damage);
    let mut keys = open(&disk);
    assert!(keys.passed_over()[0].reason.contains("found damaged"));
    assert_eq!(
        keys.gaps([span(0, 100, 0), span(100, 300, 0)]),
        [span(0, 100, 0), span(100, 150, 0)]
    );
    write(&mut keys, 0, 150, 0);
    keys.remove_passed_over();
    assert!(keys.gaps([span(0, 300, 0)]).is_empty());
    assert_eq!(disk.files(), [file(0, 150), file(150, 300)]);
    assert!((0..300).all(|number| is_found(&keys, number)));
}

#[test]
fn runs_that_do_not_fit_the_log_are_passed_over() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    write(&mut keys, 0, 150, 0);
    write(&mut keys, 150, 300, 0);
    keys.pass_over(|run| (run.span().end.get() > 200).then(|| "beyond the log".to_owned()));
    assert_eq!(spans(&keys), [(0, 150)]);
    keys.remove_passed_over();
    assert_eq!(disk.files(), [file(0, 150)]);
}
