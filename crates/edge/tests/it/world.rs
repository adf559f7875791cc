//! A running edge with its fake backend, and clients that speak to it: whole responses over
//! raw sockets, and a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use huntcore_edge::{
    AuthConfig, AuthSettings, Backend, Counts, Drained, Edge, EdgeConfig, HuntCommand, PlayerKey,
    Secret,
};
use huntcore_wire::{ClientMessage, LiveForm, ServerMessage};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::fake::Fake;

pub(crate) const PLAYER_KEY: &str = "a player key for tests, 32 bytes+";
pub(crate) const SERVICE_KEY: &str = "a service key for tests";
/// Longer than anything takes here; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running edge with a hunt called `park`, whose round 1 is open.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) counts: Counts,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
}

/// A whole HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) fn settings() -> AuthSettings {
    AuthSettings {
        player_key: PlayerKey::Hs256(Secret::new(PLAYER_KEY)),
        service_key: Some(Secret::new(SERVICE_KEY)),
        issuer: None,
        audience: None,
        guests: None,
    }
}

pub(crate) fn config(auth: AuthConfig) -> EdgeConfig {
    let mut config = EdgeConfig::new(auth);
    config.listen.set_port(0);
    config
}

pub(crate) fn park() -> Value {
    json!({
        "id": "park",
        "area": {"type": "Polygon", "coordinates": [[
            [13.36, 52.51], [13.37, 52.51], [13.37, 52.52], [13.36, 52.52], [13.36, 52.51],
        ]]},
        "resolution": 10, "round": "1s", "claim_window": "10s", "tiles": 16,
    })
}

