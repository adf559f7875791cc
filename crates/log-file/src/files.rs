//! Names in the log's directory, small files that are replaced whole, and the format file.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use huntcore_log::stream_name;
use huntcore_model::{Sequence, ShardId};

use crate::error::{Failure, OpenError};
use crate::{Access, Disk, DiskFile};

pub(crate) const LOCK: &str = "lock";
const FORMAT: &str = "format";
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

/// Makes a directory and those above it that are not there, durably.
pub(crate) fn make_directory(disk: &dyn Disk, path: &Path) -> std::io::Result<()> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|path| {
            let listed = (!path.as_os_str().is_empty()).then(|| disk.list(path));
            listed.is_some_and(|listed| {
                listed.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
            })
        })
        .collect();
    disk.create_directory(path)?;
    missing
        .into_iter()
        .filter_map(Path::parent)
        .try_for_each(|parent| disk.sync_directory(parent))
}

/// The name under which a small file is written before it takes its place.
pub(crate) fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Puts `bytes` in place of a small file, durably: it holds either the old or the new.
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft_path(path);
    let file = disk
        .open(&draft, Access::Create)
        .map_err(|error| Failure::of("create", &draft, &error))?;
    write_all_at(&*file, &[IoSlice::new(bytes)], 0)
        .map_err(|failed| Failure::of("write", &draft, &failed.error))?;
    file.sync_all()
        .map_err(|error| Failure::doubt("sync", &draft, &error))?;
    disk.rename(&draft, path)
        .map_err(|error| Failure::of("rename", &draft, &error))?;
    let directory = path.parent().expect("a file stands in a directory");
    disk.sync_directory(directory)
        .map_err(|error| Failure::doubt("sync", directory, &error))
}

/// Reads a small file whole; `None` if it does not exist.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("open", path)(error)),
    };
    let length = file.length().map_err(OpenError::io("read", path))?;
    if length > SMALL_FILE_BYTES_MAX {
        return Err(OpenError::corrupt(
            path,
            SMALL_FILE_BYTES_MAX,
            "file is too long",
        ));
    }
    let mut bytes = vec![0; usize::try_from(length).expect("a few bytes")];
    let read = read_full_at(&*file, &mut bytes, 0).map_err(OpenError::io("read", path))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// A write that did not come to its end.
pub(crate) struct ShortWrite {
    /// How much was written before.
    pub(crate) written: u64,
    pub(crate) error: std::io::Error,
}

/// Writes everything, however often it takes.
pub(crate) fn write_all_at(
    file: &dyn DiskFile,
    parts: &[IoSlice<'_>],
    offset: u64,
) -> Result<u64, ShortWrite> {
    /// What the system takes at once.
    const PARTS_MAX: usize = 512;
    let mut written = 0;
    for group in parts.chunks(PARTS_MAX) {
        let mut group = group.to_vec();
        let mut rest = group.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_at(rest, offset + written) {
                Ok(0) => {
                    return Err(ShortWrite {
                        written,
                        error: std::io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(count) => {
                    written += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ShortWrite { written, error }),
            }
        }
    }
    Ok(written)
}

/// Fills `buffer`, or as much of it as there is up to the file's end.
pub(crate) fn read_full_at(
    file: &dyn DiskFile,
    buffer: &mut [u8],
    offset: u64,
) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Refuses a directory that has files, but none of a log.
pub(crate) fn check_is_log(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    let names = disk
        .list(directory)
        .map_err(OpenError::io("list", directory))?;
    // Before the format file is there, the log leaves nothing else.
    let draft = format!("{FORMAT}.tmp");
    let is_log = names.iter().any(|name| name == FORMAT);
    match names
        .into_iter()
        .find(|name| name != LOCK && *name != draft)
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
        let Some(bytes) = read_file(disk, &path)? else {
            return check_is_log(disk, directory).map(|()| None);
        };
        match parse_format(disk, directory, &path, &bytes) {
            // Another process, beside which we only look, has made a stream meanwhile.
            Err(_) if read_file(disk, &path)?.as_ref() != Some(&bytes) => {}
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
    replace_file(disk, &directory.join(FORMAT), text.as_bytes())
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
