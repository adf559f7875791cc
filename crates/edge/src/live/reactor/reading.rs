//! What sockets send: frames, messages, attempts.

use std::borrow::Cow;
use std::io;
use std::ops::ControlFlow;

use huntcore_model::OutcomeKind;
use huntcore_wire::{
    CLAIM_ID_BYTES_MAX, ClaimText, ClientMessage, ErrorMessage, LiveForm, OutcomeText, ProblemKind,
    ServerMessage,
};
use serde::Deserialize;

use super::Reactor;
use crate::extract::{NOT_AN_OBJECT, is_array};
use crate::live::classes::kind;
use crate::live::connection::{Partial, Stage};
use crate::live::farewell::Farewell;
use crate::live::frames::{self, Kind, Message, Read, push_control};
use crate::live::slots::Key;
use crate::live::wheel::Tick;
use crate::problem::whole_millis;
use crate::rate::TooFast;

/// Messages that are no messages, before the peer is taken to be no client of ours.
const BAD_MESSAGES_MAX: u32 = 64;
/// Answers are sent once they are as many bytes, be there more to read or not.
const ANSWERED_BYTES_MAX: usize = 8 << 10;
/// Times that one socket is read before the others have their turn.
const READS_MAX: usize = 4;
/// Reads this much of what a peer still sends after goodbye.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// On, or to the end; without a farewell if the peer is gone.
type Flow = ControlFlow<Option<Farewell>>;

/// What became of a socket's bytes in one go.
enum Pumped {
    /// There is no more for now.
    Dry,
    /// There is more, and it is the others' turn.
    Again,
    /// Reading stops until there is room.
    Paused,
    /// As many as are left of the socket's bytes do not matter any more.
    Ended(Option<Farewell>),
}

impl Reactor {
    /// Reads a socket for as long as there is something, and room for it.
    pub(super) fn read(&mut self, key: Key) {
        match self.connections.get_mut(key).map(|found| found.stage) {
            None => return,
            Some(Stage::Closing { .. }) => return self.linger(key),
            Some(Stage::Serving | Stage::Leaving(_) | Stage::Finishing) => {}
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let pumped = self.pump(key, &mut scratch);
        self.scratch = scratch;
        match pumped {
            Pumped::Dry => self.send(key),
            Pumped::Again => {
                self.send(key);
                self.again.push(key);
            }
            Pumped::Paused => {
                self.send(key);
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.is_paused = true;
                    if connection.may_read(&self.shared.limits) {
                        // The kernel may have made room just now, and then no event will come.
                        if self.asks.has_room() || self.asks.is_stuck() {
                            connection.is_paused = false;
                            self.again.push(key);
                        } else {
                            self.starved.push(key);
                        }
                    }
                }
            }
            Pumped::Ended(Some(farewell)) => self.close(key, farewell),
            Pumped::Ended(None) => self.remove(key),
        }
    }

    /// Turns bytes into messages until one of the reasons to stop. Bytes that are not used up
    /// are kept with the socket: less than a frame, or what a pause leaves of one read.
    fn pump(&mut self, key: Key, scratch: &mut Vec<u8>) -> Pumped {
        let read_bytes_max = self.read_bytes_max();
        let message_bytes_max = self.shared.limits.message_bytes_max;
        let Some(connection) = self.connections.get_mut(key) else {
            return Pumped::Dry;
        };
        connection.is_paused = false;
        let messages = kind(connection.form);
        let mut fragments = None;
        let mut end = 0;
        if let Some(partial) = connection.partial.take() {
            end = partial.raw.len();
            if scratch.len() < end + read_bytes_max {
                scratch.resize(end + read_bytes_max, 0);
            }
            scratch[..end].copy_from_slice(&partial.raw);
            fragments = partial.fragments;
        }
        if scratch.len() < 2 * read_bytes_max {
            scratch.resize(2 * read_bytes_max, 0);
        }
        let mut start = 0;
        let mut reads = 0;
        let pumped = loop {
            if !self.may_read(key) {
                break Pumped::Paused;
            }
            let unread = &mut scratch[start..end];
            match frames::read(unread, &mut fragments, messages, message_bytes_max) {
                Err(violation) => break Pumped::Ended(Some(violation.into())),
                Ok(Read::Frame { length, message }) => {
                    start += length;
                    if let Some(message) = message
                        && let ControlFlow::Break(farewell) = self.on_message(key, message)
                    {
                        break Pumped::Ended(farewell);
                    }
                    if self.out.bytes.len() >= ANSWERED_BYTES_MAX {
                        self.send(key);
                    }
                    continue;
                }
                Ok(Read::Incomplete) => {}
            }
            let connection = self.connections.get_mut(key).expect("found above");
            if !connection.is_readable {
                break Pumped::Dry;
            }
            if reads == READS_MAX {
                break Pumped::Again;
            }
            if start > 0 {
                scratch.copy_within(start..end, 0);
                end -= start;
                start = 0;
            }
            match connection.read(&mut scratch[end..end + read_bytes_max], self.now) {
                Ok(0) => break Pumped::Ended(None),
                Ok(count) => end += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Pumped::Dry,
                Err(_) => break Pumped::Ended(None),
            }
            reads += 1;
        };
        if start < end || fragments.is_some() {
            let connection = self.connections.get_mut(key).expect("found above");
            connection.partial = Some(Box::new(Partial {
                raw: scratch[start..end].to_vec(),
                fragments,
            }));
        }
        pumped
    }

    /// Whether there is room for what another message may cost, here and at the arbiters.
    fn may_read(&mut self, key: Key) -> bool {
        let connection = self
            .connections
            .get_mut(key)
            .expect("whoever is read is there");
        connection.may_read(&self.shared.limits) && (self.asks.has_room() || self.asks.is_stuck())
    }

