//! What sockets ask to hear, the first time and whenever that changes.

use huntcore_broadcast::Class;
use huntcore_model::{BoardName, HuntEntry, Position};
use huntcore_wire::{Interest, ProblemKind, SubscribeMessage};

use super::Reactor;
use crate::live::connection::{Connection, Entry, Following, Resume};
use crate::live::ranks::OwnRank;
use crate::live::slots::Key;
use crate::state::has_board;

impl Reactor {
    /// Takes a socket into the crowd of those who want to hear the same. Where that is refused,
    /// it goes on as it was.
    pub(super) fn subscribe(&mut self, key: Key, subscribe: SubscribeMessage) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let SubscribeMessage {
            resume,
            interest,
            own_rank,
        } = subscribe;
        if own_rank.is_some() && connection.player.is_none() {
            let detail = "one's own rank needs a player token";
            return self.complain(key, None, ProblemKind::Unauthorized, detail);
        }
        let hunt = self.hunts.hunt(connection.hunt).number;
        let entry = self.view.catalog.by_number(hunt);
        let resolution = entry.map(|entry| entry.latest_version().config.resolution);
        if let Some(Err(unknown)) = resolution.map(|resolution| interest.check(resolution)) {
            return self.complain(key, None, ProblemKind::UnknownCell, &unknown.to_string());
        }
        if let Some(unknown) = entry.and_then(|entry| unknown_board(entry, &interest, own_rank)) {
            let detail = format!("the hunt has no board {unknown}");
            return self.complain(key, None, ProblemKind::UnknownBoard, &detail);
        }
        let class = Class::new(connection.form, interest.clone());
        let hunt = connection.hunt;
        let classes = &self.shared.classes;
        let merge_over = self.shared.limits.merge_ticks_over;
        let joined = self
            .hunts
            .join(hunt, class, classes, merge_over, &self.view);
        let Ok(crowd) = joined else {
            let detail = "this hunt's sockets have as many interests of their own as they may";
            return self.complain(key, None, ProblemKind::TooManyInterests, detail);
        };
        let hears_same = connection.crowd().is_some_and(|old| {
            let old = self.hunts.crowd(old).class().interest();
            old.shows_same_claims(&interest)
        });
        let connection = self.connections.get_mut(key).expect("found above");
        let is_first = matches!(connection.following, Following::Outside);
        connection.want_rank(own_rank);
        let entry = match self.stop_following(key) {
            Following::Outside => self.first_entry(resume.and_then(|resume| resume.parse().ok())),
            Following::AtTheDoor { entry, .. } if hears_same => entry,
            Following::At { cursor, .. } if hears_same => Entry::GoOn(cursor),
            // It asks for other claims now, and has still seen what it has seen (I6).
            Following::AtTheDoor {
                entry: Entry::Resume(resume) | Entry::AnewAfter(resume),
                ..
            } => Entry::AnewAfter(resume),
            Following::AtTheDoor { .. } | Following::At { .. } => Entry::Anew,
        };
        let connection = self.connections.get_mut(key).expect("found above");
        connection.following = Following::AtTheDoor { crowd, entry };
        connection.is_early = !is_first && self.now < connection.settled_until;
        let deadline = connection.deadline(&self.shared.limits);
        self.wheel.set(key.index(), deadline);
        // What was answered before comes before it.
        self.send(key);
        if !self.begin(key)
            && let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.is_at_the_door, true)
        {
            self.at_the_door.push(key);
        }
    }

    fn first_entry(&self, seen: Option<Position>) -> Entry {
        let wait_until = self.now.after(self.shared.limits.resume_wait);
        seen.map_or(Entry::Anew, |seen| {
            Entry::Resume(Box::new(Resume { seen, wait_until }))
        })
    }
}

/// A board that is asked for and that the hunt has not.
fn unknown_board(
    entry: &HuntEntry,
    interest: &Interest,
    own_rank: Option<BoardName>,
) -> Option<BoardName> {
    let asked = match interest {
        Interest::Boards(boards) => boards.as_slice(),
        Interest::Everything | Interest::Cells(_) => &[],
    };
    let mut asked = asked.iter().copied().chain(own_rank);
    asked.find(|&name| !has_board(entry, name))
}

impl Connection {
    /// Takes note of the board on which it wants to hear of its own rank.
    fn want_rank(&mut self, board: Option<BoardName>) {
        if board.is_some() {
            let rank = self.rank.get_or_insert_with(Box::<OwnRank>::default);
            rank.board = board;
            rank.forget();
        } else if let Some(rank) = &mut self.rank {
            // It stands in a queue, and goes when it is its turn.
            rank.board = None;
        }
    }
}
