//! The task that owns the socket.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use huntcore_wire::{
    ClaimMessage, ClientMessage, CloseCode, LiveForm, MessageError, OutcomeMessage, PositionText,
    ServerMessage,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_websockets::Message;

use super::connector::{Connector, LiveOptions, Socket};
use super::events::EventQueue;
use super::handle::{Ask, SharedState};
use super::subscription::{Subscriber, Subscription};
use super::{LiveConnection, LiveEvent, LiveHandle};
use crate::ClientError;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long the server may take nothing before the connection counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

struct Driver {
    connector: Connector,
    options: LiveOptions,
    asks: mpsc::Receiver<Ask>,
    events: EventQueue,
    state: SharedState,
    /// Attempts without an outcome, in the order made.
    waiting: BTreeMap<u64, Waiting>,
    claims: u64,
    subscriber: Subscriber,
    /// What the owner wants to begin after, until the state knows better.
    resume: Option<PositionText>,
    subscribed: bool,
}

struct Waiting {
    message: ClaimMessage,
    reply: oneshot::Sender<OutcomeMessage>,
}

/// Why one connection has ended.
enum End {
    /// The owner wanted it, or is gone.
    Wanted,
    /// It may be made again.
    Lost(String),
    /// It may not.
    Final { code: Option<u16>, reason: String },
}

pub(super) fn spawn(connector: Connector, socket: Socket, options: LiveOptions) -> LiveConnection {
    let (ask_sender, asks) = mpsc::channel(options.claims_max);
    let (event_sender, events) = mpsc::channel(options.events_max);
    let state = SharedState::default();
    let (wish, wanted) = watch::channel(options.subscription.clone());
    let handle = LiveHandle::new(ask_sender, state.clone(), wish, &options);
    let driver = Driver {
        connector,
        asks,
        events: EventQueue::new(event_sender),
        state,
        waiting: BTreeMap::new(),
        claims: 0,
        subscriber: Subscriber::new(wanted),
        resume: options.resume.clone(),
        subscribed: false,
        options,
    };
    let task = tokio::spawn(driver.run(socket));
    LiveConnection::new(events, handle, task)
}

impl Driver {
    async fn run(mut self, first: Socket) {
        let mut retries = self.options.reconnect.start();
        let mut next = Some(first);
        loop {
            let end = match next.take() {
                Some(socket) => self.converse(socket).await,
                None => match self.connect().await {
                    Ok(socket) => self.converse(socket).await,
                    Err(end) => end,
                },
            };
            if std::mem::take(&mut self.subscribed) {
                retries.reset();
            }
            let reason = match end {
                End::Wanted => return,
                End::Final { code, reason } => return self.end(code, reason).await,
                End::Lost(reason) => reason,
            };
            let Some(retry_in) = retries.next_delay(None) else {
                return self.end(None, reason).await;
            };
            tracing::debug!(%reason, ?retry_in, "live connection lost");
            self.events
                .push(LiveEvent::Disconnected { reason, retry_in });
            if !self.pause(retry_in).await {
                return;
            }
        }
    }

    async fn end(self, code: Option<u16>, reason: String) {
        // Those who wait for outcomes learn of the end first: their replies are dropped.
        drop(self.waiting);
        drop(self.asks);
        self.events.finish(LiveEvent::Closed { code, reason }).await;
    }

    async fn connect(&mut self) -> Result<Socket, End> {
        tokio::select! {
            result = self.connector.connect() => result.map_err(|failed| {
                let reason = failed.error.to_string();
                if failed.is_final {
                    End::Final { code: None, reason }
                } else {
                    End::Lost(reason)
                }
            }),
            () = self.events.abandoned() => Err(End::Wanted),
        }
    }

