//! What holds on every disk: each test runs on a real directory and on a simulated one.

use std::io::{BufReader, BufWriter, ErrorKind, IoSlice, Read, Write};
use std::path::Path;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_disk::{
    Access, Disk, LoadError, RealDisk, Sequential, draft_path, make_directory, read_file,
    read_full_at, remove_tree, replace_file, write_all_at,
};
use tempfile::TempDir;

fn on_every_disk(check: impl Fn(&dyn Disk, &Path)) {
    let temporary = TempDir::new().expect("a temporary directory");
    check(&RealDisk, temporary.path());
    let simulated = SimulatedDisk::default();
    let root = Path::new("/data");
    simulated.create_directory(root).expect("made");
    check(&simulated, root);
    let short = SimulatedDisk::default();
    short.write_short();
    short.create_directory(root).expect("made");
    check(&short, root);
}

fn names(disk: &dyn Disk, path: &Path) -> Vec<String> {
    let mut names = disk.list(path).expect("listed");
    names.sort();
    names
}

#[test]
fn bytes_are_read_as_they_were_written() {
    on_every_disk(|disk, root| {
        let path = root.join("file");
        let file = disk.open(&path, Access::Create).expect("made");
        file.allocate(10).expect("space");
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(write_all_at(&*file, &parts, 3).expect("written"), 5);
        file.sync_data().expect("synced");
        let file = disk.open(&path, Access::Read).expect("there");
        let mut bytes = [9; 20];
        let count = read_full_at(&*file, &mut bytes, 0).expect("read");
        assert_eq!(&bytes[..count], b"\0\0\0abcde\0\0");
        assert_eq!(file.read_at(&mut bytes, 10).expect("the end"), 0);
        let file = disk.open(&path, Access::Write).expect("there");
        file.set_length(4).expect("cut");
        assert_eq!(file.length().expect("a length"), 4);
        disk.open(&path, Access::Create).expect("emptied");
        assert_eq!(file.length().expect("a length"), 0);
    });
}

#[test]
fn a_file_is_read_and_written_from_front_to_back() {
    on_every_disk(|disk, root| {
        let path = root.join("file");
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = disk.open(&path, Access::Create).expect("made");
        let mut writer = BufWriter::new(Sequential::new(file));
        writer.write_all(&text).expect("written");
        let file = writer.into_inner().expect("flushed");
        assert_eq!(file.offset(), text.len() as u64);
        file.file().sync_all().expect("synced");
        let file = disk.open(&path, Access::Read).expect("there");
        let mut again = Vec::new();
        BufReader::new(Sequential::new(file))
            .read_to_end(&mut again)
            .expect("read");
        assert!(again == text);
    });
}

#[test]
fn names_are_made_changed_and_removed() {
    on_every_disk(|disk, root| {
        let above = root.join("a/b");
        make_directory(disk, &above).expect("made");
        make_directory(disk, &above).expect("there already");
        assert!(disk.is_directory(&above).expect("there"));
        replace_file(disk, &above.join("one"), b"1").expect("stored");
        replace_file(disk, &above.join("two"), b"2").expect("stored");
        assert!(!disk.is_directory(&above.join("one")).expect("there"));
        disk.rename(&above.join("one"), &above.join("two"))
            .expect("renamed");
        assert_eq!(names(disk, &above), ["two"]);
        let two = read_file(disk, &above.join("two"), 10).expect("readable");
        assert_eq!(two.as_deref(), Some(&b"1"[..]));
        disk.remove(&above.join("two")).expect("removed");
        assert_eq!(names(disk, &above), [""; 0]);
        disk.remove_directory(&above).expect("empty");
        for error in [
            disk.list(&above).map(|_| ()),
            disk.is_directory(&above).map(|_| ()),
            disk.open(&above.join("x"), Access::Create).map(|_| ()),
            disk.remove(&above),
            disk.remove_directory(&above),
            disk.rename(&above, &root.join("a/c")),
        ] {
            assert_eq!(error.expect_err("gone").kind(), ErrorKind::NotFound);
        }
    });
}

#[test]
fn a_directory_takes_a_name_at_one_stroke_with_all_that_is_in_it() {
    on_every_disk(|disk, root| {
        let (draft, last) = (root.join("draft"), root.join("last"));
        for directory in [&draft, &last] {
            make_directory(disk, directory).expect("made");
        }
        replace_file(disk, &draft.join("part"), b"all").expect("stored");
        disk.rename(&draft, &last).expect("the other is empty");
        assert_eq!(names(disk, root), ["last"]);
        let part = read_file(disk, &last.join("part"), 10).expect("readable");
        assert_eq!(part.as_deref(), Some(&b"all"[..]));
        make_directory(disk, &draft).expect("made");
        let refused = disk.rename(&draft, &last).expect_err("not empty");
        assert_eq!(refused.kind(), ErrorKind::DirectoryNotEmpty);
        let refused = disk.remove_directory(&last).expect_err("not empty");
        assert_eq!(refused.kind(), ErrorKind::DirectoryNotEmpty);
        remove_tree(disk, &last).expect("removed");
        remove_tree(disk, &last).expect("nothing to do");
        assert_eq!(names(disk, root), ["draft"]);
    });
}

#[test]
fn a_small_file_is_refused_when_it_is_longer_than_expected() {
    on_every_disk(|disk, root| {
        let path = root.join("small");
        assert_eq!(read_file(disk, &path, 5).expect("readable"), None);
        replace_file(disk, &path, b"12345").expect("stored");
        let found = read_file(disk, &path, 5).expect("readable");
        assert_eq!(found.as_deref(), Some(&b"12345"[..]));
        match read_file(disk, &path, 4) {
            Err(LoadError::TooLong {
                file,
                length: 5,
                length_max: 4,
            }) => assert_eq!(file, path),
            other => panic!("expected TooLong, got {other:?}"),
        }
        assert!(disk.open(&draft_path(&path), Access::Read).is_err());
        assert!(disk.free_bytes(root).expect("known") > 0);
    });
}
