//! Boards' first pages, written once for each version of a board and sent to whoever asks.
//!
//! A page is kept with what it was written from: which definition of which board, up to where
//! in the log it last changed, and the window. Nothing has to be thrown away when a board
//! changes: a page of an older version is not found. Readers take no lock.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use huntcore_board::BoardView as Board;
use huntcore_model::{BoardName, HuntNumber, Position, TimeMicros};
use huntcore_wire::BoardView;
use sha2::{Digest, Sha256};

use super::answers;

/// Longer pages are written for each reader: few ask for them.
pub(super) const KEPT_ENTRIES_MAX: usize = 100;
/// Pages kept, of all hunts together: each takes some kilobytes.
const PAGES_MAX: usize = 256;

/// The pages of all boards that were asked for lately.
pub(crate) struct BoardPages {
    slots: Box<[ArcSwapOption<BoardPage>]>,
    hasher: RandomState,
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageKey {
    pub(super) hunt: HuntNumber,
    pub(super) board: BoardName,
    pub(super) window: Option<TimeMicros>,
    pub(super) limit: usize,
}

/// What decides what stands on a board: two readings with equal ones have the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    generation: u64,
    changed: Arc<Position>,
    start: Option<TimeMicros>,
    is_final: bool,
}

/// A page as it is sent, but for how far the log is counted in.
pub(super) struct BoardPage {
    key: PageKey,
    content: Content,
    pub(super) tag: HeaderValue,
    before_position: Vec<u8>,
    after_position: Vec<u8>,
}

impl BoardPages {
    pub(crate) fn new() -> Self {
        Self {
            slots: (0..PAGES_MAX).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The page, as long as it is of that content.
    pub(super) fn get(&self, key: &PageKey, content: &Content) -> Option<Arc<BoardPage>> {
        let kept = self.slot(key).load();
        let page = kept.as_ref()?;
        let is_same = page.key == *key && page.content == *content;
        is_same.then(|| Arc::clone(page))
    }

    /// Keeps a page, in place of whichever has its slot.
    pub(super) fn keep(&self, page: Arc<BoardPage>) {
        self.slot(&page.key).store(Some(page));
    }

    fn slot(&self, key: &PageKey) -> &ArcSwapOption<BoardPage> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % PAGES_MAX as u64).expect("few slots");
        &self.slots[index]
    }
}

impl Content {
    pub(super) fn of(board: &Board<'_>) -> Self {
        let window = board.window();
        Self {
            generation: board.generation().get(),
            changed: Arc::clone(board.changed()),
            start: window.start,
            is_final: window.is_final,
        }
    }

    /// What stands for it and for the question in an entity tag: as long for any question, and
    /// the same on every process that counts the log up to the same place.
    pub(super) fn tag(&self, question: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(self.generation.to_le_bytes());
        digest.update(self.start.map_or(u64::MAX, TimeMicros::get).to_le_bytes());
        digest.update([u8::from(self.is_final)]);
        let position = self.changed.to_bytes();
        digest.update((position.len() as u64).to_le_bytes());
        digest.update(position);
        digest.update(question);
        hex::encode(&digest.finalize()[..12])
    }
}

impl BoardPage {
    /// Writes `view`, whose position is left empty, in two pieces.
    pub(super) fn new(key: PageKey, content: Content, tag: &str, view: &BoardView) -> Self {
        const EMPTY: &[u8] = br#""position":""#;
        let mut json = serde_json::to_vec(view).expect("answers are plain data");
        // Nothing before it is anybody's text: a board's name and two times.
        let place = json.windows(EMPTY.len()).position(|part| part == EMPTY);
        let after = json.split_off(place.expect("every view has one") + EMPTY.len());
        Self {
            key,
            content,
            tag: answers::weak(tag),
            before_position: json,
            after_position: after,
        }
    }

    /// The page as of `position`.
    pub(super) fn body(&self, position: &Position) -> Bytes {
        let position = position.to_string();
        let parts = [
            &self.before_position,
            position.as_bytes(),
            &self.after_position,
        ];
        Bytes::from(parts.concat())
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{PlayerId, Sequence, ShardId};
    use huntcore_wire::{BoardEntry, BoardWindow, PositionText};

    use super::*;

    fn content(records: u64) -> Content {
        Content {
            generation: 0,
            changed: Arc::new(Position::after(ShardId::new(0), Sequence::new(records))),
            start: None,
            is_final: false,
        }
    }

    fn page(key: PageKey, records: u64) -> Arc<BoardPage> {
        let view = BoardView {
            board: key.board,
            window: BoardWindow::WHOLE_HUNT,
            position: PositionText::default(),
            players: 1,
            entries: vec![BoardEntry {
                rank: 1,
                player: PlayerId::new(r#""position":""#).expect("an id"),
                score: 7,
            }],
            generation: 0,
            corrected: None,
            next_cursor: None,
        };
        Arc::new(BoardPage::new(key, content(records), "ab", &view))
    }

    #[test]
    fn a_page_is_found_as_long_as_its_board_has_not_changed() {
        let pages = BoardPages::new();
        let key = PageKey {
            hunt: HuntNumber::new(3),
            board: BoardName::BEST,
            window: None,
            limit: 100,
        };
        assert!(pages.get(&key, &content(1)).is_none());
        pages.keep(page(key, 1));
        assert!(pages.get(&key, &content(1)).is_some());
        assert!(pages.get(&key, &content(2)).is_none());
        let other = PageKey { limit: 99, ..key };
        assert!(pages.get(&other, &content(1)).is_none());
    }

    #[test]
    fn a_page_is_sent_with_the_position_of_its_reader() {
        let key = PageKey {
            hunt: HuntNumber::new(0),
            board: BoardName::TOTAL,
            window: None,
            limit: 1,
        };
        let position = Position::after(ShardId::new(1), Sequence::new(9));
        let body = page(key, 1).body(&position);
        let view: BoardView = serde_json::from_slice(&body).expect("a view");
        assert_eq!(view.position, PositionText::from(&position));
        assert_eq!(view.entries.len(), 1);
    }

    #[test]
    fn a_tag_stands_for_content_and_question() {
        let tags = [
            content(1).tag("a"),
            content(1).tag("b"),
            content(2).tag("a"),
            Content {
                generation: 4,
                ..content(1)
            }
            .tag("a"),
            Content {
                is_final: true,
                ..content(1)
            }
            .tag("a"),
            Content {
                start: Some(TimeMicros::ZERO),
                ..content(1)
            }
            .tag("a"),
        ];
        let different: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(different.len(), tags.len());
        assert_eq!(content(1).tag("a"), tags[0]);
    }
}
