//! One live socket: an entry in a reactor's slab.
//!
//! While it is quiet it is this struct and nothing else: no task, channel, timer or buffer.
//! Part of a message that is still coming in, or of what the kernel does not take yet, is
//! kept in a box for as long as it is there, and both are bounded (I8).

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

use bytes::{Buf, Bytes};
use huntcore_broadcast::Cursor;
use huntcore_capacity::Work;
use huntcore_model::{OutcomeKind, PlayerId, Position};
use huntcore_wire::{LiveForm, ServerMessage};
use mio::net::TcpStream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::classes::kind;
use super::door::Place;
use super::farewell::Farewell;
use super::frames::push_header;
use super::hunts::{CrowdKey, HuntIndex};
use super::ranks::OwnRank;
use super::wheel::Tick;
use crate::config::Limits;
use crate::counts::Unanswered;

/// Messages read while the peer takes nothing: each may cost a pong or an error in answer.
const READ_WHILE_STALLED_MAX: u32 = 64;
/// Silences of one ping interval, before the peer is taken to be gone.
const SILENCES_MAX: u32 = 3;
/// Pieces that one system call hands to the kernel.
const PIECES_MAX: usize = 16;

/// See the module.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) form: LiveForm,
    pub(super) hunt: HuntIndex,
    /// Nobody, for those who only watch.
    pub(super) player: Option<PlayerId>,
    pub(super) following: Following,
    /// Whom it asked for its own rank, for as long as that is remembered.
    pub(super) rank: Option<Box<OwnRank>>,
    /// Until then no other interest is answered.
    pub(super) settled_until: Tick,
    /// Every attempt read and not yet told the outcome of.
    pub(super) unanswered: Unanswered,
    /// How many of those the arbiters have.
    pub(super) deciding: u32,
    pub(super) partial: Option<Box<Partial>>,
    pub(super) unsent: Option<Box<Unsent>>,
    pub(super) stage: Stage,
    pub(super) heard_at: Tick,
    pub(super) expires_at: Tick,
    /// Until when it has to send its first message.
    pub(super) speak_by: Tick,
    pub(super) silences: u32,
    pub(super) bad_messages: u32,
    /// The kernel may hold something to be read, for all that is known.
    pub(super) is_readable: bool,
    /// The peer has ended its side: the end comes after what is still to be read.
    pub(super) is_ending: bool,
    /// Reading waits for room, and not for the peer.
    pub(super) is_paused: bool,
    /// A change has come, and waits for the outcomes that belong before it.
    pub(super) is_deferred: bool,
    /// It is in the list of those at the door.
    pub(super) is_at_the_door: bool,
    /// What it has missed is being made.
    pub(super) is_waiting: bool,
    /// It has changed its interest before it may.
    pub(super) is_early: bool,
    /// It cannot be written to, and is about to be removed.
    pub(super) is_broken: bool,
    pub(super) _place: Place,
    pub(super) _running: TaskTrackerToken,
}

/// How far it has been sent its hunt's feed.
pub(super) enum Following {
    /// It has not asked for it.
    Outside,
    /// It has, and has not been answered.
    AtTheDoor { crowd: CrowdKey, entry: Entry },
    /// It has been sent everything up to here.
    At {
        crowd: CrowdKey,
        cursor: Cursor,
        /// Where it stands among its crowd's followers.
        standing: u32,
    },
}

/// How a socket comes to be sent a feed.
pub(super) enum Entry {
    /// From a snapshot on.
    Anew,
    /// From where it was on another connection.
    Resume(Box<Resume>),
    /// From a snapshot on that shows no less than it has seen on another connection.
    AnewAfter(Box<Resume>),
    /// From where it was in another crowd.
    GoOn(Cursor),
}

/// Where a client was before. The process that it was connected to may have been ahead of
/// this one: going on at once would take its boards back (I6).
pub(super) struct Resume {
    pub(super) seen: Position,
    pub(super) wait_until: Tick,
}

/// What came in and is not a whole message yet, or has to wait.
#[derive(Default)]
pub(super) struct Partial {
    /// As it came, mask and all.
    pub(super) raw: Vec<u8>,
    /// The fragments of a message that is not at its end.
    pub(super) fragments: Option<Vec<u8>>,
}

/// What the kernel has not taken, and what follows from it.
pub(super) struct Unsent {
    pieces: VecDeque<Bytes>,
    /// Since when something has been held back.
    since: Tick,
    /// Outcomes in it: told once all of it is taken.
    told: Vec<OutcomeKind>,
    messages_read: u32,
}

/// How far its end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// The server stops: at this time nothing is read any more, and goodbye is said.
    Leaving(Tick),
    /// That time has come, but not all outcomes have been told.
    Finishing,
    /// Goodbye is said. What the peer still sends is read and thrown away, so that the kernel
    /// does not reset the connection, and with it the goodbye, for bytes that nobody read.
    Closing {
        until: Tick,
        lingered: usize,
    },
}

