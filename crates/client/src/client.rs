//! The client itself: where the server is, who asks, and how patient it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use huntcore_model::HuntId;
use reqwest::Url;

use crate::cells::CellsCache;
use crate::{ClientError, LiveBuilder, RetryPolicy};

/// A server's client; cheap to clone, and clones share connections and caches.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) token: Option<Arc<str>>,
}

pub(crate) struct Shared {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) service_key: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) cells: CellsCache,
}

/// Settles how a [`Client`] works.
pub struct ClientBuilder {
    base: String,
    token: Option<Arc<str>>,
    service_key: Option<String>,
    connect_timeout: Duration,
    request_timeout: Duration,
    retry: RetryPolicy,
}

impl Client {
    /// Begins a client of the server at `base`, such as `http://127.0.0.1:7070`.
    #[must_use]
    pub fn builder(base: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            base: base.into(),
            token: None,
            service_key: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
        }
    }

    /// The same client for another player.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            token: Some(Arc::from(token)),
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn base(&self) -> &str {
        self.shared.base.as_str()
    }

    /// Begins a live connection to a hunt.
    #[must_use]
    pub fn live(&self, hunt: &HuntId) -> LiveBuilder {
        LiveBuilder::new(self.clone(), hunt)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither token nor key belongs into a log.
        formatter
            .debug_struct("Client")
            .field("base", &self.base())
            .field("has_token", &self.token.is_some())
            .field("has_service_key", &self.shared.service_key.is_some())
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// The player's bearer token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(Arc::from(token));
        self
    }

    /// The key for service routes: hunts, batches, score events.
    #[must_use]
    pub fn service_key(mut self, key: impl Into<String>) -> Self {
        self.service_key = Some(key.into());
        self
    }

    /// How long a connection may take to be made.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one request may take, its answer read; and how long an attempt on a live
    /// connection may wait for its outcome.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How attempts and score events are repeated.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The client; makes no connection yet.
    pub fn build(self) -> Result<Client, ClientError> {
        let mut base: Url = self
            .base
            .parse()
            .map_err(|error| ClientError::request(format!("{:?} is no URL: {error}", self.base)))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(ClientError::request(format!(
                "{:?} is no URL of a server: expected http://… or https://…",
                self.base
            )));
        }
        base.set_query(None);
        base.set_fragment(None);
        let http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // The socket would not go through one either.
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        Ok(Client {
            shared: Arc::new(Shared {
                http,
                base,
                service_key: self.service_key,
                connect_timeout: self.connect_timeout,
                request_timeout: self.request_timeout,
                retry: self.retry,
                cells: CellsCache::default(),
            }),
            token: self.token,
        })
    }
}
