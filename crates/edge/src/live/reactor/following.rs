//! What a hunt's followers are sent: each change, merged or as a snapshot for whoever reads
//! slowly, never skipped.
//!
//! A socket is given nothing while the kernel still holds back what it was given before: only
//! its cursor stays, and it finds what it has missed when it comes back.

use huntcore_wire::{ServerMessage, SubscribedMessage};

use super::Reactor;
use crate::live::classes::Beginning;
use crate::live::connection::{Entry, Following, Stage};
use crate::live::slots::Key;
use crate::problem::whole_millis;

/// Followers looked at in one turn: more, and claims would wait for a tick to be sent.
const LOOKS_MAX: usize = 128;
/// Own ranks looked up in one turn.
const RANKS_MAX: usize = 128;

impl Reactor {
    /// Goes on with the crowds whose hunts have changed.
    pub(super) fn look_at_followers(&mut self) {
        for _ in 0..LOOKS_MAX {
            let Some(&crowd) = self.looking.front() else {
                return;
            };
            let Some(place) = self.hunts.next_to_look_at(crowd) else {
                self.looking.pop_front();
                continue;
            };
            let (key, connection) = self.connections.at(place).expect("followers are there");
            if connection.unsent.is_none() {
                self.follow_after_outcomes(key);
            }
        }
    }

    /// Sends a follower what it has missed, unless it waits for outcomes: its own attempt may
    /// have made the change. One that always has attempts open gets the next change anyway.
    pub(super) fn follow_after_outcomes(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.deciding > 0 && !connection.is_deferred {
            connection.is_deferred = true;
        } else {
            self.follow(key);
        }
    }

    /// Sends a follower its own frames and all that it has missed.
    pub(super) fn follow(&mut self, key: Key) {
        // Once, but for whoever is sent something that was made a while ago.
        while self.follow_one_way(key) {}
    }

    /// `true` if there is more. This is what every change costs for every socket, so nothing
    /// is looked up twice here, and what all share is not counted for each.
    fn follow_one_way(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        connection.is_deferred = false;
        let held_back = connection.unsent.is_some();
        let Following::At { crowd, cursor, .. } = &mut connection.following else {
            self.send(key);
            return false;
        };
        let crowd = self.hunts.crowd(*crowd);
        let end = crowd.end();
        let Some(way) = crowd.way(*cursor, &self.shared.making) else {
            if end.is_some_and(|end| end != *cursor) && !connection.is_waiting {
                connection.is_waiting = true;
                self.waiting.push(key);
            }
            self.send(key);
            return false;
        };
        *cursor = way.cursor;
        let is_at_end = end == Some(way.cursor);
        let taken = connection.send(&mut self.out, &way.framed, self.now);
        self.has_sent(key, taken.ok(), held_back) && !is_at_end
    }

    /// Goes on with those for whom something was being made; `false` if nothing is there now
    /// that was not.
    pub(super) fn take_made(&mut self) -> bool {
        let count = self.shared.making.count();
        if count == self.made_count {
            return false;
        }
        self.made_count = count;
        for key in std::mem::take(&mut self.waiting) {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.is_waiting = false;
            if connection.unsent.is_none() {
                self.follow_after_outcomes(key);
            }
        }
        true
    }

    /// Lets those begin that have waited for a view, or for their beginning to be made.
    pub(super) fn let_in(&mut self) {
        let mut waiting = std::mem::take(&mut self.at_the_door);
        waiting.retain(|&key| {
            let has_begun = self.begin(key);
            if has_begun && let Some(connection) = self.connections.get_mut(key) {
                connection.is_at_the_door = false;
            }
            !has_begun
        });
        waiting.append(&mut self.at_the_door);
        self.at_the_door = waiting;
    }

    /// Begins with a socket's feed if it can be; `false` if it has to wait on.
    pub(super) fn begin(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            return true;
        };
        let Following::AtTheDoor { crowd, entry } = &connection.following else {
            return true;
        };
        if matches!(connection.stage, Stage::Closing { .. }) {
            return true;
        }
        if connection.unsent.is_some() || connection.is_early {
            return false;
        }
        let (crowd_key, making) = (*crowd, &self.shared.making);
        let crowd = self.hunts.crowd(crowd_key);
        let found = match entry {
            Entry::Resume(resume) | Entry::AnewAfter(resume)
                if !self.view.position.covers(&resume.seen) =>
            {
                return false;
            }
            Entry::Resume(resume) => crowd.beginning(Some(&resume.seen), making),
            Entry::GoOn(cursor) => crowd.go_on(*cursor, making),
            Entry::AnewAfter(resume) => crowd.anew_after(&resume.seen, making),
            Entry::Anew => crowd.beginning(None, making),
        };
        // It is being made; or the hunt has just been created, and the next view has its feed.
        let Some(beginning) = found else {
            return false;
        };
        let Beginning {
            resumed,
            resume,
            tick,
            way,
        } = beginning;
        connection.following = Following::At {
            crowd: crowd_key,
            cursor: way.cursor,
            standing: crowd.add(key.index()),
        };
        connection.settled_until = self.now.after(self.shared.limits.subscribe_interval);
        let interest = crowd.class().interest().clone();
        let subscribed = ServerMessage::Subscribed(SubscribedMessage {
            server_time: self.shared.backend.now().into(),
            hunt: self.hunts.hunt(connection.hunt).id.clone(),
            player: connection.player.clone(),
            resumed,
            tick,
            resume,
            tick_ms: whole_millis(self.shared.tick),
            interest,
            own_rank: connection.rank.as_ref().and_then(|rank| rank.board),
        });
        self.out.push(connection.form, &subscribed);
        if !self.send_with(key, &way.framed) {
            return true;
        }
        let connection = self.connections.get_mut(key);
        let rank = connection.and_then(|found| found.rank.as_ref());
        if rank.is_some_and(|rank| !rank.is_queued) {
            self.tell_rank(key);
        }
        // What has changed since that beginning follows at once.
        self.follow(key);
        true
    }

    /// Tells players their own ranks, those whose turn it is.
    pub(super) fn tell_ranks(&mut self) {
        for _ in 0..RANKS_MAX {
            let Some(key) = self.ranks.next(self.now) else {
                return;
            };
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            let Some(rank) = &mut connection.rank else {
                continue;
            };
            rank.is_queued = false;
            if rank.board.is_none() {
                connection.rank = None;
                continue;
            }
            self.tell_rank(key);
        }
    }

    /// Tells a player the own rank if it has changed, together with what else was missed.
    fn tell_rank(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let (Some(rank), Some(player)) = (&mut connection.rank, &connection.player) else {
            return;
        };
        let again_at = self.now.after(self.shared.limits.rank_interval);
        self.ranks.queue(key, rank, again_at);
        // Whoever reads slowly is told the latest once there is room.
        if connection.unsent.is_some() || !matches!(connection.following, Following::At { .. }) {
            return;
        }
        let hunt = self.hunts.hunt(connection.hunt).number;
        let now = self.shared.backend.now().into();
        let Some(message) = rank.message(&self.view, self.boards, hunt, player, now) else {
            return;
        };
        self.out
            .push(connection.form, &ServerMessage::Rank(message));
        if connection.deciding == 0 {
            self.follow(key);
        } else {
            self.send(key);
        }
    }
}