/// What a socket is given in one go.
#[derive(Default)]
pub(super) struct Out {
    /// Its own frames.
    pub(super) bytes: Vec<u8>,
    /// Outcomes among them.
    pub(super) told: Vec<OutcomeKind>,
    /// Frames of the hunts' feeds that sockets were given and that are not yet counted in.
    pub(super) fanned_out: Work,
    /// Writes of sockets' own frames, likewise.
    pub(super) own: Work,
}

impl Out {
    /// Appends a message of one frame.
    pub(super) fn push(&mut self, form: LiveForm, message: &ServerMessage) {
        let bytes = message.encode(form);
        push_header(&mut self.bytes, kind(form), bytes.len());
        self.bytes.extend_from_slice(&bytes);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.told.clear();
    }
}

/// What time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// It has waited long enough for a view that covers what it has seen.
    Begin,
    /// The server stops, and it is this one's turn.
    Leave,
    Close(Farewell),
    /// It has been given time to hang up.
    Remove,
}

impl Connection {
    /// Whether there is room for what another message may cost (I8); until there is, it
    /// waits in the peer's own buffers.
    pub(super) fn may_read(&self, limits: &Limits) -> bool {
        let stalled = |unsent: &Unsent| unsent.messages_read >= READ_WHILE_STALLED_MAX;
        matches!(self.stage, Stage::Serving | Stage::Leaving(_))
            && !self.is_broken
            && self.unanswered.open() < limits.socket_attempts_max as u64
            && !self.unsent.as_deref().is_some_and(stalled)
    }

    /// Takes note of a whole message.
    pub(super) fn heard_message(&mut self) {
        // Whatever is read may be answered, and whoever takes no answers is not read for long.
        if let Some(unsent) = &mut self.unsent {
            unsent.messages_read += 1;
        }
    }

    /// Reads into `room`; `Ok(0)` is the end, `WouldBlock` that there is no more for now.
    pub(super) fn read(&mut self, room: &mut [u8], now: Tick) -> io::Result<usize> {
        loop {
            match self.stream.read(room) {
                Ok(count) => {
                    self.heard_at = now;
                    self.silences = 0;
                    // Less than asked for is all there was, unless the end comes after it.
                    self.is_readable = count == room.len() || self.is_ending;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_readable = false;
                    return Err(error);
                }
            }
        }
    }

    /// Gives the socket its own frames and then `shared` ones. What the kernel does not take
    /// at once is kept, and `false` says so. Outcomes are told once the kernel has all of them.
    pub(super) fn send(&mut self, out: &mut Out, shared: &[Bytes], now: Tick) -> io::Result<bool> {
        let total = out.bytes.len() + shared.iter().map(Bytes::len).sum::<usize>();
        if total == 0 || self.is_broken {
            return Ok(self.unsent.is_none() && !self.is_broken);
        }
        out.fanned_out.messages += shared.len() as u64;
        out.fanned_out.bytes += (total - out.bytes.len()) as u64;
        out.own.messages += u64::from(!out.bytes.is_empty());
        out.own.bytes += out.bytes.len() as u64;
        let taken = match &self.unsent {
            Some(_) => 0,
            None => {
                let own = std::iter::once(out.bytes.as_slice());
                let pieces = own.chain(shared.iter().map(|piece| &piece[..]));
                let written = write(&mut self.stream, &pieces, total);
                self.is_broken = written.is_err();
                written?
            }
        };
        if taken == total {
            self.tell(&mut out.told);
            out.bytes.clear();
            return Ok(true);
        }
        let unsent = self.unsent.get_or_insert_with(|| {
            Box::new(Unsent {
                pieces: VecDeque::new(),
                since: now,
                told: Vec::new(),
                messages_read: 0,
            })
        });
        unsent.told.append(&mut out.told);
        let own_taken = taken.min(out.bytes.len());
        if own_taken < out.bytes.len() {
            unsent
                .pieces
                .push_back(Bytes::copy_from_slice(&out.bytes[own_taken..]));
        }
        let mut shared_taken = taken - own_taken;
        for piece in shared {
            let of_piece = shared_taken.min(piece.len());
            shared_taken -= of_piece;
            if of_piece < piece.len() {
                unsent.pieces.push_back(piece.slice(of_piece..));
            }
        }
        out.bytes.clear();
        Ok(false)
    }

