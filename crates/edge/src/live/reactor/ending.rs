//! Sending, time, and the ends of sockets.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Reactor;
use crate::jitter;
use crate::live::connection::{Due, Following, Stage};
use crate::live::farewell::Farewell;
use crate::live::frames::{Kind, push_close, push_control};
use crate::live::slots::Key;

impl Reactor {
    /// Sends a socket its own frames.
    pub(super) fn send(&mut self, key: Key) {
        if !self.out.bytes.is_empty() {
            self.send_with(key, &[]);
        }
    }

    /// Sends a socket its own frames and then `shared` ones; `false` if the kernel did not take
    /// all of them.
    pub(super) fn send_with(&mut self, key: Key, shared: &[Bytes]) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            self.out.clear();
            return false;
        };
        let held_back = connection.unsent.is_some();
        let taken = connection.send(&mut self.out, shared, self.now).ok();
        self.has_sent(key, taken, held_back)
    }

    /// Takes note of what came of sending to a socket: whether the kernel took all, or nothing
    /// if the socket is broken; and whether it was held back before.
    pub(super) fn has_sent(&mut self, key: Key, taken: Option<bool>, held_back: bool) -> bool {
        self.out.clear();
        match taken {
            Some(true) => true,
            Some(false) => {
                if !held_back && let Some(connection) = self.connections.get_mut(key) {
                    let deadline = connection.deadline(&self.shared.limits);
                    self.wheel.set(key.index(), deadline);
                }
                false
            }
            None => {
                self.broken.push(key);
                false
            }
        }
    }

    /// Gives the kernel what it has not taken, and goes on once it has all.
    pub(super) fn flush(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        match connection.flush() {
            Err(_) => self.remove(key),
            Ok(false) => {}
            Ok(true) => {
                if matches!(connection.stage, Stage::Closing { .. }) {
                    return connection.shut_down();
                }
                match connection.following {
                    Following::At { .. } => self.follow_after_outcomes(key),
                    Following::AtTheDoor { .. } => {
                        self.begin(key);
                    }
                    Following::Outside => {}
                }
                self.go_on(key);
            }
        }
    }

    /// Looks after all whose alarms have gone off.
    pub(super) fn take_alarms(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(self.now, &mut due);
        for place in due.drain(..) {
            let Some((key, _)) = self.connections.at(place) else {
                continue;
            };
            self.take_alarm(key);
            if let Some(connection) = self.connections.get_mut(key) {
                let deadline = connection.deadline(&self.shared.limits);
                self.wheel.set(place, deadline);
            }
        }
        self.due = due;
    }

    fn take_alarm(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        match connection.due(self.now, &self.shared.limits) {
            Due::Nothing => {}
            Due::Ping => {
                push_control(&mut self.out.bytes, Kind::Ping, b"");
                self.send(key);
            }
            Due::Begin => {
                self.begin(key);
            }
            Due::Leave => self.leave(key),
            Due::Close(farewell) => self.close(key, farewell),
            Due::Remove => self.remove(key),
        }
    }

    /// The server stops: each socket gets a time to go, drawn by lot. Until then it is served
    /// like before.
    pub(super) fn begin_leaving(&mut self) {
        let keys = self.connections.keys();
        let spread = self.shared.limits.leaving_spread(keys.len());
        for key in keys {
            let at = self.now.after(jitter::below(spread));
            let connection = self.connections.get_mut(key).expect("just listed");
            if connection.stage == Stage::Serving {
                connection.stage = Stage::Leaving(at);
                self.wheel.set(key.index(), at);
            }
        }
    }

    /// Says goodbye to a socket whose time to go has come, once it has heard all outcomes.
    pub(super) fn leave(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.unanswered.open() == 0 && connection.unsent.is_none() {
            self.close(key, Farewell::stopping());
        } else {
            connection.stage = Stage::Finishing;
        }
    }

    /// Says goodbye and waits for the peer to hang up, for a bounded time.
    ///
    /// The peer's own close frame is not waited for: whoever gets ours and then the end of
    /// the stream knows all there is to know.
    pub(super) fn close(&mut self, key: Key, farewell: Farewell) {
        push_close(&mut self.out.bytes, farewell.code, farewell.reason);
        if farewell.is_of_slow_client() {
            self.shared.counts.slow_client();
        }
        let until = self.now.after(self.shared.limits.close_timeout);
        self.stop_following(key);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.stage = Stage::Closing { until, lingered: 0 };
        connection.partial = None;
        connection.is_paused = false;
        self.wheel.set(key.index(), until);
        self.send(key);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.unsent.is_none() {
            connection.shut_down();
        }
        // Bytes that were there before would cause no event.
        self.again.push(key);
    }

    /// Ends a socket here and now. Attempts without an outcome count as lost.
    pub(super) fn remove(&mut self, key: Key) {
        self.stop_following(key);
        if self.connections.remove(key).is_some() {
            self.wheel.clear(key.index());
            self.handle.sockets.fetch_sub(1, Ordering::Relaxed);
        }
        self.out.clear();
    }

    /// Ends the sockets that could not be written to. Not before now: whoever sends may still
    /// have something to do with the socket.
    pub(super) fn remove_broken(&mut self) {
        while let Some(key) = self.broken.pop() {
            self.remove(key);
        }
    }

    /// Takes a socket out of its crowd; says how far it had been sent the feed.
    pub(super) fn stop_following(&mut self, key: Key) -> Following {
        let Some(connection) = self.connections.get_mut(key) else {
            return Following::Outside;
        };
        let following = std::mem::replace(&mut connection.following, Following::Outside);
        match following {
            Following::Outside => {}
            Following::AtTheDoor { crowd, .. } => self.hunts.leave(crowd),
            Following::At {
                crowd, standing, ..
            } => {
                let moved = self.hunts.crowd(crowd).remove(standing);
                self.hunts.leave(crowd);
                if let Some(moved) = moved {
                    let (moved, _) = self.connections.at(moved).expect("followers are there");
                    let moved = self.connections.get_mut(moved).expect("just found");
                    if let Following::At { standing: its, .. } = &mut moved.following {
                        *its = standing;
                    }
                }
            }
        }
        following
    }
}
