//! Board versions pushed into broadcast, and when they go out.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use huntcore_model::{BoardName, Position, TimeMicros};
use huntcore_wire::{BoardEntry, BoardMessage, BoardWindow, LiveForm, ServerMessage, Timestamp};

use crate::BroadcastLimits;
use crate::forms::PerForm;
use crate::text::{ENTRY_BYTES_MAX, MESSAGE_BYTES_MAX, json_bytes_max, position_bytes_max};

/// The top of a board's version, as the boards' projection publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardUpdate {
    /// Which board.
    pub board: BoardName,
    /// Which definition of that name; 0 for a built-in one.
    pub generation: u64,
    /// What it covers.
    pub window: BoardWindow,
    /// How far the log is counted in.
    pub position: Position,
    /// How many players are on the board.
    pub players: u64,
    /// The top, best first; more than the limit are cut.
    pub entries: Vec<BoardEntry>,
}

/// A board's message; its text in each form is made for the first reader and shared by all.
#[derive(Debug)]
pub(crate) struct BoardText {
    message: BoardMessage,
    bytes_max: usize,
    texts: PerForm<OnceLock<Bytes>>,
}

/// What clients know of one board, and what they should know next.
#[derive(Clone, Debug, Default)]
pub(crate) struct BoardFold {
    sent: Option<Arc<BoardText>>,
    sent_at: Option<TimeMicros>,
    waiting: Option<BoardMessage>,
    generation: u64,
    /// The latest version's, sent or not.
    position: Position,
}

impl BoardFold {
    /// Takes a version in; one older than what is known, or alike, changes nothing (I6).
    pub(crate) fn push(&mut self, update: BoardUpdate, limits: &BroadcastLimits) {
        let BoardUpdate {
            board,
            generation,
            window,
            position,
            players,
            mut entries,
        } = update;
        if !position.covers(&self.position) || generation < self.generation {
            return;
        }
        if generation > self.generation {
            // Another board of the same name: what clients know of the one before means nothing.
            self.sent = None;
            self.generation = generation;
        }
        entries.truncate(limits.board_entries);
        let alike = self.sent.as_ref().is_some_and(|sent| {
            let sent = &sent.message;
            (sent.window, sent.players) == (window, players) && sent.entries == entries
        });
        self.waiting = (!alike).then(|| BoardMessage {
            server_time: Timestamp::default(),
            board,
            generation,
            window,
            position: (&position).into(),
            players,
            entries,
        });
        self.position = position;
    }

    /// Which definition the latest version is of.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a version pushed now would go out at a tick at `now`.
    pub(crate) fn is_due(&self, now: TimeMicros, limits: &BroadcastLimits) -> bool {
        self.sent_at
            .is_none_or(|sent_at| now >= sent_at.plus_millis(limits.board_interval_ms))
    }

    /// The message that is to go out at `now` with a delta up to `position`, if one is.
    ///
    /// A version further on waits: who resumes with the delta's position must not have seen
    /// more of a board than any process that covers that position shows (I6).
    pub(crate) fn cut(
        &mut self,
        now: TimeMicros,
        position: &Position,
        limits: &BroadcastLimits,
    ) -> Option<Arc<BoardText>> {
        if !self.is_due(now, limits) || !position.covers(&self.position) {
            return None;
        }
        let mut message = self.waiting.take()?;
        message.server_time = now.into();
        let message = Arc::new(BoardText::new(message, &self.position));
        self.sent = Some(Arc::clone(&message));
        self.sent_at = Some(now);
        Some(message)
    }

    /// What clients know.
    pub(crate) const fn sent(&self) -> Option<&Arc<BoardText>> {
        self.sent.as_ref()
    }
}

impl BoardText {
    fn new(message: BoardMessage, position: &Position) -> Self {
        let entries = message.entries.iter();
        let entries = entries.map(|entry| ENTRY_BYTES_MAX + json_bytes_max(entry.player.as_str()));
        Self {
            bytes_max: MESSAGE_BYTES_MAX + position_bytes_max(position) + entries.sum::<usize>(),
            message,
            texts: PerForm::default(),
        }
    }

