//! A checkpoint while it is written.

use std::io;
use std::path::PathBuf;

use huntcore_disk::{StoreError, remove_tree};

use crate::error::CheckpointError;
use crate::manifest::{Checkpoint, PartEntry, Stand};
use crate::names::{
    SHARED, checkpoint_directory, draft_directory, is_part_name, part_path, shared_name,
};
use crate::part::PartWriter;
use crate::store::Checkpoints;

/// What a part is to be.
#[derive(Clone, Debug)]
pub struct Part<'n> {
    /// Lower-case letters, digits and hyphens; once in a checkpoint.
    pub name: &'n str,
    /// Whether later checkpoints may take it over: it never changes.
    pub is_shared: bool,
    /// Up to where in the log it stands.
    pub stand: Stand,
}

/// A checkpoint that is being written. Dropped before it is committed, it leaves nothing.
#[derive(Debug)]
pub struct Draft<'c> {
    checkpoints: &'c mut Checkpoints,
    checkpoint: Checkpoint,
    directory: PathBuf,
    /// Shared parts that only this one refers to.
    fresh: Vec<PathBuf>,
    is_settled: bool,
}

impl<'c> Draft<'c> {
    pub(crate) fn begin(
        checkpoints: &'c mut Checkpoints,
        checkpoint: Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let directory = draft_directory(&checkpoint.directory, checkpoint.id);
        checkpoint
            .disk
            .create_directory(&directory)
            .map_err(StoreError::of("create", &directory))?;
        Ok(Self {
            checkpoints,
            checkpoint,
            directory,
            fresh: Vec::new(),
            is_settled: false,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.checkpoint.id
    }

    /// Adds a part that `write` writes.
    ///
    /// # Panics
    /// If the name is not allowed, or taken already.
    pub fn part(
        &mut self,
        part: Part<'_>,
        write: impl FnOnce(&mut PartWriter<'_>) -> io::Result<()>,
    ) -> Result<(), CheckpointError> {
        let Part {
            name,
            is_shared,
            stand,
        } = part;
        self.check_name(name);
        let id = self.checkpoint.id;
        let path = if is_shared {
            let shared = self.checkpoint.directory.join(SHARED);
            let path = shared.join(shared_name(name, id));
            self.fresh.push(path.clone());
            path
        } else {
            part_path(&self.directory, name)
        };
        let disk = &*self.checkpoint.disk;
        let mut writer = PartWriter::create(disk, path, id, self.checkpoints.pace())?;
        if let Err(source) = write(&mut writer) {
            return Err(writer
                .failure()
                .unwrap_or_else(|| CheckpointError::Content {
                    part: name.to_owned(),
                    source,
                }));
        }
        let written = writer.finish()?;
        self.checkpoint.parts.push(PartEntry {
            name: name.to_owned(),
            is_shared,
            origin: id,
            bytes: written.bytes,
            stand,
            checksum: written.checksum,
        });
        Ok(())
    }

    /// Takes over a shared part of one of the checkpoints that are kept.
    ///
    /// # Panics
    /// If it is not shared, or its name is taken already.
    pub fn take_over(&mut self, part: &PartEntry) {
        assert!(part.is_shared, "only shared parts outlive their checkpoint");
        self.check_name(&part.name);
        self.checkpoint.parts.push(part.clone());
    }

    fn check_name(&self, name: &str) {
        assert!(is_part_name(name), "{name:?} is no name for a part");
        assert!(
            self.checkpoint.part(name).is_none(),
            "there is a part {name} already"
        );
    }

    /// Makes it the newest checkpoint, durably; of the others the newest good one is kept.
    ///
    /// After an error it may or may not be found by a later start, whole in either case; here
    /// it counts as never written.
    pub fn commit(mut self) -> Result<Checkpoint, CheckpointError> {
        let disk = self.checkpoint.disk.clone();
        let parent = self.checkpoint.directory.clone();
        if !self.fresh.is_empty() {
            let shared = parent.join(SHARED);
            disk.sync_directory(&shared)
                .map_err(StoreError::doubt("sync", &shared))?;
        }
        // Syncs its directory too, and with it the names of the parts.
        self.checkpoint.write_manifest(&self.directory)?;
        let target = checkpoint_directory(&parent, self.checkpoint.id);
        disk.rename(&self.directory, &target)
            .map_err(StoreError::of("rename", &self.directory))?;
        // From here on the disk may hold it, so nothing of it is removed in passing.
        self.is_settled = true;
        disk.sync_directory(&parent)
            .map_err(StoreError::doubt("sync", &parent))?;
        self.checkpoints.keep(self.checkpoint.clone());
        Ok(self.checkpoint.clone())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let disk = &*self.checkpoint.disk;
        let files = self.fresh.iter().chain([&self.directory]);
        for file in files {
            if let Err(error) = remove_tree(disk, file) {
                let file = file.display();
                tracing::warn!(%file, %error, "leftover of a checkpoint stays until the next start");
            }
        }
    }
}
