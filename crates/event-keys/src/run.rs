//! A run: the events of a stretch of a stream, found by key.

use std::io;
use std::path::{Path, PathBuf};

use huntcore_disk::{Access, Disk, DiskFile, read_full_at};
use huntcore_engine::{EventFact, EventKey, EventSeen, EventSpan};
use huntcore_model::{Hash32, ShardId};

use crate::error::Damage;
use crate::filter::Filter;
use crate::format::{Header, PAGE_BYTES, Page, PageFacts, hex};

/// The file of the run that holds this stretch.
pub(crate) fn run_path(directory: &Path, span: &EventSpan) -> PathBuf {
    let (first, end) = (span.first.get(), span.end.get());
    directory.join(format!("{first:020}-{end:020}.run"))
}

/// A run that stands. Its filter and its pages' first keys are held in memory.
pub struct Run {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    header: Header,
    filter: Filter,
    keys: Box<[u64]>,
}

impl Run {
    pub(crate) fn written(
        path: PathBuf,
        file: Box<dyn DiskFile>,
        header: Header,
        filter: Filter,
        keys: Vec<u64>,
    ) -> Self {
        Self {
            path,
            file,
            header,
            filter,
            keys: keys.into(),
        }
    }

    /// Opens a run; checks all of it but its pages, which are checked when they are read.
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf, shard: ShardId) -> Result<Self, Damage> {
        let file = disk
            .open(&path, Access::Read)
            .map_err(Damage::unreadable(&path, 0))?;
        let mut page: Page = [0; PAGE_BYTES];
        read_exact(&*file, &path, &mut page, 0)?;
        let differs = |offset, (field, found, expected)| Damage::Differs {
            file: path.clone(),
            offset,
            field,
            found,
            expected,
        };
        let header = Header::decode(&page).map_err(|fault| differs(0, fault))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let named = run_path(directory, &header.span);
        if header.shard != shard || named != path {
            let stands = format!("{} of shard {}", named.display(), header.shard);
            let expected = format!("{} of shard {shard}", path.display());
            return Err(differs(0, ("stretch", stands, expected)));
        }
        let length = file.length().map_err(Damage::unreadable(&path, 0))?;
        if length != header.file_bytes() {
            let expected = header.file_bytes();
            let fault = ("length", length.to_string(), expected.to_string());
            return Err(differs(length.min(expected), fault));
        }
        let section = |at: u64, end: u64, expected: u32, field: &'static str| {
            let bytes = usize::try_from(end - at).expect("as long as the file");
            let mut words = vec![0; bytes];
            read_exact(&*file, &path, &mut words, at)?;
            let found = crc32c::crc32c(&words);
            if found != expected {
                return Err(differs(at, (field, hex(found), hex(expected))));
            }
            let (words, _) = words.as_chunks();
            Ok(words
                .iter()
                .map(|word| u64::from_le_bytes(*word))
                .collect::<Vec<_>>())
        };
        let (filter_at, keys_at) = (header.filter_at(), header.keys_at());
        let words = section(filter_at, keys_at, header.filter_sum, "filter's checksum")?;
        let keys = section(keys_at, length, header.keys_sum, "first keys' checksum")?;
        let filter = Filter::from_words(words);
        // A library that looked for an event's bits elsewhere than where an earlier version
        // put them would miss nearly all of these.
        if let Some(page) = keys.iter().position(|&prefix| !filter.has_prefix(prefix)) {
            let fault = (
                "filter",
                "without the first key of page ".to_owned() + &page.to_string(),
                "one with every key".to_owned(),
            );
            return Err(differs(filter_at, fault));
        }
        Ok(Self::written(path, file, header, filter, keys))
    }

    /// The stretch whose events it holds.
    #[must_use]
    pub const fn span(&self) -> EventSpan {
        self.header.span
    }

    /// The stream's chain where the stretch ends; zero if that is not known.
    #[must_use]
    pub const fn chain(&self) -> Hash32 {
        self.header.chain
    }

    /// How many events it holds.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.header.events
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its file takes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.header.file_bytes()
    }

    /// What is held of it in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let words = self.filter.words().len() + self.keys.len();
        (words * size_of::<u64>() + size_of::<Self>()) as u64
    }

    /// Reads all of it and checks every byte.
    pub fn verify(&self) -> Result<(), Damage> {
        let mut before: Option<EventKey> = None;
        let mut events = 0;
        for page in 0..self.header.pages() {
            for fact in self.page(page)?.facts().iter() {
                if before.is_some_and(|before| before >= fact.key)
                    || !self.filter.may_have(&fact.key)
                {
                    let found = format!("{:?} behind {before:?}", fact.key);
                    let expected = "keys in order, all in the filter".to_owned();
                    return Err(self.differs(page, ("event", found, expected)));
                }
                before = Some(fact.key);
                events += 1;
            }
        }
        if events == self.header.events {
            return Ok(());
        }
        let fault = (
            "number of events",
            events.to_string(),
            self.header.events.to_string(),
        );
        Err(self.differs(0, fault))
    }

    /// Whether it may hold the event; most that it does not hold are told apart here, without
    /// a look at the disk.
    #[inline]
    pub(crate) fn may_have(&self, key: &EventKey) -> bool {
        self.filter.may_have(key)
    }

    /// Looks for an event on the one page that it would stand on.
    pub(crate) fn find(&self, key: &EventKey) -> Result<Option<EventSeen>, Damage> {
        let prefix = key.prefix();
        // Keys with the same first half may stand on the page before, too.
        let from = self.keys.partition_point(|&first| first < prefix);
        let to = self.keys.partition_point(|&first| first <= prefix);
        for page in from.saturating_sub(1)..to {
            if let Some(seen) = self.page(page as u64)?.facts().find(key) {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    pub(crate) const fn pages(&self) -> u64 {
        self.header.pages()
    }

    pub(crate) fn page(&self, page: u64) -> Result<ReadPage, Damage> {
        read_page(&*self.file, &self.path, &self.header, page)
    }

    fn differs(
        &self,
        page: u64,
        (field, found, expected): (&'static str, String, String),
    ) -> Damage {
        Damage::Differs {
            file: self.path.clone(),
            offset: Header::page_at(page),
            field,
            found,
            expected,
        }
    }
}

/// A page whose checksum was right.
pub(crate) struct ReadPage {
    bytes: Page,
    events: usize,
}

impl ReadPage {
    pub(crate) fn facts(&self) -> PageFacts<'_> {
        PageFacts::of(&self.bytes, self.events)
    }
}

pub(crate) fn read_page(
    file: &dyn DiskFile,
    path: &Path,
    header: &Header,
    page: u64,
) -> Result<ReadPage, Damage> {
    let offset = Header::page_at(page);
    let mut bytes: Page = [0; PAGE_BYTES];
    read_exact(file, path, &mut bytes, offset)?;
    match header.check_page(page, &bytes) {
        Ok(events) => Ok(ReadPage { bytes, events }),
        Err((field, found, expected)) => Err(Damage::Differs {
            file: path.to_owned(),
            offset,
            field,
            found,
            expected,
        }),
    }
}

fn read_exact(file: &dyn DiskFile, path: &Path, out: &mut [u8], offset: u64) -> Result<(), Damage> {
    let read = read_full_at(file, out, offset).map_err(Damage::unreadable(path, offset))?;
    if read == out.len() {
        return Ok(());
    }
    let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends within it");
    Err(Damage::unreadable(path, offset + read as u64)(ended))
}

impl std::fmt::Debug for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Run")
            .field("path", &self.path)
            .field("events", &self.header.events)
            .finish_non_exhaustive()
    }
}

/// The events of a run in order, page by page.
pub(crate) struct Cursor {
    page: u64,
    // The next page's, last first.
    facts: Vec<EventFact>,
}

impl Cursor {
    pub(crate) const fn new() -> Self {
        Self {
            page: 0,
            facts: Vec::new(),
        }
    }

    /// The next event, which stays the next until it is taken.
    pub(crate) fn peek(&mut self, run: &Run) -> Result<Option<EventFact>, Damage> {
        if self.facts.is_empty() && self.page < run.pages() {
            let page = run.page(self.page)?;
            self.page += 1;
            self.facts.extend(page.facts().iter());
            self.facts.reverse();
        }
        Ok(self.facts.last().copied())
    }

    pub(crate) fn take(&mut self) {
        self.facts.pop();
    }
}
