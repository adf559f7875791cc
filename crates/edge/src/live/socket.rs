//! One live socket from its first message to its last.
//!
//! Nothing is given to the socket while the kernel still holds back what was given before:
//! whoever reads slowly finds the missed ticks merged, or a snapshot, when they come back.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt, Sink, StreamExt};
use huntcore_model::{Attempt, HuntNumber, OutcomeKind};
use huntcore_wire::{
    ClaimMessage, ClientMessage, CloseCode, ErrorMessage, OutcomeMessage, ProblemKind,
    ServerMessage,
};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tokio_websockets::{Config, Error, Message, ServerBuilder, WebSocketStream};

use super::closing::{Farewell, close};
use super::door::{Arrival, Place, Shared};
use super::follower::Follower;
use super::outbox::{Decided, Outbox};
use super::rewound::Rewound;
use crate::auth::Player;
use crate::extract::{NOT_AN_OBJECT, is_array};
use crate::problem::whole_millis;
use crate::rate::TooFast;
use crate::server::ConnectionHandle;

/// Messages read while the peer takes nothing: each may cost a pong or an error in answer.
const READ_WHILE_STALLED_MAX: u32 = 64;
/// Messages that are no messages, before the peer is taken to be no client of ours.
const BAD_MESSAGES_MAX: u32 = 64;
/// Silences of one ping interval, before the peer is taken to be gone.
const SILENCES_MAX: u32 = 3;
/// Far enough to be never, near enough for every timer.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// See the module.
pub(super) struct Socket {
    shared: Arc<Shared>,
    stream: WebSocketStream<Rewound>,
    hunt: HuntNumber,
    player: Option<Player>,
    follower: Follower,
    outbox: Outbox,
    /// Since when the kernel has held back something that was given.
    unsent_since: Option<Instant>,
    read_while_stalled: u32,
    bad_messages: u32,
    heard_at: Instant,
    silences: u32,
    expires_at: Instant,
    _place: Place,
    _connection: ConnectionHandle,
}

/// What happened on the socket itself.
enum Moved {
    Flushed,
    Read(Message),
    Broken(Error),
    Gone,
}

/// On, or to the end; without a farewell if the peer is gone.
type Flow = ControlFlow<Option<Farewell>>;

/// What to do next.
enum Step {
    Moved(Moved),
    Decided(Decided),
    View,
    Timer,
    Stop,
}

impl Socket {
    pub(super) fn new(shared: Arc<Shared>, arrival: Arrival) -> Self {
        let limits = &shared.limits;
        // A small buffer in the kernel makes a slow reader known early, and cheap.
        let buffer = socket2::SockRef::from(&arrival.tcp);
        if let Err(error) = buffer.set_send_buffer_size(limits.outgoing_bytes_max) {
            tracing::debug!(%error, "the socket keeps the system's buffer size");
        }
        let stream = ServerBuilder::new()
            .config(Config::default().flush_threshold(usize::MAX))
            .limits(
                tokio_websockets::Limits::default().max_payload_len(Some(limits.message_bytes_max)),
            )
            .serve(Rewound::new(&arrival.read_before, arrival.tcp));
        let now = Instant::now();
        let lifetime = arrival.player.as_ref().map_or(NEVER, |player| {
            let left = player.expires_at.micros_since(shared.backend.now());
            Duration::from_micros(left).min(NEVER)
        });
        Self {
            stream,
            hunt: arrival.hunt,
            follower: Follower::new(
                arrival.hunt,
                arrival.hunt_id,
                arrival.player.as_ref().map(|player| player.id.clone()),
                limits.merge_ticks_over,
                whole_millis(shared.tick),
            ),
            player: arrival.player,
            outbox: Outbox::default(),
            unsent_since: None,
            read_while_stalled: 0,
            bad_messages: 0,
            heard_at: now,
            silences: 0,
            expires_at: now + lifetime,
            _place: arrival.place,
            _connection: arrival.connection,
            shared,
        }
    }

    /// Runs to the end. Attempts that are still unanswered then are counted so when dropped.
    pub(super) async fn run(mut self) {
        let kill = self.shared.lifetime.kill.clone();
        let farewell = tokio::select! {
            farewell = self.serve() => farewell,
            () = kill.cancelled() => None,
        };
        let Some(farewell) = farewell else {
            return;
        };
        if farewell.code == CloseCode::SlowClient {
            self.shared.counts.slow_client();
        }
        let timeout = self.shared.limits.close_timeout;
        tokio::select! {
            () = close(self.stream, &farewell, timeout) => {}
            () = kill.cancelled() => {}
        }
    }

