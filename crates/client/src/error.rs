//! What can go wrong between a caller and a server.

use std::error::Error;
use std::time::Duration;

use huntcore_wire::{Problem, ProblemKind};

/// Why a call has no answer of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused, and said why.
    #[error("server refused with {}: {}", .0.name(), if .0.detail.is_empty() { &.0.title } else { &.0.detail })]
    Problem(Box<Problem>),
    /// The server could not be reached, or the connection was lost; whether it has done what
    /// was asked is not known.
    #[error("server not reached: {reason}")]
    Transport {
        /// What happened.
        reason: String,
        /// What caused it, if something else did.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The server answered with something that is not of this protocol.
    #[error("answer not understood: {reason}")]
    Protocol {
        /// What was wrong with it.
        reason: String,
    },
    /// The live connection is closed for good.
    #[error("live connection is closed: {reason}")]
    Closed {
        /// The close frame's code, if one came.
        code: Option<u16>,
        /// Why.
        reason: String,
    },
    /// What was asked for cannot be put into a request.
    #[error("request cannot be made: {reason}")]
    Request {
        /// Why not.
        reason: String,
    },
}

impl ClientError {
    /// The problem, if the server named one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The problem's kind, if the server named one that this version knows.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        self.problem().and_then(Problem::kind)
    }

    /// The problem's HTTP status, if the server named one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }

    /// Whether the same call, made again a little later, may fare better.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Problem(_) => self.kind().is_some_and(ProblemKind::is_retryable),
            Self::Protocol { .. } | Self::Closed { .. } | Self::Request { .. } => false,
        }
    }

    /// When the server would like to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let millis = self.problem()?.retry_after_ms?;
        Some(Duration::from_millis(millis))
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::Transport {
            reason: reason.into(),
            source: None,
        }
    }

    pub(crate) fn protocol(reason: impl Into<String>) -> Self {
        Self::Protocol {
            reason: reason.into(),
        }
    }

    pub(crate) fn request(reason: impl Into<String>) -> Self {
        Self::Request {
            reason: reason.into(),
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::request(error.to_string());
        }
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "connection refused"
        } else {
            "connection lost"
        };
        Self::Transport {
            reason: what.to_owned(),
            source: Some(Box::new(error)),
        }
    }
}

impl From<tokio_websockets::Error> for ClientError {
    fn from(error: tokio_websockets::Error) -> Self {
        match error {
            tokio_websockets::Error::Protocol(error) => Self::protocol(error.to_string()),
            tokio_websockets::Error::PayloadTooLong { len, max_len } => Self::protocol(format!(
                "message has {len} bytes, expected at most {max_len}"
            )),
            other => Self::Transport {
                reason: "connection lost".to_owned(),
                source: Some(Box::new(other)),
            },
        }
    }
}
