//! How a live connection is set up.

use std::time::Duration;

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderValue, Uri};
use huntcore_model::{BoardName, HuntId};
use huntcore_wire::{Interest, LiveForm, PositionText};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Limits, MaybeTlsStream, WebSocketStream, upgrade};

use super::driver;
use super::subscription::Subscription;
use crate::http::Asker;
use crate::{Client, ClientError, LiveConnection, RetryPolicy};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Settles how a live connection works.
#[derive(Clone, Debug)]
pub struct LiveBuilder {
    client: Client,
    hunt: String,
    pub(super) options: LiveOptions,
}

#[derive(Clone, Debug)]
pub(super) struct LiveOptions {
    pub(super) form: LiveForm,
    pub(super) subscription: Subscription,
    pub(super) resume: Option<PositionText>,
    pub(super) events_max: usize,
    pub(super) claims_max: usize,
    pub(super) message_bytes_max: usize,
    pub(super) reads_claims: bool,
    pub(super) idle_timeout: Duration,
    pub(super) reconnect: RetryPolicy,
    pub(super) claim_retry: RetryPolicy,
    pub(super) outcome_timeout: Duration,
}

/// Makes connections, the first one and those after it.
#[derive(Debug)]
pub(super) struct Connector {
    uri: Uri,
    bearer: Option<HeaderValue>,
    form: LiveForm,
    timeout: Duration,
    message_bytes_max: usize,
}

/// Why a connection was not made.
#[derive(Debug)]
pub(super) struct ConnectError {
    pub(super) error: ClientError,
    /// Whether trying again is in vain.
    pub(super) is_final: bool,
}

impl LiveBuilder {
    pub(crate) fn new(client: Client, hunt: &HuntId) -> Self {
        let claim_retry = client.shared.retry;
        let outcome_timeout = client.shared.request_timeout;
        Self {
            client,
            hunt: hunt.to_string(),
            options: LiveOptions {
                form: LiveForm::default(),
                subscription: Subscription::default(),
                resume: None,
                events_max: 1_024,
                claims_max: 256,
                message_bytes_max: 64 << 20,
                reads_claims: true,
                idle_timeout: Duration::from_secs(30),
                reconnect: RetryPolicy {
                    first: Duration::from_millis(200),
                    max: Duration::from_secs(10),
                    give_up_after: Duration::MAX,
                },
                claim_retry,
                outcome_timeout,
            },
        }
    }

    /// How messages stand in frames; JSON if not set. Protobuf takes about a third of the bytes.
    #[must_use]
    pub const fn form(mut self, form: LiveForm) -> Self {
        self.options.form = form;
        self
    }

    /// What of the hunt to hear; all of it if not set.
    #[must_use]
    pub fn interest(mut self, interest: Interest) -> Self {
        self.options.subscription.interest = interest;
        self
    }

    /// The board on which to hear of the player's own place; none if not set.
    #[must_use]
    pub const fn own_rank(mut self, board: BoardName) -> Self {
        self.options.subscription.own_rank = Some(board);
        self
    }

    /// Begins after a `resume` received earlier, with the same interest, not with a snapshot.
    #[must_use]
    pub fn resume(mut self, resume: PositionText) -> Self {
        self.options.resume = Some(resume);
        self
    }

    /// How many events may wait to be read; 1,024 if not set.
    #[must_use]
    pub fn events_max(mut self, events: usize) -> Self {
        self.options.events_max = events.max(1);
        self
    }

    /// How many attempts may wait for their outcome; 256 if not set. Further ones wait before
    /// they are sent.
    #[must_use]
    pub fn claims_max(mut self, claims: usize) -> Self {
        self.options.claims_max = claims.max(1);
        self
    }

    /// How long a message may be; 64 MiB if not set.
    #[must_use]
    pub const fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.options.message_bytes_max = bytes;
        self
    }

    /// Leaves others' claims out of deltas, for those who only play: their state shows rounds
    /// and boards, and claims as of snapshots only. Saves most of the reading.
    #[must_use]
    pub const fn without_claims(mut self) -> Self {
        self.options.reads_claims = false;
        self
    }

    /// After how long without a sign of the server the connection counts as lost; half of it
    /// passes before the server is asked for one. 30 s if not set.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = timeout;
        self
    }

    /// How lost connections are made again; for ever, up to 10 s apart, if not set.
    #[must_use]
    pub const fn reconnect(mut self, policy: RetryPolicy) -> Self {
        self.options.reconnect = policy;
        self
    }

    /// Connects once, and keeps the connection up from then on.
    pub async fn connect(self) -> Result<LiveConnection, ClientError> {
        let connector = self.connector()?;
        let socket = connector.connect().await.map_err(|failed| failed.error)?;
        Ok(driver::spawn(connector, socket, self.options))
    }

    fn connector(&self) -> Result<Connector, ClientError> {
        let mut url = self.client.url(&["v1", "hunts", &self.hunt, "live"])?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme)
            .map_err(|()| ClientError::request("the server's URL takes no WebSocket"))?;
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|error| ClientError::request(format!("{url} is no address: {error}")))?;
        // Only a player's token names somebody on this socket.
        let bearer = self.client.bearer(Asker::Player)?;
        Ok(Connector {
            uri,
            bearer,
            form: self.options.form,
            timeout: self.client.shared.connect_timeout,
            message_bytes_max: self.options.message_bytes_max,
        })
    }
}

impl Connector {
    pub(super) async fn connect(&self) -> Result<Socket, ConnectError> {
        match tokio::time::timeout(self.timeout, self.handshake()).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError {
                error: ClientError::lost("no connection in time"),
                is_final: false,
            }),
        }
    }

    async fn handshake(&self) -> Result<Socket, ConnectError> {
        let protocol = self.form.protocol();
        let limits = Limits::default().max_payload_len(Some(self.message_bytes_max));
        let mut builder = ClientBuilder::from_uri(self.uri.clone())
            .limits(limits)
            .add_header(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol))
            .map_err(failed)?;
        if let Some(bearer) = &self.bearer {
            builder = builder
                .add_header(AUTHORIZATION, bearer.clone())
                .map_err(failed)?;
        }
        let (socket, response) = builder.connect().await.map_err(failed)?;
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
        if chosen.is_some_and(|chosen| chosen == protocol) {
            if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
                // Attempts are small and race each other; a failure only costs time.
                let _ = stream.set_nodelay(true);
            }
            Ok(socket)
        } else {
            Err(ConnectError {
                error: ClientError::protocol(format!("server does not speak {protocol}")),
                is_final: true,
            })
        }
    }
}

fn failed(error: tokio_websockets::Error) -> ConnectError {
    match error {
        tokio_websockets::Error::Upgrade(upgrade::Error::DidNotSwitchProtocols(status)) => {
            let may_change = status >= 500 || matches!(status, 408 | 425 | 429);
            let reason = format!("handshake refused with status {status}");
            ConnectError {
                error: if may_change {
                    ClientError::lost(reason)
                } else {
                    ClientError::Closed { code: None, reason }
                },
                is_final: !may_change,
            }
        }
        tokio_websockets::Error::Upgrade(error) => ConnectError {
            error: ClientError::protocol(error.to_string()),
            is_final: false,
        },
        other => ConnectError {
            error: other.into(),
            is_final: false,
        },
    }
}
