//! A stream of attempts and of what came of them, both ways over one request: outcomes flow back
//! while attempts still come in, without end if need be.
//!
//! It is the response's body, and it owns the request's. Whoever stops reading outcomes stops
//! being read: hyper asks for no more once enough is waiting, and so nothing is taken from the
//! request. Bounded besides are the attempts that await their outcome (I8). What has arrived is
//! handed in at once; only while much is out does it gather, so batches grow under load and by
//! themselves.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use huntcore_lane::{ATTEMPTS_MAX, Lane, LaneOptions, Submission};
use huntcore_model::Outcome;
use huntcore_wire::{ClaimReader, ClaimStreamForm, put_outcome, put_refusal};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{HuntNames, Item, Notes};
use crate::counts::{Gauge, Tally, Unanswered};
use crate::server::WideReads;
use crate::state::App;

/// Submissions that may be out at one time.
const SUBMISSIONS_MAX: usize = 16;
/// While so many are out, what arrives gathers in the next.
const SUBMISSIONS_EAGER: usize = SUBMISSIONS_MAX / 2;
/// Once so much is ready it goes out; the outcomes of one submission more may be with it.
const FRAME_BYTES: usize = 64 << 10;
/// Room made for an item; some take a little more.
const ITEM_BYTES: usize = 64;

/// See the module.
pub(crate) struct ClaimStream {
    app: Arc<App>,
    form: ClaimStreamForm,
    request: Incoming,
    reader: ClaimReader,
    /// What has arrived and is not yet read.
    chunk: Bytes,
    hunts: HuntNames,
    lane: Lane,
    /// The submission that is being filled.
    filling: Option<Filling>,
    /// What is out, in order.
    out: VecDeque<Pending>,
    attempts_out: usize,
    notes_free: Vec<Notes>,
    /// Outcomes for the next frame, and the count of them.
    ready: BytesMut,
    tally: Tally,
    unanswered: Unanswered,
    reads: WideReads,
    moved_at: Instant,
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    _gauge: Gauge,
}

/// The connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection of a stream of attempts is lost")]
pub(crate) struct Broken;

struct Filling {
    submission: Submission,
    notes: Notes,
}

struct Pending {
    count: usize,
    notes: Notes,
    due: Instant,
}

/// Where the attempts come from.
enum Incoming {
    Open(Body),
    /// No more will be read.
    Closed,
}

impl ClaimStream {
    /// A stream over `request`, of which `first` has been read.
    pub(crate) fn new(
        app: Arc<App>,
        form: ClaimStreamForm,
        reads: WideReads,
        first: Bytes,
        request: Body,
    ) -> Self {
        let now = Instant::now();
        reads.hide_end();
        Self {
            form,
            request: Incoming::Open(request),
            reader: ClaimReader::new(form),
            chunk: first,
            hunts: HuntNames::default(),
            lane: new_lane(&app),
            filling: None,
            out: VecDeque::new(),
            attempts_out: 0,
            notes_free: Vec::new(),
            ready: BytesMut::new(),
            tally: Tally::default(),
            unanswered: app.counts.receive(0),
            reads,
            moved_at: now,
            timer: Box::pin(tokio::time::sleep(app.limits().stream_idle_timeout)),
            stop: Box::pin(app.lifetime.stop.clone().cancelled_owned()),
            _gauge: app.counts.claim_stream(),
            app,
        }
    }

    /// Writes out what has been decided, in order, up to a frame's worth.
    fn collect(&mut self, context: &mut Context<'_>) {
        while self.ready.len() < FRAME_BYTES {
            let Poll::Ready(Some(answered)) = self.lane.poll_answered(context) else {
                return;
            };
            let pending = self.out.pop_front().expect("one for each that is out");
            self.write(&pending, answered.outcomes());
            self.lane.recycle(answered);
            self.settle(pending);
        }
    }

    fn write(&mut self, pending: &Pending, outcomes: impl Iterator<Item = Outcome>) {
        let (form, now) = (self.form, self.app.backend.now());
        let (ready, tally) = (&mut self.ready, &mut self.tally);
        ready.reserve(pending.count * ITEM_BYTES);
        pending.notes.for_each(outcomes, |item| {
            tally.add(item.kind());
            match item {
                Item::Decided(outcome) => put_outcome(ready, form, &outcome, now),
                Item::Refused(kind, error) => put_refusal(ready, form, kind, error),
            }
        });
    }

    fn settle(&mut self, mut pending: Pending) {
        self.attempts_out -= pending.count;
        pending.notes.clear();
        self.notes_free.push(pending.notes);
    }

