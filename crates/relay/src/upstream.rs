//! The upstream's log over HTTP.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use huntcore_model::Position;
use huntcore_wire::{PositionText, Problem, ProblemKind};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::config::RelayConfig;

/// For a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For an answer that is short and known at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Pieces of a checkpoint that wait for whoever reads it.
const CHUNKS_WAITING: usize = 16;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    http: reqwest::Client,
    base: Url,
    service_key: Option<String>,
}

/// Why the upstream gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It is not reached, or has gone silent.
    #[error("{0}")]
    Lost(String),
    /// It refuses.
    #[error("it refuses with {status}: {detail}")]
    Refused {
        status: StatusCode,
        kind: Option<ProblemKind>,
        detail: String,
    },
}

#[derive(Deserialize)]
struct Ends {
    position: PositionText,
}

impl Upstream {
    /// The upstream at that address; an error says what is wrong with the address.
    pub(crate) fn new(config: &RelayConfig) -> Result<Self, String> {
        let mut base: Url = config
            .upstream
            .parse()
            .map_err(|error| format!("{error}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err("expected http://… or https://…".to_owned());
        }
        base.set_query(None);
        base.set_fragment(None);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(config.silence_max)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            http,
            base,
            service_key: config.service_key.clone(),
        })
    }

    /// The batches after `from`, without end.
    pub(crate) async fn batches(&self, from: &Position) -> Result<Response, UpstreamError> {
        let from = from.to_string();
        self.get(&[], &[("from", &from)]).await
    }

    /// The state to begin with, for a thread that may block.
    pub(crate) async fn checkpoint(&self) -> Result<(Response, Chunks), UpstreamError> {
        let response = self.get(&["checkpoint"], &[]).await?;
        let (sender, chunks) = mpsc::channel(CHUNKS_WAITING);
        let chunks = Chunks {
            sender: Some(sender),
            chunks,
            current: Bytes::new(),
        };
        Ok((response, chunks))
    }

    /// Up to where its streams are durable.
    pub(crate) async fn ends(&self) -> Result<Position, UpstreamError> {
        let asking = async {
            let response = self.get(&["position"], &[]).await?;
            response.bytes().await.map_err(lost)
        };
        let late = |_| UpstreamError::Lost("no answer in time".to_owned());
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asking).await;
        let answer = answer.map_err(late)??;
        let ends = serde_json::from_slice::<Ends>(&answer).ok();
        let ends = ends.and_then(|ends| ends.position.parse().ok());
        ends.ok_or_else(|| UpstreamError::Lost("its position cannot be read".to_owned()))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Response, UpstreamError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", "log"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.get(url);
        if let Some(key) = &self.service_key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        Err(UpstreamError::Refused {
            status,
            kind: problem.as_ref().and_then(Problem::kind),
            detail: problem.map_or_else(
                || "without a word; is it a huntcore node?".to_owned(),
                |problem| match problem.detail.is_empty() {
                    true => problem.title,
                    false => problem.detail,
                },
            ),
        })
    }
}

impl UpstreamError {
    /// Whether asking again later may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
        }
    }
}

/// What became of a connection, without the address that the reader knows.
pub(crate) fn lost(error: reqwest::Error) -> UpstreamError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    UpstreamError::Lost(text)
}

/// A response's bytes for a thread that may block.
pub(crate) struct Chunks {
    /// Taken by whoever brings them.
    sender: Option<mpsc::Sender<Bytes>>,
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Chunks {
    /// Where what arrives is to be put in; the end of it is the end of the bytes.
    pub(crate) fn sender(&mut self) -> Option<mpsc::Sender<Bytes>> {
        self.sender.take()
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
