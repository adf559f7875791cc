//! What a checkpoint consists of, and how that is written.
//!
//! The manifest is a snapshot in [`SnapshotWriter`]'s checked blocks, magic "HCMF": id, time,
//! then each part in order: its name, whether it is shared, the id of the checkpoint it was
//! written with, its file's length and checksum, and up to where in the log it stands.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::{Disk, StoreError, read_file, replace_file};
use huntcore_model::{
    Hash32, Sequence, ShardId, SnapshotError, SnapshotReader, SnapshotWriter, Tail, TimeMicros,
};

use crate::error::Damage;
use crate::names::{MANIFEST, SHARED, checkpoint_directory, is_part_name, part_path, shared_name};
use crate::part::{PartReader, Written};

const MAGIC: [u8; 4] = *b"HCMF";
const VERSION: u16 = 1;
const BYTES_MAX: u64 = 64 << 20;

/// Up to where in the log a part stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// The ends of the streams that it has folded. Whoever restores it reads on from there,
    /// and finds out by them whether it is of this log.
    pub tails: Vec<(ShardId, Tail)>,
    /// From where on whoever restores it reads streams that it does not fold.
    pub also_reads: Vec<(ShardId, Sequence)>,
}

/// One part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartEntry {
    /// Its name.
    pub name: String,
    /// Whether its file is shared with other checkpoints: it never changes.
    pub is_shared: bool,
    /// The checkpoint that it was written with.
    pub origin: u64,
    /// Its file's length.
    pub bytes: u64,
    /// Up to where in the log it stands.
    pub stand: Stand,
    pub(crate) checksum: u32,
}

/// A checkpoint whose manifest is sound and whose files are there, in their full length.
#[derive(Clone)]
pub struct Checkpoint {
    pub(crate) disk: Arc<dyn Disk>,
    /// Where all checkpoints are.
    pub(crate) directory: PathBuf,
    pub(crate) id: u64,
    pub(crate) time: TimeMicros,
    pub(crate) parts: Vec<PartEntry>,
}

impl Checkpoint {
    /// Its number; a later one has a greater.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// When it was taken.
    #[must_use]
    pub const fn time(&self) -> TimeMicros {
        self.time
    }

    /// Its parts, in the order in which they were written.
    #[must_use]
    pub fn parts(&self) -> &[PartEntry] {
        &self.parts
    }

    /// The part of that name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&PartEntry> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The length of all its files, those included that others share.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The file that a part lies in.
    #[must_use]
    pub fn path(&self, part: &PartEntry) -> PathBuf {
        if part.is_shared {
            let shared = self.directory.join(SHARED);
            shared.join(shared_name(&part.name, part.origin))
        } else {
            part_path(&self.own_directory(), &part.name)
        }
    }

    /// The directory of its manifest and its own parts.
    #[must_use]
    pub fn own_directory(&self) -> PathBuf {
        checkpoint_directory(&self.directory, self.id)
    }

    /// Opens one of its parts.
    pub fn read(&self, part: &PartEntry) -> Result<PartReader, Damage> {
        let written = Written {
            bytes: part.bytes,
            checksum: part.checksum,
        };
        PartReader::open(&*self.disk, self.path(part), part.origin, written)
    }

    /// Reads all parts and checks every byte.
    pub fn verify(&self) -> Result<(), Damage> {
        self.parts
            .iter()
            .try_for_each(|part| self.read(part)?.finish())
    }

    /// From where on a restart from this checkpoint reads a stream; from its beginning, if no
    /// part says anything of it.
    #[must_use]
    pub fn reads_from(&self, shard: ShardId) -> Sequence {
        let stands = self.parts.iter().map(|part| &part.stand);
        let reads = stands.flat_map(|stand| {
            let tails = stand.tails.iter();
            let ends = tails.map(|&(stream, tail)| (stream, tail.sequence));
            ends.chain(stand.also_reads.iter().copied())
        });
        let of_stream = reads.filter_map(|(stream, from)| (stream == shard).then_some(from));
        of_stream.min().unwrap_or_default()
    }

