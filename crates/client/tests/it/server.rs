//! Tiny servers: scripted HTTP, and a socket in the test's own hands.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderValue, Request};
use huntcore_client::{Client, ClientBuilder, RetryPolicy};
use huntcore_model::HuntId;
use huntcore_wire::{ClientMessage, LiveForm, ServerMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

/// A test that waits longer than this has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn hunt() -> HuntId {
    HuntId::new("park").expect("a slug")
}

/// Repeats at once, so that tests are quick.
pub(crate) const QUICK: RetryPolicy = RetryPolicy {
    first: Duration::from_millis(1),
    max: Duration::from_millis(1),
    give_up_after: DEADLINE,
};

/// What a scripted server does with a request.
pub(crate) enum Reply {
    /// Closes the connection without a word.
    HangUp,
    /// Status line with headers, and body.
    Answer {
        status: &'static str,
        headers: &'static str,
        body: String,
    },
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Scripted {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) fn answer(status: &'static str, body: impl Into<String>) -> Reply {
    Reply::Answer {
        status,
        headers: "",
        body: body.into(),
    }
}

impl Scripted {
    /// Serves the replies in order, one for each request, then hangs up on all.
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut replies = VecDeque::from(replies);
            // One request for each connection keeps the order of replies plain.
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                log.lock().expect("not poisoned").push(request);
                if let Some(Reply::Answer {
                    status,
                    headers,
                    body,
                }) = replies.pop_front()
                {
                    let text = format!(
                        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
                        body.len()
                    );
                    stream
                        .write_all(text.as_bytes())
                        .await
                        .expect("client reads");
                }
            }
        });
        Self {
            base: format!("http://{address}"),
            seen,
        }
    }

    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder(&self.base)
            .token("player-token")
            .service_key("the-service-key")
            .retry(QUICK)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII head");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a number"));
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end..].to_vec()).expect("UTF-8 body");
    let line = head.lines().next().expect("a request line").to_owned();
    Some(Seen { line, head, body })
}

/// Accepts sockets for a test to speak through.
pub(crate) struct LiveServer {
    listener: TcpListener,
    pub(crate) form: LiveForm,
}

pub(crate) struct Peer {
    pub(crate) request: Request<()>,
    socket: WebSocketStream<TcpStream>,
    pub(crate) form: LiveForm,
}

impl LiveServer {
    pub(crate) async fn start() -> Self {
        Self::start_in(LiveForm::Json).await
    }

    pub(crate) async fn start_in(form: LiveForm) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener, form }
    }

    pub(crate) fn client(&self) -> Client {
        let address = self.listener.local_addr().expect("bound");
        Client::builder(format!("http://{address}"))
            .token("player-token")
            .retry(QUICK)
            .build()
            .expect("a good URL")
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = timely(self.listener.accept()).await.expect("a connection");
        let (request, socket) = timely(
            ServerBuilder::new()
                .add_header(
                    SEC_WEBSOCKET_PROTOCOL,
                    HeaderValue::from_static(self.form.protocol()),
                )
                .expect("an allowed header")
                .accept(stream),
        )
        .await
        .expect("a handshake");
        Peer {
            request,
            socket,
            form: self.form,
        }
    }

    /// Accepts a connection and refuses the handshake.
    pub(crate) async fn refuse(&self, status: &str) {
        let (mut stream, _) = timely(self.listener.accept()).await.expect("a connection");
        read_request(&mut stream).await.expect("a request");
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream
            .write_all(text.as_bytes())
            .await
            .expect("client reads");
    }
}

impl Peer {
    pub(crate) async fn receive(&mut self) -> ClientMessage {
        loop {
            let message = timely(self.socket.next())
                .await
                .expect("still open")
                .expect("a good frame");
            let is_expected = match self.form {
                LiveForm::Json => message.is_text(),
                LiveForm::Proto => message.is_binary(),
            };
            if is_expected {
                let read = ClientMessage::decode(self.form, message.as_payload());
                return read.expect("a client message");
            }
        }
    }

    /// The close code that the client ends with.
    pub(crate) async fn receive_close(&mut self) -> u16 {
        loop {
            let message = timely(self.socket.next())
                .await
                .expect("still open")
                .expect("a good frame");
            if let Some((code, _)) = message.as_close() {
                return code.into();
            }
        }
    }

    pub(crate) async fn receive_ping(&mut self) {
        loop {
            let message = timely(self.socket.next())
                .await
                .expect("still open")
                .expect("a good frame");
            if message.is_ping() {
                return;
            }
        }
    }

    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        self.send_bytes(message.encode(self.form)).await;
    }

    /// A message of a server that is newer than the client.
    pub(crate) async fn send_newer(&mut self) {
        self.send_bytes(match self.form {
            LiveForm::Json => r#"{"type":"prize","of":"a newer server"}"#.into(),
            LiveForm::Proto => Bytes::from_static(&[14 << 3 | 2, 2, 1 << 3, 7]),
        })
        .await;
    }

    async fn send_bytes(&mut self, bytes: Bytes) {
        let message = match self.form {
            LiveForm::Json => Message::text(String::from_utf8(bytes.into()).expect("JSON")),
            LiveForm::Proto => Message::binary(bytes),
        };
        timely(self.socket.send(message))
            .await
            .expect("client reads");
    }

    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        let code = code.try_into().expect("a close code");
        timely(self.socket.send(Message::close(Some(code), reason)))
            .await
            .expect("client reads");
        while let Some(Ok(_)) = timely(self.socket.next()).await {}
    }
}

pub(crate) async fn timely<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}
