//! The names of files and directories, and what their forms say.

use std::path::{Path, PathBuf};

pub(crate) const MANIFEST: &str = "manifest";
pub(crate) const SHARED: &str = "shared";
const PART_SUFFIX: &str = ".part";
const DRAFT_SUFFIX: &str = ".tmp";
const ID_DIGITS: usize = 20;
const NAME_BYTES_MAX: usize = 64;
/// No more are ever taken; a greater number is somebody else's, and leaves none after it.
const ID_MAX: u64 = u64::MAX / 2;

pub(crate) fn checkpoint_directory(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:020}"))
}

/// The name of a checkpoint that is not yet one, or no longer.
pub(crate) fn draft_directory(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id:020}{DRAFT_SUFFIX}"))
}

pub(crate) fn part_path(checkpoint: &Path, name: &str) -> PathBuf {
    checkpoint.join(format!("{name}{PART_SUFFIX}"))
}

/// A shared part is named by the checkpoint that it was written with, too.
pub(crate) fn shared_name(name: &str, id: u64) -> String {
    format!("{name}.{id:020}{PART_SUFFIX}")
}

/// What a name in the directory of checkpoints says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Checkpoint(u64),
    Draft(u64),
    Shared,
    Foreign,
}

pub(crate) fn parse(name: &str) -> Entry {
    if name == SHARED {
        return Entry::Shared;
    }
    match name.strip_suffix(DRAFT_SUFFIX) {
        Some(id) => parse_id(id).map_or(Entry::Foreign, Entry::Draft),
        None => parse_id(name).map_or(Entry::Foreign, Entry::Checkpoint),
    }
}

/// The checkpoint that a shared part was written with; `None` if this is no shared part.
pub(crate) fn parse_shared(file: &str) -> Option<u64> {
    let (name, id) = file.strip_suffix(PART_SUFFIX)?.rsplit_once('.')?;
    is_part_name(name).then(|| parse_id(id)).flatten()
}

fn parse_id(digits: &str) -> Option<u64> {
    let plain = digits.len() == ID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let id = plain.then(|| digits.parse().ok()).flatten();
    id.filter(|id| *id <= ID_MAX)
}

/// Whether a part may be called so: it has to be a file's name, and nothing but.
pub(crate) fn is_part_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let name = |path: PathBuf| {
            let name = path.file_name().expect("a name");
            name.to_string_lossy().into_owned()
        };
        for id in [0, 7, ID_MAX] {
            let directory = Path::new("/d");
            assert_eq!(
                parse(&name(checkpoint_directory(directory, id))),
                Entry::Checkpoint(id)
            );
            assert_eq!(
                parse(&name(draft_directory(directory, id))),
                Entry::Draft(id)
            );
            assert_eq!(parse_shared(&shared_name("answers-0", id)), Some(id));
        }
        for foreign in [
            "",
            "7",
            "manifest",
            "00000000000000000007.old",
            "x.tmp",
            "18446744073709551615",
        ] {
            assert_eq!(parse(foreign), Entry::Foreign, "{foreign}");
            assert_eq!(parse_shared(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_part_is_not_named_so_that_it_lies_elsewhere() {
        for name in ["", "..", "a/b", "a.b", "A", "a b", &"a".repeat(65)] {
            assert!(!is_part_name(name), "{name}");
        }
        assert!(is_part_name("shard-00000-answers"));
    }
}