    /// Writes its manifest into `directory`, durably.
    pub(crate) fn write_manifest(&self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(MANIFEST);
        let bytes = self.encode().map_err(StoreError::doubt("write", &path))?;
        replace_file(&*self.disk, &path, &bytes)
    }

    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut out = SnapshotWriter::new(Vec::new(), MAGIC, VERSION)?;
        out.number(self.id)?;
        out.number(self.time.get())?;
        out.number(self.parts.len() as u64)?;
        for part in &self.parts {
            out.bytes(part.name.as_bytes())?;
            out.number(u64::from(part.is_shared))?;
            out.number(part.origin)?;
            out.number(part.bytes)?;
            out.number(u64::from(part.checksum))?;
            out.number(part.stand.tails.len() as u64)?;
            for (shard, tail) in &part.stand.tails {
                out.number(u64::from(shard.get()))?;
                out.number(tail.sequence.get())?;
                out.number(tail.time.get())?;
                out.raw(tail.chain.bytes())?;
            }
            out.number(part.stand.also_reads.len() as u64)?;
            for (shard, from) in &part.stand.also_reads {
                out.number(u64::from(shard.get()))?;
                out.number(from.get())?;
            }
        }
        out.finish()
    }

    /// Reads the manifest of checkpoint `id`, and looks whether its files are there.
    pub(crate) fn load(disk: &Arc<dyn Disk>, directory: &Path, id: u64) -> Result<Self, Damage> {
        let file = checkpoint_directory(directory, id).join(MANIFEST);
        let bytes = read_file(&**disk, &file, BYTES_MAX)?.ok_or_else(|| {
            let missing = std::io::ErrorKind::NotFound.into();
            Damage::unreadable(&file, 0)(missing)
        })?;
        let decoded = decode(&bytes).map_err(|source| Damage::Manifest {
            file: file.clone(),
            source,
        })?;
        if decoded.id != id {
            return Err(Damage::Differs {
                file,
                offset: 0,
                field: "id of the checkpoint",
                found: decoded.id.to_string(),
                expected: id.to_string(),
            });
        }
        let checkpoint = Self {
            disk: disk.clone(),
            directory: directory.to_owned(),
            id,
            time: decoded.time,
            parts: decoded.parts,
        };
        for part in &checkpoint.parts {
            // Looks at length and header.
            checkpoint.read(part)?;
        }
        Ok(checkpoint)
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Checkpoint")
            .field("directory", &self.directory)
            .field("id", &self.id)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

struct Decoded {
    id: u64,
    time: TimeMicros,
    parts: Vec<PartEntry>,
}

fn decode(bytes: &[u8]) -> Result<Decoded, SnapshotError> {
    let mut reader = SnapshotReader::new(bytes, MAGIC, VERSION)?;
    let id = reader.number("id of the checkpoint")?;
    let time = TimeMicros::new(reader.number("time")?);
    let count = reader.number("number of parts")?;
    let mut parts = Vec::new();
    for _ in 0..count {
        parts.push(decode_part(&mut reader, id)?);
    }
    let rest = reader.finish()?;
    if !rest.is_empty() {
        return Err(SnapshotError::Invalid {
            field: "end",
            offset: (bytes.len() - rest.len()) as u64,
            reason: format!("{} bytes follow", rest.len()),
        });
    }
    Ok(Decoded { id, time, parts })
}

fn decode_part(reader: &mut SnapshotReader<&[u8]>, id: u64) -> Result<PartEntry, SnapshotError> {
    const NAME: &str = "name of a part";
    let name = reader.bytes(64, NAME)?;
    let name = String::from_utf8(name)
        .ok()
        .filter(|name| is_part_name(name))
        .ok_or_else(|| reader.invalid(NAME, "it is none that was ever given"))?;
    let is_shared = reader.number_up_to(1, "kind of a part")? == 1;
    let origin = reader.number_up_to(id, "origin of a part")?;
    let bytes = reader.number("length of a part")?;
    let checksum = reader.number_u32("checksum of a part")?;
    let mut stand = Stand::default();
    for _ in 0..reader.number("number of tails")? {
        let shard = decode_shard(reader)?;
        let tail = Tail {
            sequence: Sequence::new(reader.number("sequence")?),
            time: TimeMicros::new(reader.number("time")?),
            chain: Hash32::new(reader.array()?),
        };
        stand.tails.push((shard, tail));
    }
    for _ in 0..reader.number("number of streams")? {
        let shard = decode_shard(reader)?;
        let from = Sequence::new(reader.number("sequence")?);
        stand.also_reads.push((shard, from));
    }
    Ok(PartEntry {
        name,
        is_shared,
        origin,
        bytes,
        stand,
        checksum,
    })
}

fn decode_shard(reader: &mut SnapshotReader<&[u8]>) -> Result<ShardId, SnapshotError> {
    let number = reader.number_up_to(u64::from(u16::MAX), "stream")?;
    Ok(ShardId::new(u16::try_from(number).expect("checked")))
}