    fn on_message(&mut self, key: Key, message: Message<'_>) -> Flow {
        let connection = self
            .connections
            .get_mut(key)
            .expect("whoever is read is there");
        connection.heard_message();
        match message {
            Message::Text(text) => {
                connection.speak_by = Tick::NEVER;
                self.on_text(key, &text)
            }
            Message::Binary(bytes) => {
                connection.speak_by = Tick::NEVER;
                self.on_binary(key, &bytes)
            }
            Message::Ping(payload) => {
                push_control(&mut self.out.bytes, Kind::Pong, payload);
                Flow::Continue(())
            }
            Message::Pong => Flow::Continue(()),
            Message::Close(code) => Flow::Break(Some(Farewell::echo(code))),
        }
    }

    fn on_text(&mut self, key: Key, text: &str) -> Flow {
        if let Some(claim) = ClaimText::read(text) {
            self.on_claim(key, &claim);
            return Flow::Continue(());
        }
        if is_array(text.as_bytes()) {
            return self.on_bad_message(key, "", NOT_AN_OBJECT);
        }
        match ClientMessage::from_json(text) {
            Ok(message) => self.on_client_message(key, message),
            Err(fault) => return self.on_bad_message(key, text, &fault.to_string()),
        }
        Flow::Continue(())
    }

    fn on_binary(&mut self, key: Key, bytes: &[u8]) -> Flow {
        if let Some(claim) = ClaimText::read_proto(bytes) {
            self.on_claim(key, &claim);
            return Flow::Continue(());
        }
        match ClientMessage::decode(LiveForm::Proto, bytes) {
            Ok(message) => self.on_client_message(key, message),
            Err(fault) => return self.on_bad_message(key, "", &fault.to_string()),
        }
        Flow::Continue(())
    }

    fn on_client_message(&mut self, key: Key, message: ClientMessage) {
        match message {
            ClientMessage::Claim(claim) => self.on_claim(key, &(&claim).into()),
            ClientMessage::Subscribe(subscribe) => self.subscribe(key, subscribe),
        }
    }

    fn on_claim(&mut self, key: Key, claim: &ClaimText<'_>) {
        let connection = self
            .connections
            .get_mut(key)
            .expect("whoever is read is there");
        let Some(player) = &connection.player else {
            let detail = "claiming needs a player token";
            return self.complain(key, Some(claim.id), ProblemKind::Unauthorized, detail);
        };
        connection.unanswered.receive(1);
        let refused = if let Err(TooFast(wait)) = self.shared.players.check(player) {
            let wait = Some(whole_millis(wait));
            OutcomeText::refused(*claim, OutcomeKind::RateLimited, wait)
        } else if self.asks.has_room() {
            let hunt = self.hunts.hunt(connection.hunt).number;
            self.asks.ask(key, hunt, player.as_str(), claim, self.now);
            connection.deciding += 1;
            return;
        } else {
            let now = self.shared.backend.now();
            OutcomeText::of_outcome(*claim, &huntcore_model::Outcome::Overloaded, now)
        };
        let form = connection.form;
        self.push_outcome(form, &refused, self.shared.backend.now());
    }

    fn on_bad_message(&mut self, key: Key, text: &str, fault: &str) -> Flow {
        #[derive(Default, Deserialize)]
        struct Sketch<'a> {
            #[serde(rename = "type", default, borrow)]
            kind: Option<Cow<'a, str>>,
            #[serde(default, borrow)]
            id: Option<Cow<'a, str>>,
        }
        let sketch: Sketch<'_> = serde_json::from_str(text).unwrap_or_default();
        let connection = self
            .connections
            .get_mut(key)
            .expect("whoever is read is there");
        connection.bad_messages += 1;
        let is_last = connection.bad_messages >= BAD_MESSAGES_MAX;
        let kind = if sketch.kind.as_deref() == Some("claim") && connection.player.is_some() {
            // It was meant as an attempt, and is accounted for as one (I10).
            self.shared.counts.receive(1).tell(OutcomeKind::Invalid);
            ProblemKind::Invalid
        } else {
            ProblemKind::Malformed
        };
        self.complain(key, sketch.id.as_deref(), kind, fault);
        if is_last {
            return Flow::Break(Some(Farewell::UNREADABLE));
        }
        Flow::Continue(())
    }

    pub(super) fn complain(&mut self, key: Key, id: Option<&str>, kind: ProblemKind, detail: &str) {
        let message = ServerMessage::Error(ErrorMessage {
            server_time: self.shared.backend.now().into(),
            id: id
                .filter(|id| id.len() <= CLAIM_ID_BYTES_MAX)
                .map(str::to_owned),
            code: kind.name().to_owned(),
            detail: detail.to_owned(),
        });
        let form = self.connections.get_mut(key).map(|found| found.form);
        self.out.push(form.unwrap_or_default(), &message);
    }

    /// Throws away what a peer still sends, until it hangs up.
    fn linger(&mut self, key: Key) {
        let read_bytes_max = self.read_bytes_max();
        if self.scratch.len() < read_bytes_max {
            self.scratch.resize(read_bytes_max, 0);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Stage::Closing {
            until,
            mut lingered,
        } = connection.stage
        else {
            return;
        };
        let has_gone = loop {
            if lingered >= LINGER_BYTES_MAX {
                break true;
            }
            match connection.read(&mut self.scratch[..read_bytes_max], self.now) {
                Ok(0) => break true,
                Ok(count) => lingered += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        connection.stage = Stage::Closing { until, lingered };
        if has_gone {
            self.remove(key);
        }
    }
}
