//! The directory of checkpoints: opening it, and keeping two.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::{Disk, make_directory, remove_tree};
use huntcore_model::TimeMicros;

use crate::draft::Draft;
use crate::error::{CheckpointError, Damage, OpenError};
use crate::manifest::Checkpoint;
use crate::names::{Entry, SHARED, checkpoint_directory, draft_directory, parse, parse_shared};
use crate::part::Pace;

/// How many good checkpoints are kept.
const KEPT: usize = 2;

/// How checkpoints are written.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointOptions {
    /// A part is synced whenever so much of it has been written.
    pub sync_every_bytes: u64,
    /// So much of the file system is left to others: a checkpoint that would take of it
    /// fails.
    pub free_bytes_min: u64,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            // What a log's sync may have to wait for: some milliseconds at the most.
            sync_every_bytes: 1 << 20,
            free_bytes_min: 0,
        }
    }
}

/// A checkpoint that cannot be used, and why.
#[derive(Debug)]
pub struct PassedOver {
    /// Which one.
    pub id: u64,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The checkpoints that look good, newest first. Their parts have not been read yet.
    pub good: Vec<Checkpoint>,
    /// The others, newest first.
    pub passed_over: Vec<PassedOver>,
    /// Ids of checkpoints that were not finished, or half removed.
    drafts: Vec<u64>,
    /// Files of shared parts.
    shared: Vec<String>,
}

/// Looks at the checkpoints of a directory and changes nothing. Without the directory, there
/// are none.
pub fn list(disk: &Arc<dyn Disk>, directory: &Path) -> Result<Listing, OpenError> {
    let names = |path: &Path| match disk.list(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(open_error("list", path)),
    };
    let mut listing = Listing::default();
    let mut ids = Vec::new();
    for name in names(directory)? {
        match parse(&name) {
            Entry::Checkpoint(id) => ids.push(id),
            Entry::Draft(id) => listing.drafts.push(id),
            Entry::Shared => listing.shared = names(&directory.join(SHARED))?,
            Entry::Foreign => {
                let file = directory.join(name);
                tracing::warn!(file = %file.display(), "is no checkpoint: left alone");
            }
        }
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    for id in ids {
        match Checkpoint::load(disk, directory, id) {
            Ok(checkpoint) => listing.good.push(checkpoint),
            Err(damage) => listing.passed_over.push(PassedOver { id, damage }),
        }
    }
    Ok(listing)
}

/// The checkpoints of one log.
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: CheckpointOptions,
    /// Newest first.
    good: Vec<Checkpoint>,
    passed_over: Vec<PassedOver>,
    next_id: u64,
}

impl Checkpoints {
    /// Opens a directory, made if it is not there, and removes what a crash has left.
    ///
    /// Nobody else may write there: the log's lock sees to that.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: CheckpointOptions,
    ) -> Result<Self, OpenError> {
        let shared = directory.join(SHARED);
        make_directory(&*disk, &shared).map_err(open_error("create", &shared))?;
        let listing = list(&disk, directory)?;
        let passed_over = listing.passed_over.iter().map(|passed| passed.id);
        let ids = listing.good.iter().map(Checkpoint::id).chain(passed_over);
        let written = listing.shared.iter().filter_map(|file| parse_shared(file));
        let greatest = ids
            .chain(listing.drafts.iter().copied())
            .chain(written)
            .max();
        let checkpoints = Self {
            disk,
            directory: directory.to_owned(),
            options,
            next_id: greatest.map_or(1, |id| id + 1),
            good: listing.good,
            passed_over: listing.passed_over,
        };
        if let Err(error) = checkpoints.remove_drafts(&listing.drafts) {
            tracing::warn!("leftovers of checkpoints stay: {error}");
        } else if checkpoints.passed_over.is_empty() {
            // One that cannot be read now may be mended by hand; then it needs its parts.
            checkpoints.remove_unshared(listing.shared);
        }
        Ok(checkpoints)
    }

    /// The good checkpoints, newest first.
    #[must_use]
    pub fn good(&self) -> &[Checkpoint] {
        &self.good
    }

    /// The checkpoints that were found bad on opening, newest first.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes note that a checkpoint turned out not to be good: it no longer counts, and goes
    /// with the next that is written.
    pub fn pass_over(&mut self, id: u64) {
        self.good.retain(|checkpoint| checkpoint.id != id);
    }

    /// Begins the next checkpoint, of the state at `time`.
    pub fn begin(&mut self, time: TimeMicros) -> Result<Draft<'_>, CheckpointError> {
        // An id is used once, whether or not something comes of it.
        let id = self.next_id;
        self.next_id += 1;
        let checkpoint = Checkpoint {
            disk: self.disk.clone(),
            directory: self.directory.clone(),
            id,
            time,
            parts: Vec::new(),
        };
        Draft::begin(self, checkpoint)
    }

    pub(crate) const fn pace(&self) -> Pace {
        Pace {
            sync_every_bytes: self.options.sync_every_bytes,
            free_bytes_min: self.options.free_bytes_min,
        }
    }

    /// Takes a new checkpoint, which is durable, and lets go of all that are not kept.
    pub(crate) fn keep(&mut self, newest: Checkpoint) {
        self.good.insert(0, newest);
        self.good.truncate(KEPT);
        if let Err(error) = self.remove_others() {
            tracing::warn!("old checkpoints stay until the next is written: {error}");
        }
    }

    fn remove_others(&self) -> std::io::Result<()> {
        let mut drafts = Vec::new();
        let mut renamed = false;
        for name in self.disk.list(&self.directory)? {
            match parse(&name) {
                Entry::Checkpoint(id) if !self.good.iter().any(|good| good.id == id) => {
                    let from = checkpoint_directory(&self.directory, id);
                    let to = draft_directory(&self.directory, id);
                    self.disk.rename(&from, &to)?;
                    renamed = true;
                    drafts.push(id);
                }
                Entry::Draft(id) => drafts.push(id),
                Entry::Checkpoint(_) | Entry::Shared | Entry::Foreign => {}
            }
        }
        if renamed {
            // It has to be no checkpoint any more before it lacks a file.
            self.disk.sync_directory(&self.directory)?;
        }
        self.remove_drafts(&drafts)?;
        let shared = self.disk.list(&self.directory.join(SHARED))?;
        self.remove_unshared(shared);
        Ok(())
    }

    fn remove_drafts(&self, drafts: &[u64]) -> std::io::Result<()> {
        for &id in drafts {
            remove_tree(&*self.disk, &draft_directory(&self.directory, id))?;
        }
        if drafts.is_empty() {
            return Ok(());
        }
        self.disk.sync_directory(&self.directory)
    }

    /// Removes shared parts that no good checkpoint names. That this is durable does not
    /// matter: nobody needs them.
    fn remove_unshared(&self, files: Vec<String>) {
        let parts = self.good.iter().flat_map(|checkpoint| {
            let shared = checkpoint.parts.iter().filter(|part| part.is_shared);
            shared.map(|part| checkpoint.path(part))
        });
        let named: BTreeSet<PathBuf> = parts.collect();
        for file in files {
            let path = self.directory.join(SHARED).join(&file);
            if parse_shared(&file).is_none() || named.contains(&path) {
                continue;
            }
            if let Err(error) = self.disk.remove(&path) {
                tracing::warn!(file = %path.display(), %error, "old part of checkpoints stays");
            }
        }
    }
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Checkpoints")
            .field("directory", &self.directory)
            .field("good", &self.good)
            .finish_non_exhaustive()
    }
}

fn open_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let directory = path.to_owned();
    move |source| OpenError {
        what,
        directory,
        source,
    }
}