/// A token for `player` that is good for an hour, but for what `change` does to it.
pub(crate) fn token_with(player: &str, change: impl FnOnce(&mut Value)) -> String {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since_epoch.expect("after 1970").as_secs();
    let mut claims = json!({"sub": player, "exp": now + 3_600});
    change(&mut claims);
    let key = EncodingKey::from_secret(PLAYER_KEY.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("plain claims")
}

pub(crate) fn token(player: &str) -> String {
    token_with(player, |_| {})
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        let fake = Fake::new();
        let park = serde_json::from_value(park()).expect("a hunt");
        let created = fake.command(HuntCommand::Create(Box::new(park))).await;
        created.expect("a good hunt");
        let mut config = config(AuthConfig::On(settings()));
        change(&mut config);
        let edge = Edge::bind(config, fake.clone()).expect("a free port");
        let (stop, stopped) = oneshot::channel();
        Self {
            address: edge.local_addr(),
            fake,
            counts: edge.counts(),
            stop: Some(stop),
            serving: tokio::spawn(edge.serve(async {
                let _ = stopped.await;
            })),
        }
    }

    /// Asks the edge to stop; [`Self::stopped`] tells when it has.
    pub(crate) fn stop(&mut self) {
        let stop = self.stop.take().expect("stopped once");
        stop.send(()).expect("it serves");
    }

    pub(crate) async fn stopped(self) -> Drained {
        within(self.serving).await.expect("it does not panic")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Sends bytes as they are, and reads until the edge closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut tcp = self.connect().await;
        tcp.write_all(bytes).await.expect("it reads");
        let mut answer = Vec::new();
        within(tcp.read_to_end(&mut answer))
            .await
            .expect("it closes");
        answer
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.address
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        Answer::parse(&self.raw(request.as_bytes()).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// As the service.
    pub(crate) async fn serve(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {SERVICE_KEY}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// As the service, lines.
    pub(crate) async fn lines(&self, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {SERVICE_KEY}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/x-ndjson"),
        ];
        self.send("POST", path, &headers, body).await
    }

    /// As a player.
    pub(crate) async fn claim(&self, player: &str, round: u64, tile: u32) -> Answer {
        let body = json!({"round": round, "tile": tile}).to_string();
        self.claim_raw(&token(player), &body).await
    }

    pub(crate) async fn claim_raw(&self, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.send("POST", "/v1/hunts/park/claims", &headers, body)
            .await
    }

    pub(crate) async fn event(&self, body: &Value) -> Answer {
        self.serve("POST", "/v1/hunts/park/events", body).await
    }

    /// A live socket, with a player's token if one is named.
    pub(crate) async fn live(&self, player: Option<&str>) -> Socket {
        let bearer = player.map(|player| format!("Bearer {}", token(player)));
        self.live_with(bearer.as_deref()).await
    }

    pub(crate) async fn live_with(&self, authorization: Option<&str>) -> Socket {
        self.live_in("park", LiveForm::Json, authorization).await
    }

    /// A live socket of that hunt that speaks that form.
    pub(crate) async fn live_in(
        &self,
        hunt: &str,
        form: LiveForm,
        authorization: Option<&str>,
    ) -> Socket {
        let uri = format!("ws://{}/v1/hunts/{hunt}/live", self.address);
        let mut builder = ClientBuilder::new().uri(&uri).expect("a URI");
        let protocol = http::header::SEC_WEBSOCKET_PROTOCOL;
        builder = builder
            .add_header(protocol, http::HeaderValue::from_static(form.protocol()))
            .expect("allowed");
        if let Some(authorization) = authorization {
            let value = http::HeaderValue::try_from(authorization).expect("ASCII");
            builder = builder
                .add_header(http::header::AUTHORIZATION, value)
                .expect("allowed");
        }
        let stream = self.connect().await;
        let (socket, _) = within(builder.connect_on(stream))
            .await
            .expect("a handshake");
        socket
    }

    /// Waits until every attempt is accounted for (I10).
    pub(crate) async fn reconciled(&self) -> huntcore_edge::AttemptCounts {
        within(async {
            loop {
                let attempts = self.counts.attempts();
                if attempts.is_reconciled() {
                    return attempts;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no whole head: {text:?}"));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let mut answer = Self {
            status: status.unwrap_or_else(|| panic!("no status: {text:?}")),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunk(&answer.body);
        }
        if let Some(length) = answer
            .header("content-length")
            .and_then(|text| text.parse().ok())
        {
            answer.body.truncate(length);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Checks that it is a problem of that status and name, and gives it.
    pub(crate) fn problem(&self, status: u16, name: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{problem}"
        );
        let found = (self.status, problem["type"].as_str().unwrap_or_default());
        assert_eq!(
            found,
            (status, format!("/problems/{name}").as_str()),
            "{problem}"
        );
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }

    /// Checks that it is fine, and gives its JSON.
    pub(crate) fn ok(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert!((200..300).contains(&self.status), "{} {text}", self.status);
        self.json()
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).expect("hex");
        let size = usize::from_str_radix(size, 16).expect("hex");
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}

pub(crate) async fn say(socket: &mut Socket, message: &ClientMessage) {
    socket
        .send(Message::text(message.to_json()))
        .await
        .expect("it reads");
}

/// The next message, whatever it is.
pub(crate) async fn hear(socket: &mut Socket) -> ServerMessage {
    loop {
        let message = within(socket.next())
            .await
            .expect("open")
            .expect("well-formed");
        if let Some(text) = message.as_text() {
            return ServerMessage::from_json(text).expect("a message");
        }
        if message.is_binary() {
            let message = ServerMessage::decode(LiveForm::Proto, message.as_payload());
            return message.expect("a message");
        }
        assert!(!message.is_close(), "closed: {:?}", message.as_close());
    }
}

/// The code and reason of the close that comes, whatever comes before it.
pub(crate) async fn farewell(socket: &mut Socket) -> (u16, String) {
    loop {
        let message = within(socket.next())
            .await
            .expect("a close frame")
            .expect("well-formed");
        if let Some((code, reason)) = message.as_close() {
            return (code.into(), reason.to_owned());
        }
    }
}
