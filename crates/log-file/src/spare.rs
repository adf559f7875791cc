//! Segments made ahead of their use, filled with zeros.
//!
//! A write into space that was set aside but never written changes what the file system has
//! to remember about the file, so its sync waits for the journal, and with it for everybody
//! else's changes. A write over zeros does not. So while a segment fills up, a thread writes
//! the zeros of the next one, a bit at a time and the faster the nearer the end is; and when
//! the time comes, the spare only gets its header and its name.
//!
//! A spare is no part of the log: what goes wrong with it is no harm, and a start removes
//! what it finds. Without one, a segment is made on the spot.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use huntcore_disk::{Access, Disk, DiskFile, write_all_at};
use huntcore_model::ShardId;

/// The spare's name in its stream's directory.
pub(crate) const SPARE: &str = "spare";
/// Zeros are written and synced so many at a time, so that nobody's sync waits long.
const CHUNK_BYTES: usize = 512 << 10;

/// Makes spares, for all streams of a log.
#[derive(Default)]
pub(crate) struct Spares {
    state: Mutex<SparesState>,
    changed: Condvar,
}

#[derive(Default)]
struct SparesState {
    spares: BTreeMap<ShardId, Spare>,
    closed: bool,
}

struct Spare {
    path: PathBuf,
    length: u64,
    /// How much of it may be written by now.
    allowed: u64,
    written: u64,
    /// Not while it is being written to, nor before.
    file: Option<Box<dyn DiskFile>>,
    ready: bool,
    /// Making it failed; the next segment's may succeed.
    failed: bool,
}

impl Spare {
    fn has_work(&self) -> bool {
        let enough = self.allowed - self.written.min(self.allowed) >= CHUNK_BYTES as u64
            || self.allowed >= self.length;
        !self.ready && !self.failed && enough
    }
}

impl Spares {
    fn lock(&self) -> MutexGuard<'_, SparesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that the last segment is filled up to so far, of so many bytes, and will be
    /// followed by one of `length` bytes.
    pub(crate) fn tell(
        &self,
        shard: ShardId,
        directory: &Path,
        (offset, active_length): (u64, u64),
        length: u64,
    ) {
        // From a quarter on, so that a stream that hardly grows takes no space for it; done
        // at three quarters.
        let beyond = offset.saturating_sub(active_length / 4);
        if beyond == 0 {
            return;
        }
        let share = u128::from(beyond) * 2 * u128::from(length) / u128::from(active_length.max(1));
        let allowed = u64::try_from(share).map_or(length, |share| share.min(length));
        let mut state = self.lock();
        let spare = state.spares.entry(shard).or_insert_with(|| Spare {
            path: directory.join(SPARE),
            length,
            allowed: 0,
            written: 0,
            file: None,
            ready: false,
            failed: false,
        });
        spare.allowed = spare.allowed.max(allowed.min(spare.length));
        if spare.has_work() {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// The stream's spare and its length, if it is ready and long enough.
    pub(crate) fn take(
        &self,
        shard: ShardId,
        length_min: u64,
    ) -> Option<(PathBuf, Box<dyn DiskFile>, u64)> {
        let mut state = self.lock();
        let spare = state.spares.get(&shard)?;
        if spare.failed {
            state.spares.remove(&shard);
            return None;
        }
        if !spare.ready || spare.length < length_min {
            return None;
        }
        let spare = state.spares.remove(&shard)?;
        Some((spare.path, spare.file?, spare.length))
    }

    /// Space that a stream's spare takes.
    pub(crate) fn bytes(&self, shard: ShardId) -> u64 {
        let state = self.lock();
        let spare = state.spares.get(&shard);
        spare.map_or(0, |spare| {
            let is_there = spare.written > 0 && !spare.failed;
            if is_there { spare.length } else { 0 }
        })
    }

    /// Makes spares until it is closed, then removes those that are left.
    pub(crate) fn run(&self, disk: &dyn Disk) {
        let zeros = vec![0; CHUNK_BYTES];
        let mut state = self.lock();
        while !state.closed {
            let next = state.spares.iter_mut().find(|(_, spare)| spare.has_work());
            let Some((&shard, spare)) = next else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (path, length, written) = (spare.path.clone(), spare.length, spare.written);
            let file = spare.file.take();
            drop(state);
            let result = write_on(disk, file, &path, (length, written), &zeros);
            if let Err(error) = &result {
                tracing::debug!(file = %path.display(), %error, "no spare segment");
                // It takes space, which may be what was missing.
                drop(disk.remove(&path));
            }
            state = self.lock();
            let Some(spare) = state.spares.get_mut(&shard) else {
                continue;
            };
            match result {
                Ok((file, written)) => {
                    spare.file = Some(file);
                    spare.written = written;
                    spare.ready = written == length;
                }
                Err(_) => spare.failed = true,
            }
        }
        for spare in std::mem::take(&mut state.spares).into_values() {
            if spare.file.is_some() {
                // Else the next start removes it.
                drop(disk.remove(&spare.path));
            }
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }
}

/// Makes the file if it is not there, and writes some more of it, durably.
fn write_on(
    disk: &dyn Disk,
    file: Option<Box<dyn DiskFile>>,
    path: &Path,
    (length, written): (u64, u64),
    zeros: &[u8],
) -> io::Result<(Box<dyn DiskFile>, u64)> {
    let file = match file {
        Some(file) => file,
        None => {
            let file = disk.open(path, Access::Create)?;
            file.allocate(length)?;
            file
        }
    };
    let count = usize::try_from(length - written).map_or(zeros.len(), |left| left.min(zeros.len()));
    write_all_at(&*file, &[IoSlice::new(&zeros[..count])], written).map_err(|short| short.error)?;
    let written = written + count as u64;
    if written == length {
        file.sync_all()?;
    } else {
        file.sync_data()?;
    }
    Ok((file, written))
}

/// The thread that makes spares; ends when this is dropped.
pub(crate) struct SparesThread {
    spares: Arc<Spares>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SparesThread {
    pub(crate) fn start(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let spares = Arc::new(Spares::default());
        let of_thread = spares.clone();
        let thread = std::thread::Builder::new()
            .name("log-spares".to_owned())
            .spawn(move || of_thread.run(&*disk))?;
        Ok(Self {
            spares,
            thread: Some(thread),
        })
    }

    pub(crate) fn spares(&self) -> &Arc<Spares> {
        &self.spares
    }
}

impl Drop for SparesThread {
    fn drop(&mut self) {
        self.spares.close();
        if let Some(thread) = self.thread.take() {
            // A panic there was told by its own message; there is nothing to add.
            drop(thread.join());
        }
    }
}
