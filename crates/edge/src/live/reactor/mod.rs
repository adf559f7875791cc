//! A reactor: one thread, one epoll instance, and every socket that was handed to it.
//!
//! Each turn of its loop takes in what has happened, in an order that matters: the newest
//! view first and outcomes second, so that no socket is sent a change before the outcome of
//! its own attempt that made it. Then it reads, hands in all attempts that it has read, and
//! goes on with what its followers are owed, a bounded number of them in each turn: a tick
//! that thousands follow does not hold up anybody's claim.
//!
//! It reads no state of the backend but views, and it never waits for anything but epoll.

mod ending;
mod following;
mod reading;
mod subscribing;
mod telling;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use huntcore_lane::Lane;
use huntcore_model::TimeMicros;
use huntcore_wire::Timestamp;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::watch;

use super::asks::Asks;
use super::connection::{Connection, Following, Out, Partial, Stage};
use super::door::{HandedOver, Shared};
use super::frames::HEADER_BYTES_MAX;
use super::hunts::{CrowdKey, Hunts};
use super::ranks::{BoardsCount, Ranks};
use super::slots::{Key, Slots};
use super::wakeup::{Handle, Phase, WAKE_TOKEN, waker};
use super::wheel::{Tick, TickClock, Wheel};
use crate::backend::View;

/// Events taken from the kernel in one turn. A smaller number would starve sockets.
const EVENTS_MAX: usize = 4_096;
/// After so many events what was read is handed in, and outcomes are looked for.
const EVENTS_BETWEEN: usize = 256;
/// Sockets taken over in one turn: a crowd that comes at once holds nobody up.
const ARRIVALS_MAX: usize = 64;
const NO_WAIT: Option<Duration> = Some(Duration::ZERO);

/// See the module.
pub(super) struct Reactor {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    waker: Waker,
    poll: Poll,
    arriving: Receiver<HandedOver>,
    views: watch::Receiver<u64>,
    view: Arc<View>,
    connections: Slots<Connection>,
    hunts: Hunts,
    asks: Asks,
    clock: TickClock,
    wheel: Wheel,
    /// The time of this turn.
    now: Tick,
    phase: Phase,
    /// Sockets to be read on without waiting for an event.
    again: Vec<Key>,
    /// Sockets that could not be written to.
    broken: Vec<Key>,
    /// Sockets that wait for room at the arbiters.
    starved: Vec<Key>,
    /// Sockets that have subscribed and not begun.
    at_the_door: Vec<Key>,
    /// Followers for whom something is being made.
    waiting: Vec<Key>,
    /// How much had been made when those were looked at last.
    made_count: u64,
    /// Crowds whose followers have not all been looked at since the last change.
    looking: VecDeque<CrowdKey>,
    ranks: Ranks,
    boards: BoardsCount,
    /// When it was last found that there are such.
    fans_out_since: Option<Instant>,
    /// Buffers that every socket uses in turn.
    scratch: Vec<u8>,
    out: Out,
    due: Vec<u32>,
    server_time: ServerTime,
}

/// The backend's clock as text, written once for each millisecond.
#[derive(Default)]
struct ServerTime {
    millis: Option<u64>,
    text: String,
}

impl ServerTime {
    fn text(&mut self, now: TimeMicros) -> &str {
        if self.millis != Some(now.millis()) {
            self.millis = Some(now.millis());
            self.text = Timestamp::from(now).to_string();
        }
        &self.text
    }
}

impl Reactor {
    pub(super) fn new(
        shared: Arc<Shared>,
        lane: Lane,
        arriving: Receiver<HandedOver>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let handle = Handle::new(poll.registry())?;
        let (views, view) = (shared.backend.views(), shared.backend.view());
        let clock = TickClock::new(Instant::now());
        Ok(Self {
            waker: waker(&handle),
            handle,
            poll,
            arriving,
            views,
            view,
            connections: Slots::new(),
            hunts: Hunts::new(),
            asks: Asks::new(lane),
            clock,
            wheel: Wheel::new(),
            now: clock.tick(Instant::now()),
            phase: Phase::Serving,
            again: Vec::new(),
            broken: Vec::new(),
            starved: Vec::new(),
            at_the_door: Vec::new(),
            waiting: Vec::new(),
            made_count: shared.making.count(),
            looking: VecDeque::new(),
            ranks: Ranks::default(),
            boards: BoardsCount::default(),
            fans_out_since: None,
            scratch: Vec::new(),
            out: Out::default(),
            due: Vec::new(),
            server_time: ServerTime::default(),
            shared,
        })
    }

