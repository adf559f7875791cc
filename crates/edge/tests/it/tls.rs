//! HTTP and sockets over TLS, and certificates that are replaced while the edge runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use huntcore_edge::{BindError, Edge, EdgeConfig, TlsFiles};
use huntcore_wire::{ClientMessage, LIVE_PROTOCOL, ServerMessage, SubscribeMessage};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::fake::Fake;
use crate::world::{Answer, World, settings, token, within};

/// A certificate and its key in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> (Self, CertificateDer<'static>) {
        let files = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let certificate = files.renew();
        (files, certificate)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a new certificate and key in the place of those that there are.
    fn renew(&self) -> CertificateDer<'static> {
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a key");
        put(&self.path("certificate.pem"), &cert.pem());
        put(&self.path("key.pem"), &signing_key.serialize_pem());
        cert.der().clone()
    }

    fn settings(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            check_every: Duration::from_millis(20),
        }
    }
}

/// Writes a file as tools do that replace what others read: whole or not at all.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a writable folder");
    std::fs::rename(&new, path).expect("the same folder");
}

async fn world(files: &Files, change: impl FnOnce(&mut EdgeConfig)) -> World {
    World::with(|config| {
        config.tls = Some(files.settings());
        change(config);
    })
    .await
}

async fn shake(
    world: &World,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").expect("a name");
    within(connector.connect(name, world.connect().await)).await
}

/// Asks over TLS, and reads to the end.
async fn get(mut tls: TlsStream<TcpStream>, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    within(tls.read_to_end(&mut answer))
        .await
        .expect("it ends as TLS does");
    Answer::parse(&answer)
}