    /// Serves until there is a reason to end; `None` if the peer is gone.
    async fn serve(&mut self) -> Option<Farewell> {
        let mut views = self.shared.backend.views();
        let stop = self.shared.lifetime.stop.clone();
        let mut stopping = false;
        let mut timer = Box::pin(tokio::time::sleep_until(self.next_deadline()));
        loop {
            if self.unsent_since.is_none() {
                self.give(&mut views, stopping);
            }
            if stopping && self.outbox.is_empty() && self.unsent_since.is_none() {
                return Some(Farewell::new(CloseCode::GoingAway, "server is stopping"));
            }
            let deadline = self.next_deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            let follows = self.follower.is_subscribed() && !stopping;
            let step = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => Step::Stop,
                step = self.step(&mut timer, stopping) => step,
                Ok(()) = views.changed(), if follows => Step::View,
            };
            let flow = match step {
                Step::Stop => {
                    stopping = true;
                    Flow::Continue(())
                }
                Step::View => Flow::Continue(()),
                Step::Timer => self.on_timer(),
                Step::Decided(decided) => {
                    let now = self.shared.backend.now();
                    self.outbox.decided(decided, now);
                    Flow::Continue(())
                }
                Step::Moved(Moved::Flushed) => {
                    self.unsent_since = None;
                    self.read_while_stalled = 0;
                    self.outbox.flushed();
                    Flow::Continue(())
                }
                Step::Moved(Moved::Read(message)) => self.on_messages(message),
                Step::Moved(Moved::Broken(error)) => Flow::Break(Farewell::of_error(&error)),
                Step::Moved(Moved::Gone) => Flow::Break(None),
            };
            if let Flow::Break(farewell) = flow {
                return farewell;
            }
        }
    }

    async fn step(&mut self, timer: &mut Pin<Box<Sleep>>, stopping: bool) -> Step {
        std::future::poll_fn(|context| {
            if let Poll::Ready(moved) = self.poll_stream(context, stopping) {
                return Poll::Ready(Step::Moved(moved));
            }
            if let Poll::Ready(Some(decided)) = self.outbox.deciding.poll_next_unpin(context) {
                return Poll::Ready(Step::Decided(decided));
            }
            timer.as_mut().poll(context).map(|()| Step::Timer)
        })
        .await
    }

    fn poll_stream(&mut self, context: &mut Context<'_>, stopping: bool) -> Poll<Moved> {
        if self.unsent_since.is_some() {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(Moved::Flushed),
                Poll::Ready(Err(error)) => return Poll::Ready(Moved::Broken(error)),
                Poll::Pending => {}
            }
        }
        if stopping || !self.may_read() {
            return Poll::Pending;
        }
        self.stream.poll_next_unpin(context).map(|read| match read {
            Some(Ok(message)) => Moved::Read(message),
            Some(Err(error)) => Moved::Broken(error),
            None => Moved::Gone,
        })
    }

    /// Whether there is room for what another message may cost (I8); until there is, it
    /// waits in the peer's own buffers.
    fn may_read(&self) -> bool {
        self.outbox.len() < self.shared.limits.socket_attempts_max
            && self.read_while_stalled < READ_WHILE_STALLED_MAX
    }

    /// Gives the socket all that is ready: outcomes first.
    fn give(&mut self, views: &mut watch::Receiver<u64>, stopping: bool) {
        while let Some(text) = self.outbox.write_next() {
            self.start(Message::text(text));
        }
        if stopping || !self.follower.is_subscribed() {
            return;
        }
        views.borrow_and_update();
        let view = self.shared.backend.view();
        let now = self.shared.backend.now();
        for text in self.follower.follow(&view, now) {
            self.start(Message::text(text));
        }
    }

    fn start(&mut self, message: Message) {
        // Refused only once the closing has begun, of which reading tells.
        if Pin::new(&mut self.stream).start_send(message).is_ok() {
            self.unsent_since.get_or_insert_with(Instant::now);
        }
    }

    /// Takes in a message and those that came along with it; all their attempts are handed
    /// over together.
    fn on_messages(&mut self, first: Message) -> Flow {
        let mut claims = Vec::new();
        let mut message = first;
        let flow = loop {
            if let Flow::Break(farewell) = self.on_message(&message, &mut claims) {
                break Flow::Break(farewell);
            }
            let room = self.outbox.len() + claims.len() < self.shared.limits.socket_attempts_max;
            if !room || !self.may_read() {
                break Flow::Continue(());
            }
            message = match self.stream.next().now_or_never() {
                None => break Flow::Continue(()),
                Some(Some(Ok(next))) => next,
                Some(Some(Err(error))) => break Flow::Break(Farewell::of_error(&error)),
                Some(None) => break Flow::Break(None),
            };
        };
        if !claims.is_empty() {
            self.hand_over(claims);
        }
        flow
    }

    fn on_message(&mut self, message: &Message, claims: &mut Vec<ClaimMessage>) -> Flow {
        self.heard_at = Instant::now();
        self.silences = 0;
        // Whatever is read may be answered, and whoever takes no answers is not read for long.
        self.read_while_stalled += 1;
        if message.is_close() {
            return Flow::Break(Some(Farewell::new(CloseCode::Normal, "")));
        }
        if message.is_binary() {
            let reason = "messages are text";
            return Flow::Break(Some(Farewell::new(CloseCode::UnsupportedData, reason)));
        }
        if message.is_ping() {
            // The library has its pong ready; it only needs to be flushed.
            self.unsent_since.get_or_insert_with(Instant::now);
        }
        let Some(text) = message.as_text() else {
            return Flow::Continue(());
        };
        if is_array(text.as_bytes()) {
            return self.on_bad_message("", NOT_AN_OBJECT);
        }
        match ClientMessage::from_json(text) {
            Ok(ClientMessage::Claim(claim)) => self.on_claim(claim, claims),
            Ok(ClientMessage::Subscribe(subscribe)) => {
                let resume = subscribe.resume.and_then(|resume| resume.parse().ok());
                let wait_until = Instant::now() + self.shared.limits.resume_wait;
                if !self.follower.subscribe(resume, wait_until) {
                    self.complain(None, ProblemKind::Invalid, "already subscribed");
                }
                Flow::Continue(())
            }
            Err(fault) => self.on_bad_message(text, &fault.to_string()),
        }
    }

    fn on_claim(&mut self, claim: ClaimMessage, claims: &mut Vec<ClaimMessage>) -> Flow {
        let Some(player) = &self.player else {
            let detail = "claiming needs a player token";
            self.complain(Some(claim.id), ProblemKind::Unauthorized, detail);
            return Flow::Continue(());
        };
        match self.shared.players.check(&player.id) {
            Ok(()) => claims.push(claim),
            Err(TooFast(wait)) => {
                let now = self.shared.backend.now();
                let refused = OutcomeMessage {
                    retry_after_ms: Some(whole_millis(wait)),
                    ..OutcomeMessage::refused(claim, OutcomeKind::RateLimited, now)
                };
                self.outbox.know(refused, self.shared.counts.receive(1));
            }
        }
        Flow::Continue(())
    }

    fn on_bad_message(&mut self, text: &str, fault: &str) -> Flow {
        #[derive(Default, Deserialize)]
        struct Sketch {
            #[serde(rename = "type", default)]
            kind: Option<String>,
            #[serde(default)]
            id: Option<String>,
        }
        let sketch: Sketch = serde_json::from_str(text).unwrap_or_default();
        if sketch.kind.as_deref() == Some("claim") && self.player.is_some() {
            // It was meant as an attempt, and is accounted for as one (I10).
            self.shared.counts.receive(1).tell(OutcomeKind::Invalid);
            self.complain(sketch.id, ProblemKind::Invalid, fault);
        } else {
            self.complain(sketch.id, ProblemKind::Malformed, fault);
        }
        self.bad_messages += 1;
        if self.bad_messages < BAD_MESSAGES_MAX {
            return Flow::Continue(());
        }
        Flow::Break(Some(Farewell::new(
            CloseCode::Policy,
            "too many messages cannot be read",
        )))
    }

    fn complain(&mut self, id: Option<String>, kind: ProblemKind, detail: &str) {
        let message = ServerMessage::Error(ErrorMessage {
            server_time: self.shared.backend.now().into(),
            id: id.filter(|id| id.len() <= huntcore_wire::CLAIM_ID_BYTES_MAX),
            code: kind.name().to_owned(),
            detail: detail.to_owned(),
        });
        self.start(Message::text(message.to_json()));
    }

    fn hand_over(&mut self, claims: Vec<ClaimMessage>) {
        let player = self
            .player
            .as_ref()
            .expect("nobody else's claims are taken");
        let attempts: Vec<Attempt> = claims
            .iter()
            .map(|claim| Attempt {
                hunt: self.hunt,
                round: claim.round,
                tile: claim.tile,
                player: player.id.clone(),
            })
            .collect();
        let count = claims.len();
        let unanswered = self.shared.counts.receive(count as u64);
        let deciding = self.shared.backend.claim(attempts);
        let timeout = self.shared.limits.request_timeout;
        let decided = async move {
            let decided = tokio::time::timeout(timeout, deciding).await;
            Decided {
                claims,
                outcomes: decided.unwrap_or_default(),
                unanswered,
            }
        };
        self.outbox.decide(count, decided.boxed());
    }

    fn next_deadline(&self) -> Instant {
        let limits = &self.shared.limits;
        let next_ping = self.heard_at + limits.ping_interval * (self.silences + 1);
        let stalled = self
            .unsent_since
            .map(|since| since + limits.slow_client_timeout);
        [stalled, self.follower.waits_until()]
            .into_iter()
            .flatten()
            .fold(self.expires_at.min(next_ping), Instant::min)
    }

    fn on_timer(&mut self) -> Flow {
        let now = Instant::now();
        let limits = &self.shared.limits;
        let end = |code, reason| Flow::Break(Some(Farewell::new(code, reason)));
        if now >= self.expires_at {
            return end(CloseCode::Policy, "token has expired");
        }
        let slow = |since: Instant| now >= since + limits.slow_client_timeout;
        if self.unsent_since.is_some_and(slow) {
            return end(CloseCode::SlowClient, "slow client");
        }
        if self
            .follower
            .waits_until()
            .is_some_and(|until| now >= until)
        {
            self.follower.wait_no_longer();
        }
        if now >= self.heard_at + limits.ping_interval * (self.silences + 1) {
            self.silences += 1;
            if self.silences >= SILENCES_MAX {
                return end(CloseCode::SlowClient, "no answer to pings");
            }
            self.start(Message::ping(""));
        }
        Flow::Continue(())
    }
}