    pub(super) const fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Runs until it is told to end. Whatever it still has then ends with it, and attempts
    /// without an outcome count as lost.
    pub(super) fn run(mut self) {
        // Should it end by a bug, nobody else is sent to it.
        let _ended = EndedOnDrop(Arc::clone(&self.handle));
        let mut events = Events::with_capacity(EVENTS_MAX);
        while self.turn(&mut events) {}
    }

    /// `false` once it is to end.
    fn turn(&mut self, events: &mut Events) -> bool {
        let timeout = self.before_waiting();
        let polled = self.poll.poll(events, timeout);
        self.handle.awake();
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, "live sockets end: cannot wait for events");
            return false;
        }
        let began = Instant::now();
        self.now = self.clock.tick(began);
        match self.handle.phase() {
            Phase::Ended => return false,
            Phase::Stopping if self.phase == Phase::Serving => {
                self.phase = Phase::Stopping;
                self.begin_leaving();
            }
            Phase::Serving | Phase::Stopping => {}
        }
        let is_renewed = self.take_view();
        self.take_outcomes();
        let is_made = self.take_made();
        if is_renewed || is_made {
            self.let_in();
        }
        self.take_arrivals();
        for (number, event) in events.iter().enumerate() {
            if event.token() != WAKE_TOKEN {
                self.on_event(event);
            }
            // The arbiters need not wait for all of a crowd to be read.
            if number % EVENTS_BETWEEN == EVENTS_BETWEEN - 1 {
                self.asks.submit(self.now);
                self.take_outcomes();
            }
        }
        self.read_again();
        self.asks.submit(self.now);
        let fans_out = Instant::now();
        self.look_at_followers();
        self.tell_ranks();
        let fanned_out = Instant::now();
        self.take_alarms();
        self.remove_broken();
        self.count_work(began, fanned_out - fans_out);
        true
    }

    /// Counts in what this turn has done; the fan-out is a cost of its own.
    fn count_work(&mut self, began: Instant, fan_out: Duration) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut fanned_out = std::mem::take(&mut self.out.fanned_out);
        let mut own = std::mem::take(&mut self.out.own);
        fanned_out.busy_nanos = nanos(fan_out);
        let took = began.elapsed();
        own.busy_nanos = nanos(took.saturating_sub(fan_out));
        let since = self.fans_out_since.take().unwrap_or(began);
        let delay = if self.looking.is_empty() && fanned_out.messages == 0 {
            Duration::ZERO
        } else {
            since.elapsed()
        };
        self.fans_out_since = (!self.looking.is_empty()).then_some(since);
        self.shared.counts.delayed(nanos(delay), nanos(took));
        self.shared.counts.fan_out_work().add(fanned_out);
        self.shared.counts.sockets_work().add(own);
    }

    /// How long epoll may wait; nothing that should end the wait is missed after this.
    fn before_waiting(&mut self) -> Option<Duration> {
        if !self.again.is_empty() || !self.looking.is_empty() {
            return NO_WAIT;
        }
        self.handle.about_to_sleep();
        let has_work = !self.arriving.is_empty()
            || self.views.has_changed().unwrap_or(false)
            || self.handle.phase() != self.phase
            || self.shared.making.count() != self.made_count
            || self.asks.has_answer(&mut Context::from_waker(&self.waker));
        if has_work {
            self.handle.awake();
            return NO_WAIT;
        }
        let given_up_at = self.asks.deadline(self.shared.limits.request_timeout);
        let alarms = [self.wheel.next(), given_up_at, self.ranks.next_at()];
        let next = alarms.into_iter().flatten().min()?;
        Some(self.clock.until(next, Instant::now()))
    }

    /// Whether there is a new one.
    fn take_view(&mut self) -> bool {
        if !self.views.has_changed().unwrap_or(false) {
            return false;
        }
        self.views.borrow_and_update();
        let view = self.shared.backend.view();
        self.boards.0 += u64::from(!Arc::ptr_eq(&view.boards, &self.view.boards));
        self.view = view;
        self.looking.extend(self.hunts.renew(&self.view));
        true
    }

    fn take_arrivals(&mut self) {
        for _ in 0..ARRIVALS_MAX {
            let Ok(arrival) = self.arriving.try_recv() else {
                return;
            };
            if let Err(error) = self.take_over(arrival) {
                self.handle.sockets.fetch_sub(1, Ordering::Relaxed);
                tracing::debug!(%error, "socket was gone before it was taken over");
            }
        }
    }

    fn take_over(&mut self, arrival: HandedOver) -> io::Result<()> {
        let limits = &self.shared.limits;
        // A small buffer in the kernel makes a slow reader known early, and cheap.
        let buffer = socket2::SockRef::from(&arrival.stream);
        if let Err(error) = buffer.set_send_buffer_size(limits.outgoing_bytes_max) {
            tracing::debug!(%error, "the socket keeps the system's buffer size");
        }
        let now = self.now;
        let expires_at = arrival.player.as_ref().map_or(Tick::NEVER, |player| {
            let left = player.expires_at.micros_since(self.shared.backend.now());
            now.after(Duration::from_micros(left))
        });
        let hunt = self.hunts.index(arrival.hunt, &arrival.hunt_id);
        let stage = match self.phase {
            Phase::Serving => Stage::Serving,
            Phase::Stopping | Phase::Ended => Stage::Leaving(now),
        };
        let partial = (!arrival.read_before.is_empty()).then(|| {
            Box::new(Partial {
                raw: arrival.read_before,
                fragments: None,
            })
        });
        let key = self.connections.insert_with(|_| Connection {
            stream: TcpStream::from_std(arrival.stream),
            form: arrival.form,
            hunt,
            player: arrival.player.map(|player| player.id),
            following: Following::Outside,
            rank: None,
            settled_until: now,
            unanswered: self.shared.counts.receive(0),
            deciding: 0,
            partial,
            unsent: None,
            stage,
            heard_at: now,
            expires_at,
            speak_by: now.after(limits.first_message_timeout),
            silences: 0,
            bad_messages: 0,
            is_readable: false,
            is_ending: false,
            is_paused: false,
            is_deferred: false,
            is_at_the_door: false,
            is_waiting: false,
            is_early: false,
            is_broken: false,
            _place: arrival.place,
            _running: arrival.running,
        });
        let connection = self.connections.get_mut(key).expect("just made");
        let token = Token(usize::try_from(key.number()).expect("64-bit machines only"));
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut connection.stream, token, both);
        if let Err(error) = registered {
            self.connections.remove(key);
            return Err(error);
        }
        self.wheel.set(key.index(), connection.deadline(limits));
        self.again.push(key);
        Ok(())
    }

    fn on_event(&mut self, event: &Event) {
        let key = Key::from_number(event.token().0 as u64);
        // Events of one turn may be for a socket that has ended in the same turn.
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let is_ending = event.is_read_closed() || event.is_error();
        let is_readable = event.is_readable() || is_ending;
        connection.is_readable |= is_readable;
        connection.is_ending |= is_ending;
        if event.is_error() && connection.is_paused {
            // Nobody would notice before there is room again.
            return self.remove(key);
        }
        if connection.unsent.is_some() {
            self.flush(key);
        }
        // One that waits for room is read once there is some.
        if is_readable
            && self
                .connections
                .get_mut(key)
                .is_some_and(|found| !found.is_paused)
        {
            self.read(key);
        }
    }

    fn read_again(&mut self) {
        let mut keys = std::mem::take(&mut self.again);
        for key in keys.drain(..) {
            self.read(key);
        }
        // Whoever is to be read once more is in a list of its own by now; keep the longer one.
        if self.again.is_empty() {
            self.again = keys;
        }
    }

    /// Bytes of the largest frame, and so of what is read at once.
    fn read_bytes_max(&self) -> usize {
        self.shared.limits.message_bytes_max + HEADER_BYTES_MAX
    }
}

/// Says that a reactor has ended, however it did.
struct EndedOnDrop(Arc<Handle>);

impl Drop for EndedOnDrop {
    fn drop(&mut self) {
        self.0.enter_phase(Phase::Ended);
    }
}