/// Asks again and again until the metrics have this line.
async fn until_metric(world: &World, trusted: &CertificateDer<'static>, line: &str) {
    within(async {
        loop {
            let tls = shake(world, trusted).await.expect("trusted");
            let text = String::from_utf8(get(tls, "/metrics").await.body).expect("text");
            if text.lines().any(|found| found == line) {
                return;
            }
        }
    })
    .await;
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn live(world: &World, trusted: &CertificateDer<'static>, player: Option<&str>) -> Socket {
    let stream = shake(world, trusted).await.expect("trusted");
    let mut builder = ClientBuilder::new()
        .uri("wss://localhost/v1/hunts/park/live")
        .expect("a URI")
        .add_header(
            http::header::SEC_WEBSOCKET_PROTOCOL,
            http::HeaderValue::from_static(LIVE_PROTOCOL),
        )
        .expect("allowed");
    if let Some(player) = player {
        let bearer = format!("Bearer {}", token(player));
        let bearer = http::HeaderValue::try_from(bearer).expect("ASCII");
        builder = builder
            .add_header(http::header::AUTHORIZATION, bearer)
            .expect("allowed");
    }
    let (socket, _) = within(builder.connect_on(stream))
        .await
        .expect("a handshake");
    socket
}

async fn hear(socket: &mut Socket) -> Result<ServerMessage, u16> {
    loop {
        let message = within(socket.next())
            .await
            .expect("open")
            .expect("well-formed");
        if let Some(text) = message.as_text() {
            return Ok(ServerMessage::from_json(text).expect("a message"));
        }
        if let Some((code, _)) = message.as_close() {
            return Err(code.into());
        }
    }
}

/// Subscribes, and waits until that has begun: what happens from here on comes as a delta.
async fn subscribe(socket: &mut Socket) {
    let message = ClientMessage::Subscribe(SubscribeMessage::default());
    let text = Message::text(message.to_json());
    socket.send(text).await.expect("it reads");
    while !matches!(hear(socket).await, Ok(ServerMessage::Subscribed(_))) {}
}

/// Whether some tile's claim comes before anything else goes wrong.
async fn hears_a_claim(socket: &mut Socket) {
    loop {
        match hear(socket).await.expect("open") {
            ServerMessage::Delta(delta) if !delta.claims.is_empty() => return,
            _ => {}
        }
    }
}

#[tokio::test]
async fn requests_and_sockets_go_through_tls() {
    let (files, trusted) = Files::new();
    let mut world = world(&files, |_| {}).await;
    let tls = shake(&world, &trusted).await.expect("trusted");
    assert_eq!(get(tls, "/healthz").await.ok()["status"], "ok");

    let mut watcher = live(&world, &trusted, None).await;
    subscribe(&mut watcher).await;
    let mut ada = live(&world, &trusted, Some("ada")).await;
    let claim = r#"{"type":"claim","id":"c1","round":1,"tile":0}"#;
    ada.send(Message::text(claim)).await.expect("it reads");
    let Ok(ServerMessage::Outcome(outcome)) = hear(&mut ada).await else {
        panic!("no outcome");
    };
    assert_eq!((outcome.id.as_str(), outcome.outcome.name()), ("c1", "won"));
    hears_a_claim(&mut watcher).await;

    world.stop();
    for socket in [&mut watcher, &mut ada] {
        let code = loop {
            if let Err(code) = hear(socket).await {
                break code;
            }
        };
        assert_eq!(code, 1001);
    }
    drop((watcher, ada));
    assert_eq!(world.stopped().await.unfinished, 0);
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (files, first) = Files::new();
    let world = world(&files, |_| {}).await;
    let mut watcher = live(&world, &first, None).await;
    subscribe(&mut watcher).await;
    let second = files.renew();
    within(async { while shake(&world, &second).await.is_err() {} }).await;
    assert!(shake(&world, &first).await.is_err(), "the old one is gone");
    until_metric(
        &world,
        &second,
        "huntcore_tls_reloads_total{result=\"used\"} 1",
    )
    .await;

    let mut ada = live(&world, &second, Some("ada")).await;
    let claim = r#"{"type":"claim","id":"c1","round":1,"tile":0}"#;
    ada.send(Message::text(claim)).await.expect("it reads");
    hears_a_claim(&mut watcher).await;
}

#[tokio::test]
async fn bad_new_files_leave_the_last_good_certificate_in_use() {
    let (files, first) = Files::new();
    let world = world(&files, |_| {}).await;
    put(&files.path("certificate.pem"), "no certificate");
    until_metric(
        &world,
        &first,
        "huntcore_tls_reloads_total{result=\"refused\"} 1",
    )
    .await;
    // A certificate of another key.
    let (others, _) = Files::new();
    let strange = std::fs::read_to_string(others.path("certificate.pem")).expect("it is there");
    put(&files.path("certificate.pem"), &strange);
    until_metric(
        &world,
        &first,
        "huntcore_tls_reloads_total{result=\"refused\"} 2",
    )
    .await;
    std::fs::remove_file(files.path("certificate.pem")).expect("it is there");
    let tls = shake(&world, &first).await.expect("still trusted");
    get(tls, "/healthz").await.ok();
    let good = files.renew();
    within(async { while shake(&world, &good).await.is_err() {} }).await;
}

#[tokio::test]
async fn plain_http_where_tls_is_spoken_is_told_so() {
    let (files, trusted) = Files::new();
    let world = world(&files, |_| {}).await;
    let answer = world.raw(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let problem = Answer::parse(&answer).problem(400, "malformed");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("https://"))
    );
    until_metric(
        &world,
        &trusted,
        "huntcore_tls_handshakes_total{end=\"failed\"} 1",
    )
    .await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let (files, trusted) = Files::new();
    let world = world(&files, |config| {
        config.limits.tls_handshake_timeout = Duration::from_millis(300);
    })
    .await;
    // One says nothing, the other the beginning of a handshake.
    let mut silent = world.connect().await;
    let mut halting = world.connect().await;
    halting.write_all(&[22, 3, 1]).await.expect("it reads");
    for quiet in [&mut silent, &mut halting] {
        let mut rest = Vec::new();
        let _ = within(quiet.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
    until_metric(
        &world,
        &trusted,
        "huntcore_tls_handshakes_total{end=\"timed-out\"} 2",
    )
    .await;
}

#[tokio::test]
async fn who_never_reads_over_tls_is_let_go_with_all_that_it_held() {
    let (files, trusted) = Files::new();
    let world = world(&files, |config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = Duration::from_millis(200);
        config.limits.close_timeout = Duration::from_millis(50);
    })
    .await;
    let mut deaf = live(&world, &trusted, None).await;
    socket2::SockRef::from(deaf.get_ref().get_ref().0)
        .set_recv_buffer_size(4_096)
        .expect("allowed");
    subscribe(&mut deaf).await;
    let mut good = live(&world, &trusted, None).await;
    subscribe(&mut good).await;
    // Answers to pings that nobody reads, until the edge hangs up.
    let (mut sink, stream) = deaf.split();
    within(async { while sink.feed(Message::ping(vec![b'x'; 125])).await.is_ok() {} }).await;
    within(async {
        while world.counts.connections() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(world.counts.sockets(), 1);
    let mut ada = live(&world, &trusted, Some("ada")).await;
    let claim = r#"{"type":"claim","id":"c1","round":1,"tile":0}"#;
    ada.send(Message::text(claim)).await.expect("it reads");
    hears_a_claim(&mut good).await;
    drop((sink, stream));
}

#[tokio::test]
async fn without_good_files_the_edge_does_not_start_and_says_why() {
    let (files, _) = Files::new();
    let bind = |change: &dyn Fn(&mut TlsFiles)| {
        let mut config = crate::world::config(huntcore_edge::AuthConfig::On(settings()));
        let mut tls = files.settings();
        change(&mut tls);
        config.tls = Some(tls);
        match Edge::bind(config, Fake::new()) {
            Err(BindError::Tls(error)) => error.to_string(),
            Err(error) => panic!("another fault: {error}"),
            Ok(_) => panic!("it starts"),
        }
    };
    let mut config = crate::world::config(huntcore_edge::AuthConfig::On(settings()));
    config.tls = Some(TlsFiles {
        check_every: Duration::ZERO,
        ..files.settings()
    });
    let never = Edge::bind(config, Fake::new());
    assert!(matches!(
        never,
        Err(BindError::Limit {
            limit: "tls.check_every",
            ..
        })
    ));
    let missing = bind(&|tls| tls.certificate = files.path("missing.pem"));
    assert!(
        missing.contains("missing.pem") && missing.contains("cannot read"),
        "{missing}"
    );
    let swapped = bind(&|tls| std::mem::swap(&mut tls.certificate, &mut tls.key));
    assert!(
        swapped.contains("key.pem holds no certificate"),
        "{swapped}"
    );
    let (others, _) = Files::new();
    let stranger = bind(&|tls| tls.key = others.path("key.pem"));
    assert!(stranger.contains("cannot be used together"), "{stranger}");
}
