//! The bytes of a run, all little-endian but for the keys, which are bytes.
//!
//! | part | size |
//! |---|---|
//! | header | 4,096 bytes, the last 4 their CRC-32C |
//! | pages | 4,096 bytes each: 102 events of 40 bytes, how many there are, a CRC-32C |
//! | filter | 8 bytes a word |
//! | first keys | 8 bytes a page: the first half of its first key, as a number |
//!
//! A page's checksum begins with the run's stretch and the page's number, so that a page in
//! another's place is found. An event is its key (16 bytes), digest (16), and sequence (8).

use huntcore_engine::{EventFact, EventKey, EventSeen, EventSpan};
use huntcore_model::{EventDigest, Hash32, Sequence, ShardId, TimeMicros};

pub(crate) const PAGE_BYTES: usize = 4_096;
pub(crate) const FACT_BYTES: usize = 40;
pub(crate) const PAGE_FACTS: usize = 102;
const MAGIC: [u8; 8] = *b"HCEVKEYS";
const VERSION: u32 = 1;
const COUNT_AT: usize = PAGE_FACTS * FACT_BYTES;
const SUM_AT: usize = PAGE_BYTES - 4;

pub(crate) type Page = [u8; PAGE_BYTES];

/// What a run's first page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) shard: ShardId,
    pub(crate) span: EventSpan,
    /// The stream's chain where the stretch ends; zero if that is not known.
    pub(crate) chain: Hash32,
    pub(crate) events: u64,
    pub(crate) filter_sum: u32,
    pub(crate) keys_sum: u32,
}

impl Header {
    pub(crate) const fn pages(&self) -> u64 {
        self.events.div_ceil(PAGE_FACTS as u64)
    }

    pub(crate) const fn page_at(page: u64) -> u64 {
        (page + 1) * PAGE_BYTES as u64
    }

    pub(crate) const fn filter_at(&self) -> u64 {
        Self::page_at(self.pages())
    }

    pub(crate) const fn keys_at(&self) -> u64 {
        self.filter_at() + crate::filter::words_of(self.events) * 8
    }

    pub(crate) const fn file_bytes(&self) -> u64 {
        self.keys_at() + self.pages() * 8
    }