    /// Gives the kernel what it has not taken; `true` once nothing is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Some(unsent) = &mut self.unsent else {
            return Ok(true);
        };
        let total = unsent.pieces.iter().map(Bytes::len).sum();
        let pieces = unsent.pieces.iter().map(|piece| &piece[..]);
        let mut taken = write(&mut self.stream, &pieces, total)?;
        let is_all = taken == total;
        while let Some(first) = unsent.pieces.front_mut() {
            if taken < first.len() {
                first.advance(taken);
                break;
            }
            taken -= first.len();
            unsent.pieces.pop_front();
        }
        if is_all && let Some(mut unsent) = self.unsent.take() {
            self.tell(&mut unsent.told);
        }
        Ok(is_all)
    }

    /// Ends the writing side.
    pub(super) fn shut_down(&self) {
        // The peer may be gone; then there is nobody to be told.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// When it is to be looked at again, whatever happens on it.
    pub(super) fn deadline(&self, limits: &Limits) -> Tick {
        let slow = self.slow_at(limits);
        match self.stage {
            Stage::Closing { until, .. } => until,
            Stage::Finishing => slow,
            Stage::Serving | Stage::Leaving(_) => {
                let leave = match self.stage {
                    Stage::Leaving(at) => at,
                    _ => Tick::NEVER,
                };
                let rest = [
                    slow,
                    leave,
                    self.begins_at(),
                    self.expires_at,
                    self.speak_by,
                ];
                rest.into_iter().fold(self.ping_at(limits), Tick::min)
            }
        }
    }

    /// What time asks for at `now`.
    pub(super) fn due(&mut self, now: Tick, limits: &Limits) -> Due {
        match self.stage {
            Stage::Closing { until, .. } if now >= until => return Due::Remove,
            Stage::Closing { .. } => return Due::Nothing,
            Stage::Finishing | Stage::Leaving(_) | Stage::Serving => {}
        }
        if now >= self.slow_at(limits) {
            return Due::Close(Farewell::SLOW);
        }
        match self.stage {
            Stage::Leaving(at) if now >= at => return Due::Leave,
            Stage::Finishing => return Due::Nothing,
            Stage::Serving | Stage::Leaving(_) | Stage::Closing { .. } => {}
        }
        if now >= self.expires_at {
            return Due::Close(Farewell::EXPIRED);
        }
        if now >= self.speak_by {
            return Due::Close(Farewell::MUTE);
        }
        if now >= self.begins_at() {
            self.is_early = false;
            if let Following::AtTheDoor { entry, .. } = &mut self.following
                && matches!(entry, Entry::Resume(resume) | Entry::AnewAfter(resume)
                    if now >= resume.wait_until)
            {
                // What the client has seen is of another log, or too far ahead, and what it
                // made of that must not stay.
                *entry = Entry::Anew;
            }
            return Due::Begin;
        }
        if now >= self.ping_at(limits) {
            self.silences += 1;
            return if self.silences >= SILENCES_MAX {
                Due::Close(Farewell::SILENT)
            } else {
                Due::Ping
            };
        }
        Due::Nothing
    }

    /// The crowd that it is in, or wants to be in.
    pub(super) const fn crowd(&self) -> Option<CrowdKey> {
        match self.following {
            Following::Outside => None,
            Following::AtTheDoor { crowd, .. } | Following::At { crowd, .. } => Some(crowd),
        }
    }

    /// When it begins for no other reason than time.
    fn begins_at(&self) -> Tick {
        match &self.following {
            Following::AtTheDoor { .. } if self.is_early => self.settled_until,
            Following::AtTheDoor {
                entry: Entry::Resume(resume) | Entry::AnewAfter(resume),
                ..
            } => resume.wait_until,
            _ => Tick::NEVER,
        }
    }

    fn slow_at(&self, limits: &Limits) -> Tick {
        let since = self.unsent.as_ref().map(|unsent| unsent.since);
        since.map_or(Tick::NEVER, |since| since.after(limits.slow_client_timeout))
    }

    fn ping_at(&self, limits: &Limits) -> Tick {
        self.heard_at
            .after(limits.ping_interval * (self.silences + 1))
    }

    fn tell(&mut self, told: &mut Vec<OutcomeKind>) {
        for kind in told.drain(..) {
            self.unanswered.tell(kind);
        }
    }
}

/// Writes pieces until all are taken or the kernel takes no more; says how many bytes it took.
fn write<'a>(
    stream: &mut TcpStream,
    pieces: &(impl Iterator<Item = &'a [u8]> + Clone),
    total: usize,
) -> io::Result<usize> {
    let mut taken = 0;
    while taken < total {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        let mut skip = taken;
        for piece in pieces.clone() {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            slices[count] = IoSlice::new(&piece[skip..]);
            skip = 0;
            count += 1;
            if count == PIECES_MAX {
                break;
            }
        }
        let written = match &slices[..count] {
            [only] => stream.write(only),
            several => stream.write_vectored(several),
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