    /// Takes one step towards the arbiters; false if there is nothing to do but wait.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        if self.request.is_open() && self.stop.as_mut().poll(context).is_ready() {
            self.close_unread();
            return true;
        }
        let room = self.room();
        if room == 0 || !self.has_filling() {
            return room == 0 && self.submit();
        }
        if !self.chunk.is_empty() {
            self.read_chunk(room);
            return true;
        }
        let eager = self.lane.in_flight() < SUBMISSIONS_EAGER || !self.request.is_open();
        if eager && self.submit() {
            return true;
        }
        self.poll_request(context)
    }

    /// How many items the submission that is being filled may still take.
    fn room(&self) -> usize {
        let filled = self
            .filling
            .as_ref()
            .map_or(0, |filling| filling.submission.len());
        let attempts_max = self.app.limits().stream_attempts_max;
        let left = attempts_max.saturating_sub(self.attempts_out);
        left.min(ATTEMPTS_MAX).saturating_sub(filled)
    }

    fn has_filling(&mut self) -> bool {
        if self.filling.is_none() {
            self.filling = self.lane.start().map(|submission| Filling {
                submission,
                notes: self.notes_free.pop().unwrap_or_default(),
            });
        }
        self.filling.is_some()
    }

    /// Reads what has arrived, up to `room` items.
    fn read_chunk(&mut self, room: usize) {
        let Some(Filling { submission, notes }) = &mut self.filling else {
            return;
        };
        self.reader.expect_hunt(self.hunts.last());
        let mut rest = &self.chunk[..];
        for _ in 0..room {
            let Some(item) = self.reader.next(&mut rest) else {
                break;
            };
            notes.put(submission, &self.app, &mut self.hunts, item);
        }
        let left = rest.len();
        if left == 0 {
            // hyper reads into the same memory again once nobody holds it.
            self.chunk = Bytes::new();
        } else {
            let read = self.chunk.len() - left;
            drop(self.chunk.split_to(read));
        }
        if self.reader.is_lost() {
            self.close_unread();
        }
    }

    /// Hands in what has been filled; false if that is nothing.
    fn submit(&mut self) -> bool {
        let Some(filling) = self
            .filling
            .take_if(|filling| !filling.submission.is_empty())
        else {
            return false;
        };
        let count = filling.submission.len();
        self.unanswered.receive(count as u64);
        self.attempts_out += count;
        self.out.push_back(Pending {
            count,
            notes: filling.notes,
            due: Instant::now() + self.app.limits().request_timeout,
        });
        self.lane.submit(filling.submission);
        true
    }

    fn poll_request(&mut self, context: &mut Context<'_>) -> bool {
        let Incoming::Open(request) = &mut self.request else {
            return false;
        };
        match Pin::new(request).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                // Trailers say nothing here.
                self.chunk = frame.into_data().unwrap_or_default();
                self.moved_at = Instant::now();
            }
            Poll::Pending if !self.reads.has_ended() => return false,
            // Ended as it should, or cut off: what has arrived is answered either way.
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => {
                self.request = Incoming::Closed;
                self.finish_reader();
            }
        }
        true
    }

    /// The last item, if it lacks its end. There is room for it.
    fn finish_reader(&mut self) {
        if let Some(Filling { submission, notes }) = &mut self.filling
            && let Some(item) = self.reader.finish()
        {
            notes.put(submission, &self.app, &mut self.hunts, item);
        }
    }

    /// Reads no more, though more may come.
    fn close_unread(&mut self) {
        self.request = Incoming::Closed;
        self.chunk = Bytes::new();
        self.reads.leave_unread();
    }

    /// Waits for what must not take for ever; true if it did.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            let due = match self.out.front() {
                Some(pending) => pending.due,
                None => self.moved_at + self.app.limits().stream_idle_timeout,
            };
            // Moved forward only when it has run out, so that a busy stream leaves it alone.
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return false;
            }
            if due <= Instant::now() {
                break;
            }
        }
        if self.out.is_empty() {
            if self.has_filling() {
                self.finish_reader();
            }
            self.close_unread();
        } else {
            self.give_up();
        }
        true
    }

    /// Answers all that is out: nobody knows. Decided or not, the same attempts again will tell.
    fn give_up(&mut self) {
        self.submit();
        self.filling = None;
        while let Some(pending) = self.out.pop_front() {
            let unknown = std::iter::repeat_n(Outcome::OutcomeUnknown, pending.count);
            self.write(&pending, unknown);
            self.settle(pending);
        }
        // What the old one still brings is of no use any more.
        self.lane = new_lane(&self.app);
    }

    fn is_done(&self) -> bool {
        let filled = |filling: &Filling| !filling.submission.is_empty();
        !self.request.is_open() && self.out.is_empty() && !self.filling.as_ref().is_some_and(filled)
    }
}

impl Incoming {
    const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

fn new_lane(app: &App) -> Lane {
    app.backend.lane(LaneOptions {
        submissions_max: SUBMISSIONS_MAX,
    })
}

impl HttpBody for ClaimStream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        loop {
            if this.reads.is_broken() {
                return Poll::Ready(Some(Err(Broken)));
            }
            this.collect(context);
            if this.ready.len() < FRAME_BYTES && this.advance(context) {
                continue;
            }
            if !this.ready.is_empty() {
                this.moved_at = Instant::now();
                this.unanswered.tell_all(&mut this.tally);
                return Poll::Ready(Some(Ok(Frame::data(this.ready.split().freeze()))));
            }
            if this.is_done() {
                this.reads.end();
                return Poll::Ready(None);
            }
            if !this.poll_timer(context) {
                return Poll::Pending;
            }
        }
    }
}
