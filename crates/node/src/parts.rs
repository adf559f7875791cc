//! The parts of a node's checkpoint: their names, and how each is read back.
//!
//! For each shard its arbiter, with what is open, and beside it, written once and shared from
//! one checkpoint to the next, the answers of what has closed; the controller; and of the
//! projections catalog, boards and broadcast.

use huntcore_checkpoint::{Checkpoint, PartEntry, PartReader};
use huntcore_engine::ClosedOrdinal;
use huntcore_model::ShardId;

pub(crate) const CONTROL: &str = "control";
pub(crate) const CATALOG: &str = "catalog";
pub(crate) const BOARDS: &str = "boards";
pub(crate) const BROADCAST: &str = "broadcast";

const ANSWERS: &str = "-answers-";

/// The part that holds a shard's arbiter.
pub(crate) fn of_shard(shard: ShardId) -> String {
    huntcore_log::stream_name(shard).into_owned()
}

/// What closed on a shard from `first` on, up to `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnswersPart {
    pub(crate) first: ClosedOrdinal,
    pub(crate) end: ClosedOrdinal,
    pub(crate) entry: PartEntry,
}

/// The name of the part that holds what closed on a shard from `first` on, up to `end`.
pub(crate) fn answers_name(shard: ShardId, first: ClosedOrdinal, end: ClosedOrdinal) -> String {
    format!("{}{ANSWERS}{}-{}", of_shard(shard), first.get(), end.get())
}

/// All that a checkpoint has of what closed on a shard, in the order in which it closed.
pub(crate) fn answers(checkpoint: &Checkpoint, shard: ShardId) -> Vec<AnswersPart> {
    let prefix = format!("{}{ANSWERS}", of_shard(shard));
    let parse = |entry: &PartEntry| {
        let (first, end) = entry.name.strip_prefix(&prefix)?.split_once('-')?;
        Some(AnswersPart {
            first: ClosedOrdinal::new(first.parse().ok()?),
            end: ClosedOrdinal::new(end.parse().ok()?),
            entry: entry.clone(),
        })
    };
    checkpoint.parts().iter().filter_map(parse).collect()
}

/// Reads a part and makes something of it; checks all of it. An error says which file, and
/// where in it.
pub(crate) fn read<T, E: std::error::Error>(
    checkpoint: &Checkpoint,
    name: &str,
    read: impl FnOnce(&mut PartReader) -> Result<T, E>,
) -> Result<T, String> {
    let entry = checkpoint
        .part(name)
        .ok_or_else(|| format!("it has no part {name}"))?;
    read_entry(checkpoint, entry, read)
}

/// The same for a part that was looked up before.
pub(crate) fn read_entry<T, E: std::error::Error>(
    checkpoint: &Checkpoint,
    entry: &PartEntry,
    read: impl FnOnce(&mut PartReader) -> Result<T, E>,
) -> Result<T, String> {
    let with_causes = |error: &dyn std::error::Error| crate::text::with_causes(error);
    let mut reader = checkpoint
        .read(entry)
        .map_err(|error| with_causes(&error))?;
    let made = read(&mut reader).map_err(|error| {
        let file = checkpoint.path(entry);
        format!("{}: {}", file.display(), with_causes(&error))
    })?;
    reader.finish().map_err(|error| with_causes(&error))?;
    Ok(made)
}
