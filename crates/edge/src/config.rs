//! What an edge is told before it starts: addresses, limits, and who may do what.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::AuthConfig;
use crate::server::TlsError;

/// All settings of an edge.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Lets other processes listen there too; the kernel deals connections out among them.
    pub reuse_port: bool,
    /// What TLS is spoken with; without it, the address speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Origins, besides the edge's own, whose pages may open live sockets:
    /// `https://example.org`, or `*` for any.
    pub socket_origins: Vec<String>,
    /// Origins whose pages may read the HTTP API (CORS); empty for none, `*` for any.
    pub cors_origins: Vec<String>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Host` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Tokens and keys.
    pub auth: AuthConfig,
    /// From one tick of the backend's feeds to the next; told to clients, not enforced.
    pub tick: Duration,
    /// Bounds on everything that a peer can make grow (I8).
    pub limits: Limits,
}

impl EdgeConfig {
    /// Everything at its default.
    #[must_use]
    pub fn new(auth: AuthConfig) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            reuse_port: false,
            tls: None,
            socket_origins: Vec::new(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            auth,
            tick: Duration::from_millis(100),
            limits: Limits::default(),
        }
    }
}

/// A certificate, its key, and how often to look whether they were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate and then those that lead to a known root.
    pub certificate: PathBuf,
    /// PEM: the certificate's private key.
    pub key: PathBuf,
    /// From one look to the next.
    pub check_every: Duration,
}

/// Bounds on memory, time and rate. Every one is reached with a typed refusal.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections, sockets included.
    pub connections_max: usize,
    /// Live sockets among them.
    pub sockets_max: usize,
    /// Open connections of one address; an IPv6 network of 64 bits counts as one. Through a
    /// trusted proxy, the live sockets of one address that it names.
    pub connections_per_address_max: usize,
    /// Live sockets of one player.
    pub sockets_per_player_max: usize,
    /// New connections of everybody together; `None` for no limit.
    pub connect_rate: Option<Rate>,
    /// New connections of one address; `None` for no limit.
    pub address_connect_rate: Option<Rate>,
    /// Whether limits on one address hold for this machine's own addresses too. Proxies and
    /// load generators on this machine have only those.
    pub limit_loopback: bool,
    /// From the first byte to the end of a TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Bytes of a request's start line and headers; at least 8 KiB.
    pub header_bytes_max: usize,
    /// Headers of one request.
    pub header_count_max: usize,
    /// From a request's first awaited byte to its last header. An idle kept-alive connection
    /// is closed after this time too.
    pub header_read_timeout: Duration,
    /// Bytes of a player's or guest's body; every connection may hold one.
    pub body_bytes_max: usize,
    /// Bytes of a service's body: batches, NDJSON, areas.
    pub bulk_body_bytes_max: usize,
    /// For a request's body to arrive.
    pub body_read_timeout: Duration,
    /// For a request to be answered once its body is there.
    pub request_timeout: Duration,
    /// Attempts of one stream that await their outcome; more wait in the peer's own buffers.
    pub stream_attempts_max: usize,
    /// How long a stream of attempts may bring nothing and wait for nothing before it is ended.
    pub stream_idle_timeout: Duration,
    /// How long a peer may leave a response unread.
    pub response_write_timeout: Duration,
    /// For `at_least` reads to see their position.
    pub at_least_wait: Duration,
    /// Bytes of one message from a live socket.
    pub message_bytes_max: usize,
    /// Bytes that the kernel holds for a live socket; no more are given while some are left over.
    pub outgoing_bytes_max: usize,
    /// Attempts of one live socket that await their outcome; more wait in the peer's own buffers.
    pub socket_attempts_max: usize,
    /// How long a client that resumes waits for this process to have seen what it has, before
    /// it is sent a snapshot.
    pub resume_wait: Duration,
    /// Missed ticks beyond which a slow socket gets them merged into one delta.
    pub merge_ticks_over: usize,
    /// Interests of their own that a hunt's live sockets may have together; each is framed by
    /// itself. Who wants to hear everything is always let in.
    pub interest_classes_max: usize,
    /// From one change of a live socket's interest to the next; of several that come sooner,
    /// the last is answered.
    pub subscribe_interval: Duration,
    /// From one message about a player's own rank to the next, on each live socket.
    pub rank_interval: Duration,
    /// How long a live socket may take for what it was given before it is closed with 4000.
    /// However slowly it reads on: until then it keeps a snapshot alive that others are past.
    pub slow_client_timeout: Duration,
    /// For a live socket's first message; a watcher's is `subscribe`.
    pub first_message_timeout: Duration,
    /// Between pings on a quiet socket; a socket silent for three of them is closed.
    pub ping_interval: Duration,
    /// For a socket's peer to take the last frame and to hang up.
    pub close_timeout: Duration,
    /// Each player's attempts; `None` for no limit.
    pub player_rate: Option<Rate>,
    /// Guest tokens for one address; `None` for no limit.
    pub guest_rate: Option<Rate>,
    /// Players and addresses whose rate is remembered at one time.
    pub rate_keys_max: usize,
    /// Bytes of ready bodies of immutable resources (cells, maps) that are kept.
    pub body_cache_bytes_max: usize,
    /// Over how long live sockets are told goodbye at shutdown: a millisecond for each of them,
    /// but no longer than this.
    pub drain: Duration,
    /// For accepted requests to finish at shutdown, and for live sockets whose goodbye has come.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            sockets_max: 16_000,
            connections_per_address_max: 8_192,
            sockets_per_player_max: 16,
            connect_rate: Some(Rate {
                per_second: 5_000,
                burst: 20_000,
            }),
            address_connect_rate: Some(Rate {
                per_second: 500,
                burst: 8_192,
            }),
            limit_loopback: false,
            tls_handshake_timeout: Duration::from_secs(10),
            header_bytes_max: 32 << 10,
            header_count_max: 64,
            header_read_timeout: Duration::from_secs(15),
            body_bytes_max: 16 << 10,
            bulk_body_bytes_max: 8 << 20,
            body_read_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(10),
            stream_attempts_max: 16_384,
            stream_idle_timeout: Duration::from_secs(300),
            response_write_timeout: Duration::from_secs(30),
            at_least_wait: Duration::from_millis(50),
            message_bytes_max: 4 << 10,
            outgoing_bytes_max: 64 << 10,
            socket_attempts_max: 64,
            resume_wait: Duration::from_secs(1),
            merge_ticks_over: 2,
            interest_classes_max: 1_024,
            subscribe_interval: Duration::from_millis(100),
            rank_interval: Duration::from_secs(1),
            slow_client_timeout: Duration::from_secs(20),
            first_message_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(20),
            close_timeout: Duration::from_secs(2),
            player_rate: Some(Rate {
                per_second: 50,
                burst: 100,
            }),
            guest_rate: Some(Rate {
                per_second: 100,
                burst: 20_000,
            }),
            rate_keys_max: 262_144,
            body_cache_bytes_max: 64 << 20,
            drain: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Over how long so many live sockets are told goodbye at shutdown: a server that stops
    /// must not send all its clients to the others at the same moment.
    pub(crate) fn leaving_spread(&self, sockets: usize) -> Duration {
        let millis = u64::try_from(sockets).unwrap_or(u64::MAX);
        Duration::from_millis(millis).min(self.drain)
    }
}

/// So many a second on average, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// On average; at least 1.
    pub per_second: u32,
    /// At once; at least 1.
    pub burst: u32,
}

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{address} is in use by another process: stop it or set another `listen` address")]
    AddressInUse {
        /// Where.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing that TLS could be spoken with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Live sockets get no thread or event queue.
    #[error("cannot set up live sockets: {source}")]
    Sockets {
        /// Why.
        source: std::io::Error,
    },
    /// Open doors are for this machine only.
    #[error(
        "authentication is off, which only a loopback address allows: `listen` is {address}, \
         expected 127.0.0.1 or [::1]"
    )]
    AuthOffBeyondLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Guest tokens must be signed, and only the shared key can.
    #[error("guests need player_alg HS256: with EdDSA the edge holds no key to sign tokens with")]
    GuestsNeedHs256,
    /// A key that is no key.
    #[error("{key} is {fault}")]
    Key {
        /// Which setting.
        key: &'static str,
        /// What is wrong; never the key itself.
        fault: &'static str,
    },
    /// An origin that no browser sends.
    #[error("origin {origin:?} in {setting} is not of the form scheme://host[:port], nor `*`")]
    Origin {
        /// Which setting.
        setting: &'static str,
        /// The text found.
        origin: String,
    },
    /// A limit that cannot be kept.
    #[error("{limit} is {found}, expected {expected}")]
    Limit {
        /// Which one.
        limit: &'static str,
        /// What was asked for.
        found: u64,
        /// What is allowed, in words.
        expected: &'static str,
    },
}

impl EdgeConfig {
    /// Refuses what could only fail later, or be unsafe.
    pub(crate) fn check(&self) -> Result<(), BindError> {
        self.auth.check(self.listen)?;
        check_origins("socket_origins", &self.socket_origins)?;
        check_origins("cors_origins", &self.cors_origins)?;
        let limits = &self.limits;
        at_least(
            "header_bytes_max",
            limits.header_bytes_max,
            8_192,
            "at least 8192",
        )?;
        for (limit, found) in [
            ("connections_max", limits.connections_max),
            (
                "connections_per_address_max",
                limits.connections_per_address_max,
            ),
            ("sockets_per_player_max", limits.sockets_per_player_max),
            ("header_count_max", limits.header_count_max),
            ("socket_attempts_max", limits.socket_attempts_max),
            ("stream_attempts_max", limits.stream_attempts_max),
            ("rate_keys_max", limits.rate_keys_max),
        ] {
            at_least(limit, found, 1, "at least 1")?;
        }
        if let Some(tls) = &self.tls {
            let millis = usize::try_from(tls.check_every.as_millis()).unwrap_or(usize::MAX);
            at_least("tls.check_every", millis, 1, "at least 1 ms")?;
        }
        at_least(
            "message_bytes_max",
            limits.message_bytes_max,
            256,
            "at least 256",
        )?;
        let rates = [
            limits.player_rate,
            limits.guest_rate,
            limits.connect_rate,
            limits.address_connect_rate,
        ];
        for rate in rates.into_iter().flatten() {
            let least = rate.per_second.min(rate.burst);
            at_least(
                "rate",
                usize::try_from(least).unwrap_or(usize::MAX),
                1,
                "at least 1",
            )?;
        }
        Ok(())
    }
}

fn at_least(
    limit: &'static str,
    found: usize,
    least: usize,
    expected: &'static str,
) -> Result<(), BindError> {
    if found >= least {
        return Ok(());
    }
    Err(BindError::Limit {
        limit,
        found: found as u64,
        expected,
    })
}

fn check_origins(setting: &'static str, origins: &[String]) -> Result<(), BindError> {
    let wrong = |origin: &&String| *origin != "*" && crate::origin::Origin::parse(origin).is_none();
    match origins.iter().find(wrong) {
        None => Ok(()),
        Some(origin) => Err(BindError::Origin {
            setting,
            origin: origin.clone(),
        }),
    }
}