    /// Waits before the next try; `false` if the owner wants no more.
    async fn pause(&mut self, length: Duration) -> bool {
        let until = Instant::now() + length;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = self.events.abandoned() => return false,
                Some(ask) = self.asks.recv(), if self.has_room() => {
                    self.remember(ask);
                }
            }
        }
    }

    /// One connection, from `subscribe` to its end.
    async fn converse(&mut self, mut socket: Socket) -> End {
        if let Err(end) = self.greet(&mut socket).await {
            return end;
        }
        let mut heard_at = Instant::now();
        let mut asked = false;
        loop {
            let half = self.options.idle_timeout / 2;
            let silent_at = heard_at + if asked { half * 2 } else { half };
            tokio::select! {
                frame = socket.next() => {
                    heard_at = Instant::now();
                    asked = false;
                    let end = match frame {
                        None => Err(End::Lost("server has hung up".to_owned())),
                        Some(Err(error)) => Err(End::Lost(ClientError::from(error).to_string())),
                        Some(Ok(message)) => self.take(&message),
                    };
                    if let Err(end) = end {
                        return end;
                    }
                }
                Some(ask) = self.asks.recv(), if self.has_room() => {
                    let claim = self.remember(ask);
                    if let Err(end) = self.say(&mut socket, &claim).await {
                        return end;
                    }
                }
                () = self.subscriber.changed() => {
                    if let Some(subscribe) = self.subscriber.ask() {
                        let subscribe = ClientMessage::Subscribe(subscribe);
                        if let Err(end) = self.say(&mut socket, &subscribe).await {
                            return end;
                        }
                    }
                }
                () = tokio::time::sleep_until(silent_at) => {
                    if asked {
                        return End::Lost("server gives no sign".to_owned());
                    }
                    asked = true;
                    if let Err(end) = write(&mut socket, Message::ping("")).await {
                        return end;
                    }
                }
                () = self.events.abandoned() => {
                    goodbye(&mut socket).await;
                    return End::Wanted;
                }
            }
        }
    }

    /// Subscribes, and makes the attempts again that have no outcome yet.
    async fn greet(&mut self, socket: &mut Socket) -> Result<(), End> {
        let subscription = self.subscriber.begin().clone();
        let subscribe = subscription.message(self.resume_for(&subscription));
        self.say(socket, &ClientMessage::Subscribe(subscribe))
            .await?;
        self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        for waiting in self.waiting.values() {
            let claim = ClientMessage::Claim(waiting.message.clone());
            self.say(socket, &claim).await?;
        }
        Ok(())
    }

    /// Where to go on: where the state stands, if it shows what is asked for.
    fn resume_for(&self, subscription: &Subscription) -> Option<PositionText> {
        let interest = &subscription.interest;
        let known = self.state.lock().resume_for(interest).cloned();
        known.or_else(|| {
            let is_same = interest.shows_same_claims(&self.options.subscription.interest);
            self.resume.clone().filter(|_| is_same)
        })
    }

    async fn say(&self, socket: &mut Socket, message: &ClientMessage) -> Result<(), End> {
        let frame = match self.options.form {
            LiveForm::Json => Message::text(message.to_json()),
            LiveForm::Proto => Message::binary(message.encode(LiveForm::Proto)),
        };
        write(socket, frame).await
    }

    /// Takes a frame in.
    fn take(&mut self, message: &Message) -> Result<(), End> {
        if let Some((code, reason)) = message.as_close() {
            let code = u16::from(code);
            let reason = format!("server closed with {code} {reason}");
            let may_return = CloseCode::from_code(code).is_none_or(CloseCode::may_return);
            return Err(if may_return {
                End::Lost(reason)
            } else {
                End::Final {
                    code: Some(code),
                    reason,
                }
            });
        }
        if message.is_ping() || message.is_pong() {
            return Ok(());
        }
        let form = if message.is_text() {
            LiveForm::Json
        } else {
            LiveForm::Proto
        };
        if form != self.options.form {
            return Err(End::Lost(format!(
                "server sent a frame of {}",
                form.protocol()
            )));
        }
        let decode = match self.options.reads_claims {
            true => ServerMessage::decode,
            false => ServerMessage::decode_without_claims,
        };
        match decode(form, message.as_payload()) {
            Ok(message) => self.understand(message),
            Err(MessageError::UnknownType { kind }) => {
                tracing::trace!(kind, "message of a newer server skipped");
                Ok(())
            }
            Err(error) => Err(End::Lost(error.to_string())),
        }
    }

    fn understand(&mut self, message: ServerMessage) -> Result<(), End> {
        self.state.lock().apply(&message);
        match message {
            ServerMessage::Outcome(outcome) => {
                let id = outcome.id.strip_prefix('c').and_then(|id| id.parse().ok());
                if let Some(waiting) = id.and_then(|id: u64| self.waiting.remove(&id)) {
                    // Whoever asked may have given up.
                    let _ = waiting.reply.send(outcome);
                }
            }
            ServerMessage::Subscribed(subscribed) => {
                self.subscribed = true;
                self.subscriber.agree();
                if !subscribed.resumed {
                    self.resume = None;
                }
                self.events.push(LiveEvent::Subscribed(subscribed));
            }
            ServerMessage::Error(error) => {
                let refused = self.subscriber.refuse(&error);
                self.events
                    .push(LiveEvent::Message(ServerMessage::Error(error)));
                if let Some(refused) = refused.filter(|_| !self.subscribed) {
                    let reason = refused.reason;
                    return Err(match refused.is_final {
                        true => End::Final { code: None, reason },
                        false => End::Lost(reason),
                    });
                }
            }
            message => self.events.push(LiveEvent::Message(message)),
        }
        Ok(())
    }

    /// Whether another attempt may be taken on.
    fn has_room(&mut self) -> bool {
        if self.waiting.len() >= self.options.claims_max {
            self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        }
        self.waiting.len() < self.options.claims_max
    }

    /// Takes an attempt on; gives the message that makes it.
    fn remember(&mut self, ask: Ask) -> ClientMessage {
        let Ask { request, reply } = ask;
        self.claims += 1;
        let message = ClaimMessage {
            id: format!("c{}", self.claims),
            round: request.round,
            tile: request.tile,
            answer: request.answer,
        };
        let claim = ClientMessage::Claim(message.clone());
        self.waiting.insert(self.claims, Waiting { message, reply });
        claim
    }
}

async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    match tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(ClientError::from(error).to_string())),
        Err(_) => Err(End::Lost("server takes nothing".to_owned())),
    }
}

/// The close handshake, as far as the server takes part in time.
async fn goodbye(socket: &mut Socket) {
    let handshake = async {
        let close = Message::close(Some(tokio_websockets::CloseCode::NORMAL_CLOSURE), "");
        if socket.send(close).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = tokio::time::timeout(GOODBYE, handshake).await;
}