    pub(crate) const fn message(&self) -> &BoardMessage {
        &self.message
    }

    pub(crate) const fn name(&self) -> BoardName {
        self.message.board
    }

    /// How long the text is at most.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(crate) fn text(&self, form: LiveForm) -> &Bytes {
        let text = self.texts.get(form);
        text.get_or_init(|| ServerMessage::Board(self.message.clone()).encode(form))
    }
}

#[cfg(test)]
impl BoardUpdate {
    /// A message of which each part is as long as it can get.
    pub(crate) fn longest(id: &str, position: &Position) -> BoardText {
        let latest = TimeMicros::from_millis(253_402_300_799_999);
        let entry = BoardEntry {
            rank: u64::MAX,
            player: huntcore_model::PlayerId::new(id).expect("a valid id"),
            score: i64::MIN,
        };
        let message = BoardMessage {
            server_time: latest.into(),
            board: BoardName::SECOND,
            generation: u64::MAX,
            window: BoardWindow {
                start: Some(latest.into()),
                end: Some(latest.into()),
                is_final: false,
            },
            position: position.into(),
            players: u64::MAX,
            entries: vec![entry; 100],
        };
        BoardText::new(message, position)
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};

    use super::*;

    fn update(records: u64, players: u64) -> BoardUpdate {
        let mut position = Position::start();
        position.advance(ShardId::new(0), Sequence::new(records));
        BoardUpdate {
            board: BoardName::TOTAL,
            generation: 0,
            window: BoardWindow::WHOLE_HUNT,
            position,
            players,
            entries: Vec::new(),
        }
    }

    fn after(records: u64) -> Position {
        update(records, 0).position
    }

    fn at(millis: u64) -> TimeMicros {
        TimeMicros::from_millis(millis)
    }

    #[test]
    fn a_board_goes_out_when_it_has_changed_and_its_interval_has_passed() {
        let limits = BroadcastLimits::default();
        let mut board = BoardFold::default();
        assert!(board.cut(at(0), &after(9), &limits).is_none());
        board.push(update(1, 1), &limits);
        assert!(board.cut(at(0), &after(9), &limits).is_some());
        board.push(update(2, 2), &limits);
        assert!(board.cut(at(249), &after(9), &limits).is_none());
        board.push(update(3, 3), &limits);
        let board_text = board.cut(at(250), &after(9), &limits).expect("due");
        let text = std::str::from_utf8(board_text.text(LiveForm::Json)).expect("JSON is UTF-8");
        assert!(text.contains(r#""players":3"#), "{text}");
        board.push(update(4, 3), &limits);
        let unchanged = board.cut(at(900), &after(9), &limits);
        assert!(unchanged.is_none(), "nothing has changed");
    }

    #[test]
    fn an_older_version_is_left_out() {
        let limits = BroadcastLimits::default();
        let mut board = BoardFold::default();
        board.push(update(5, 5), &limits);
        board.push(update(4, 4), &limits);
        assert!(board.cut(at(0), &after(9), &limits).is_some());
        assert_eq!(board.sent().map(|sent| sent.message().players), Some(5));
    }

    #[test]
    fn a_board_waits_for_the_delta_that_covers_it() {
        let limits = BroadcastLimits::default();
        let mut board = BoardFold::default();
        board.push(update(5, 5), &limits);
        assert!(board.cut(at(0), &after(4), &limits).is_none());
        assert!(board.cut(at(0), &after(5), &limits).is_some());
    }

    #[test]
    fn a_change_taken_back_before_it_went_out_is_none() {
        let limits = BroadcastLimits::default();
        let mut board = BoardFold::default();
        board.push(update(1, 1), &limits);
        assert!(board.cut(at(0), &after(9), &limits).is_some());
        board.push(update(2, 2), &limits);
        board.push(update(3, 1), &limits);
        assert!(board.cut(at(900), &after(9), &limits).is_none());
    }
}
