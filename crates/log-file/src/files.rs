//! Names in the log's directory, small files that are replaced whole, and the format file.

use std::path::{Path, PathBuf};

use huntcore_disk::{Disk, draft_path, read_file, replace_file};
use huntcore_log::stream_name;
use huntcore_model::{Sequence, ShardId};

use crate::error::{Failure, OpenError};

pub(crate) const LOCK: &str = "lock";
/// Held shared by backups, exclusively while files are removed.
pub(crate) const BACKUP_LOCK: &str = "backup.lock";
pub(crate) const FORMAT: &str = "format";
const FORMAT_LINE: &str = "huntcore log, format 1";
const SMALL_FILE_BYTES_MAX: u64 = 4 << 20;

/// The file that a stream's `first` sequence begins.
pub(crate) fn segment_path(directory: &Path, first: Sequence) -> PathBuf {
    directory.join(format!("{:020}.log", first.get()))
}

/// The sequence that a segment is named by, or `None` if this is no segment's name.
pub(crate) fn parse_segment_name(name: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(".log")?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| digits.parse().ok().map(Sequence::new))
        .flatten()
}

pub(crate) fn stream_directory(directory: &Path, shard: ShardId) -> PathBuf {
    directory.join(&*stream_name(shard))
}

fn parse_stream_name(name: &str) -> Option<ShardId> {
    if name == stream_name(ShardId::CONTROL) {
        return Some(ShardId::CONTROL);
    }
    let shard = ShardId::new(name.strip_prefix("shard-")?.parse().ok()?);
    (stream_name(shard) == name).then_some(shard)
}

/// Reads a small file whole; `None` if it does not exist.
pub(crate) fn load(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    Ok(read_file(disk, path, SMALL_FILE_BYTES_MAX)?)
}

/// Refuses a directory that has files, but none of a log.
pub(crate) fn check_is_log(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    let names = disk
        .list(directory)
        .map_err(OpenError::io("list", directory))?;
    // Before the format file is there, the log leaves nothing else.
    let draft = draft_path(Path::new(FORMAT));
    let is_log = names.iter().any(|name| name == FORMAT);
    match names
        .into_iter()
        .find(|name| name != LOCK && Path::new(name) != draft)
    {
        Some(found) if !is_log => Err(OpenError::NotALog {
            directory: directory.to_owned(),
            found,
        }),
        _ => Ok(()),
    }
}

/// The streams that the format file lists; `None` if the directory is empty.
pub(crate) fn read_format(
    disk: &dyn Disk,
    directory: &Path,
) -> Result<Option<Vec<ShardId>>, OpenError> {
    let path = directory.join(FORMAT);
    loop {
        let Some(bytes) = load(disk, &path)? else {
            return check_is_log(disk, directory).map(|()| None);
        };
        match parse_format(disk, directory, &path, &bytes) {
            // Another process, beside which we only look, has made a stream meanwhile.
            Err(_) if load(disk, &path)?.as_ref() != Some(&bytes) => {}
            result => return result.map(Some),
        }
    }
}

fn parse_format(
    disk: &dyn Disk,
    directory: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<ShardId>, OpenError> {
    let names = disk
        .list(directory)
        .map_err(OpenError::io("list", directory))?;
    let text = String::from_utf8_lossy(bytes);
    let lines = text.strip_suffix('\n').map(|text| text.split('\n'));
    let mut lines = lines.into_iter().flatten();
    let version = lines.next().unwrap_or_default();
    if version != FORMAT_LINE {
        return Err(OpenError::Format {
            file: path.to_owned(),
            found: text.lines().next().unwrap_or_default().to_owned(),
            expected: FORMAT_LINE,
        });
    }
    let mut shards = Vec::new();
    let mut offset = FORMAT_LINE.len() as u64 + 1;
    for line in lines {
        let shard = parse_stream_name(line).ok_or_else(|| {
            OpenError::corrupt(path, offset, format!("{line:?} is no stream's name"))
        })?;
        if !names.iter().any(|name| name == line) {
            let missing = format!("directory {line} is missing");
            return Err(OpenError::corrupt(path, offset, missing));
        }
        offset += line.len() as u64 + 1;
        shards.push(shard);
    }
    check_unlisted(disk, directory, &names, &shards)?;
    Ok(shards)
}

/// Puts the list of streams in place.
pub(crate) fn write_format(
    disk: &dyn Disk,
    directory: &Path,
    shards: impl IntoIterator<Item = ShardId>,
) -> Result<(), Failure> {
    let mut text = format!("{FORMAT_LINE}\n");
    for shard in shards {
        text.push_str(&stream_name(shard));
        text.push('\n');
    }
    Ok(replace_file(
        disk,
        &directory.join(FORMAT),
        text.as_bytes(),
    )?)
}

/// A stream's directory is made before it is listed, and holds no segment before that.
fn check_unlisted(
    disk: &dyn Disk,
    directory: &Path,
    names: &[String],
    shards: &[ShardId],
) -> Result<(), OpenError> {
    let unlisted = names.iter().filter_map(|name| parse_stream_name(name));
    for shard in unlisted.filter(|shard| !shards.contains(shard)) {
        let path = stream_directory(directory, shard);
        let inside = disk.list(&path).map_err(OpenError::io("list", &path))?;
        if let Some(name) = inside.iter().find(|name| name.ends_with(".log")) {
            return Err(OpenError::Foreign {
                file: path.join(name),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for shard in [ShardId::new(0), ShardId::new(65_534), ShardId::CONTROL] {
            assert_eq!(parse_stream_name(&stream_name(shard)), Some(shard));
        }
        for name in ["shard-0", "shard-65535", "shard-000001", "shard-+0001", "x"] {
            assert_eq!(parse_stream_name(name), None, "{name}");
        }
        let path = segment_path(Path::new("d"), Sequence::new(u64::MAX));
        let name = path.file_name().expect("a name").to_string_lossy();
        assert_eq!(parse_segment_name(&name), Some(Sequence::new(u64::MAX)));
        for name in ["1.log", "00000000000000000001", "+0000000000000000001.log"] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }
}