    pub(crate) fn encode(&self) -> Page {
        let mut fields = Vec::with_capacity(PAGE_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&VERSION.to_le_bytes());
        fields.extend_from_slice(&u32::from(self.shard.get()).to_le_bytes());
        for number in [
            self.span.first.get(),
            self.span.end.get(),
            self.span.newest.get(),
            self.events,
        ] {
            fields.extend_from_slice(&number.to_le_bytes());
        }
        fields.extend_from_slice(self.chain.bytes());
        fields.extend_from_slice(&self.filter_sum.to_le_bytes());
        fields.extend_from_slice(&self.keys_sum.to_le_bytes());
        let mut page = [0; PAGE_BYTES];
        page[..fields.len()].copy_from_slice(&fields);
        let sum = crc32c::crc32c(&page[..SUM_AT]);
        page[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        page
    }

    /// What does not fit is named, with what was found and what was expected.
    pub(crate) fn decode(page: &Page) -> Result<Self, (&'static str, String, String)> {
        let (found, sum) = (number_u32(page, SUM_AT), crc32c::crc32c(&page[..SUM_AT]));
        if page[..8] != MAGIC {
            let found = format!("{:?}", String::from_utf8_lossy(&page[..8]));
            return Err((
                "header",
                found,
                String::from_utf8_lossy(&MAGIC).into_owned(),
            ));
        }
        if found != sum {
            return Err(("header's checksum", hex(found), hex(sum)));
        }
        let version = number_u32(page, 8);
        if version != VERSION {
            return Err(("version", version.to_string(), VERSION.to_string()));
        }
        let shard = number_u32(page, 12);
        let shard = u16::try_from(shard)
            .map_err(|_| ("shard", shard.to_string(), "at most 65535".to_owned()))?;
        let mut chain = [0; 32];
        chain.copy_from_slice(&page[48..80]);
        Ok(Self {
            shard: ShardId::new(shard),
            span: EventSpan {
                first: Sequence::new(number_u64(page, 16)),
                end: Sequence::new(number_u64(page, 24)),
                newest: TimeMicros::new(number_u64(page, 32)),
            },
            events: number_u64(page, 40),
            chain: Hash32::new(chain),
            filter_sum: number_u32(page, 80),
            keys_sum: number_u32(page, 84),
        })
    }

    /// Puts events that are in order into a page.
    pub(crate) fn encode_page(&self, page: u64, facts: &[EventFact], out: &mut Vec<u8>) {
        let begin = out.len();
        for fact in facts {
            out.extend_from_slice(&fact.key.0);
            out.extend_from_slice(&fact.seen.digest.0);
            out.extend_from_slice(&fact.seen.sequence.get().to_le_bytes());
        }
        out.resize(begin + COUNT_AT, 0);
        let count = u16::try_from(facts.len()).expect("at most a page's");
        out.extend_from_slice(&count.to_le_bytes());
        out.resize(begin + SUM_AT, 0);
        let sum = crc32c::crc32c_append(self.seed(page), &out[begin..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }

    /// How many events stand on a page, if its checksum is right.
    pub(crate) fn check_page(
        &self,
        page: u64,
        bytes: &Page,
    ) -> Result<usize, (&'static str, String, String)> {
        let sum = crc32c::crc32c_append(self.seed(page), &bytes[..SUM_AT]);
        let found = number_u32(bytes, SUM_AT);
        if found != sum {
            return Err(("page's checksum", hex(found), hex(sum)));
        }
        let count = usize::from(u16::from_le_bytes([bytes[COUNT_AT], bytes[COUNT_AT + 1]]));
        if count > PAGE_FACTS {
            let most = format!("at most {PAGE_FACTS}");
            return Err(("number of events", count.to_string(), most));
        }
        Ok(count)
    }

    fn seed(&self, page: u64) -> u32 {
        let shard = u64::from(self.shard.get());
        let fields = [shard, self.span.first.get(), self.span.end.get(), page];
        let append = |sum, field: &u64| crc32c::crc32c_append(sum, &field.to_le_bytes());
        fields.iter().fold(0, append)
    }
}

/// The events of a page, by key.
pub(crate) struct PageFacts<'p>(&'p [[u8; FACT_BYTES]]);

impl<'p> PageFacts<'p> {
    /// The first `events` of a page.
    pub(crate) fn of(bytes: &'p Page, events: usize) -> Self {
        let (rows, _) = bytes[..COUNT_AT].as_chunks();
        Self(&rows[..events])
    }

    pub(crate) fn find(&self, key: &EventKey) -> Option<EventSeen> {
        let found = self.0.binary_search_by(|row| row[..16].cmp(&key.0));
        found.ok().map(|index| fact(&self.0[index]).seen)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = EventFact> {
        self.0.iter().map(fact)
    }
}

fn fact(row: &[u8; FACT_BYTES]) -> EventFact {
    let (mut key, mut digest, mut sequence) = ([0; 16], [0; 16], [0; 8]);
    key.copy_from_slice(&row[..16]);
    digest.copy_from_slice(&row[16..32]);
    sequence.copy_from_slice(&row[32..]);
    EventFact {
        key: EventKey(key),
        seen: EventSeen {
            digest: EventDigest(digest),
            sequence: Sequence::new(u64::from_le_bytes(sequence)),
        },
    }
}

pub(crate) fn hex(sum: u32) -> String {
    format!("{sum:08x}")
}

fn number_u32(page: &Page, at: usize) -> u32 {
    let bytes = page[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(bytes)
}

fn number_u64(page: &Page, at: usize) -> u64 {
    let bytes = page[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(bytes)
}
