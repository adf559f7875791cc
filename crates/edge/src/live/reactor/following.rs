//! What a hunt's followers are sent: each change, merged or as a snapshot for whoever reads
//! slowly, never skipped.
//!
//! A socket is given nothing while the kernel still holds back what it was given before: only
//! its cursor stays, and it finds what it has missed when it comes back.

use std::sync::Arc;

use huntcore_wire::{Interest, ServerMessage, SubscribedMessage};

use super::Reactor;
use crate::live::connection::{Following, Stage};
use crate::live::hunts::{Beginning, begin};
use crate::live::slots::Key;
use crate::problem::whole_millis;

/// Followers looked at in one turn: more, and claims would wait for a tick to be sent.
const LOOKS_MAX: usize = 128;

impl Reactor {
    /// Goes on with the followers of hunts that have changed.
    pub(super) fn look_at_followers(&mut self) {
        for _ in 0..LOOKS_MAX {
            let Some(&hunt) = self.looking.front() else {
                return;
            };
            let Some(place) = self.hunts.get(hunt).next_to_look_at() else {
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
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.is_deferred = false;
        let merge_over = self.shared.limits.merge_ticks_over;
        let way = match &mut connection.following {
            Following::At { cursor, .. } => {
                let way = self.hunts.get(connection.hunt).way(cursor, merge_over);
                way.map(|way| {
                    *cursor = way.cursor;
                    way.framed
                })
            }
            Following::Outside | Following::AtTheDoor(_) => None,
        };
        self.send_with(key, way.as_deref().unwrap_or_default());
    }

    /// Lets those begin that have waited for a view.
    pub(super) fn let_in(&mut self) {
        let mut waiting = std::mem::take(&mut self.at_the_door);
        waiting.retain(|&key| !self.begin(key));
        waiting.append(&mut self.at_the_door);
        self.at_the_door = waiting;
    }

    /// Begins with a socket's feed if it can be; `false` if it has to wait on.
    pub(super) fn begin(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            return true;
        };
        let Following::AtTheDoor(resume) = &connection.following else {
            return true;
        };
        if matches!(connection.stage, Stage::Closing { .. }) {
            return true;
        }
        let waits = |seen| !self.view.position.covers(seen);
        if connection.unsent.is_some() || resume.as_ref().is_some_and(|resume| waits(&resume.seen))
        {
            return false;
        }
        let hunt = self.hunts.get(connection.hunt);
        let beginning = match (resume, hunt.feed().map(Arc::clone)) {
            // A hunt that has just been created has no feed yet; the next view may have one.
            (_, None) => return false,
            (Some(resume), Some(feed)) => begin(&feed, Some(&resume.seen)),
            (None, Some(_)) => hunt.beginning().expect("it has a feed"),
        };
        let Beginning {
            resumed,
            resume,
            tick,
            way,
        } = beginning;
        connection.following = Following::At {
            cursor: way.cursor,
            standing: hunt.add(key.index()),
        };
        let subscribed = ServerMessage::Subscribed(SubscribedMessage {
            server_time: self.shared.backend.now().into(),
            hunt: hunt.id.clone(),
            player: connection.player.clone(),
            resumed,
            tick,
            resume,
            tick_ms: whole_millis(self.shared.tick),
            interest: Interest::Everything,
            own_rank: None,
        });
        let text = subscribed.to_json();
        self.out.push_text(&text);
        self.send_with(key, &way.framed);
        // Whoever resumes goes on with the changes since then at once.
        if resumed
            && self
                .connections
                .get_mut(key)
                .is_some_and(|found| found.unsent.is_none())
        {
            self.follow(key);
        }
        true
    }
}
