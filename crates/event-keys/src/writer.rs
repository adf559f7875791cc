//! Writing a run: events come in the order of their keys, and it stands when it is finished.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, StoreError, draft_path, write_all_at};
use huntcore_engine::{EventFact, EventSpan};
use huntcore_model::{Hash32, ShardId};

use crate::error::KeysError;
use crate::filter::Filter;
use crate::format::{Header, PAGE_FACTS};
use crate::run::{Run, run_path};

/// So much is written at once.
const WRITE_BYTES: usize = 256 << 10;
/// The file is synced whenever so much of it has been written, so that the log's syncs never
/// wait for more.
const SYNC_BYTES: u64 = 4 << 20;

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunPlan {
    pub(crate) shard: ShardId,
    pub(crate) span: EventSpan,
    pub(crate) chain: Hash32,
    /// How many events there are at most.
    pub(crate) events_max: u64,
    /// So much of the file system is left to others.
    pub(crate) free_bytes_min: u64,
}

/// A run that is being written. Dropped before it is finished, it leaves nothing.
pub(crate) struct RunWriter<'d> {
    disk: &'d dyn Disk,
    directory: PathBuf,
    draft: PathBuf,
    file: Box<dyn DiskFile>,
    header: Header,
    free_bytes_min: u64,
    filter: Filter,
    keys: Vec<u64>,
    // Of the page that is not full.
    facts: Vec<EventFact>,
    bytes: Vec<u8>,
    written: u64,
    synced: u64,
    is_done: bool,
}

impl<'d> RunWriter<'d> {
    pub(crate) fn create(
        disk: &'d dyn Disk,
        directory: &Path,
        plan: RunPlan,
    ) -> Result<Self, KeysError> {
        let draft = draft_path(&run_path(directory, &plan.span));
        let file = disk
            .open(&draft, Access::Create)
            .map_err(StoreError::of("create", &draft))?;
        let pages = plan.events_max.div_ceil(PAGE_FACTS as u64);
        let mut writer = Self {
            disk,
            directory: directory.to_owned(),
            draft,
            file,
            header: Header {
                shard: plan.shard,
                span: plan.span,
                chain: plan.chain,
                events: 0,
                filter_sum: 0,
                keys_sum: 0,
            },
            free_bytes_min: plan.free_bytes_min,
            filter: Filter::new(plan.events_max),
            keys: Vec::with_capacity(usize::try_from(pages).expect("it fits the memory")),
            facts: Vec::with_capacity(PAGE_FACTS),
            bytes: Vec::with_capacity(WRITE_BYTES),
            written: Header::page_at(0),
            synced: 0,
            is_done: false,
        };
        writer.check_space()?;
        Ok(writer)
    }

    /// Adds the next event; its key is greater than those before.
    pub(crate) fn push(&mut self, fact: EventFact) -> Result<(), KeysError> {
        self.filter.insert(&fact.key);
        self.facts.push(fact);
        self.header.events += 1;
        if self.facts.len() == PAGE_FACTS {
            self.end_page()?;
        }
        Ok(())
    }

    /// Makes it stand.
    pub(crate) fn finish(mut self) -> Result<Run, KeysError> {
        if !self.facts.is_empty() {
            self.end_page()?;
        }
        // Fewer events than were planned for need no smaller filter, but a run's size says it
        // all: it is made anew for what there is.
        self.flush()?;
        self.fit_filter()?;
        let words = bytes_of(self.filter.words());
        self.header.filter_sum = crc32c::crc32c(&words);
        self.write(&words)?;
        let keys = bytes_of(&self.keys);
        self.header.keys_sum = crc32c::crc32c(&keys);
        self.write(&keys)?;
        self.put(&self.header.encode(), 0)?;
        self.file
            .sync_all()
            .map_err(StoreError::doubt("sync", &self.draft))?;
        let path = run_path(&self.directory, &self.header.span);
        self.disk
            .rename(&self.draft, &path)
            .map_err(StoreError::of("rename", &self.draft))?;
        self.is_done = true;
        self.disk
            .sync_directory(&self.directory)
            .map_err(StoreError::doubt("sync", &self.directory))?;
        let file = self
            .disk
            .open(&path, Access::Read)
            .map_err(StoreError::doubt("open", &path))?;
        let filter = std::mem::replace(&mut self.filter, Filter::new(0));
        let keys = std::mem::take(&mut self.keys);
        Ok(Run::written(path, file, self.header, filter, keys))
    }

    fn fit_filter(&mut self) -> Result<(), KeysError> {
        let words = crate::filter::words_of(self.header.events);
        if self.filter.words().len() as u64 == words {
            return Ok(());
        }
        let mut filter = Filter::new(self.header.events);
        for page in 0..self.header.pages() {
            let facts = crate::run::read_page(&*self.file, &self.draft, &self.header, page)?;
            for fact in facts.facts().iter() {
                filter.insert(&fact.key);
            }
        }
        self.filter = filter;
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), KeysError> {
        let page = self.keys.len() as u64;
        self.keys.push(self.facts[0].key.prefix());
        let mut bytes = std::mem::take(&mut self.bytes);
        self.header.encode_page(page, &self.facts, &mut bytes);
        self.bytes = bytes;
        self.facts.clear();
        if self.bytes.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), KeysError> {
        let bytes = std::mem::take(&mut self.bytes);
        self.write(&bytes)?;
        self.bytes = bytes;
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), KeysError> {
        for part in bytes.chunks(WRITE_BYTES) {
            self.put(part, self.written)?;
            self.written += part.len() as u64;
            if self.written - self.synced >= SYNC_BYTES {
                self.file
                    .sync_data()
                    .map_err(StoreError::doubt("sync", &self.draft))?;
                self.synced = self.written;
                self.check_space()?;
            }
        }
        Ok(())
    }

    fn put(&self, bytes: &[u8], offset: u64) -> Result<(), KeysError> {
        write_all_at(&*self.file, &[IoSlice::new(bytes)], offset)
            .map_err(|short| StoreError::of("write", &self.draft)(short.error))?;
        Ok(())
    }

    /// What is written may take the file system's space down to what is meant for the log.
    fn check_space(&mut self) -> Result<(), KeysError> {
        let free_bytes_min = self.free_bytes_min;
        match self.disk.free_bytes(&self.directory) {
            Ok(free_bytes) if free_bytes < free_bytes_min => Err(KeysError::Reserved {
                free_bytes,
                free_bytes_min,
            }),
            Ok(_) => Ok(()),
            Err(error) => {
                Err(StoreError::doubt("ask for the space of", &self.directory)(error).into())
            }
        }
    }
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Drop for RunWriter<'_> {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = self.disk.remove(&self.draft)
        {
            let file = self.draft.display();
            tracing::warn!(%file, %error, "leftover of a run stays until the next start");
        }
    }
}
