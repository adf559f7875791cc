//! Every answer that is not what was asked for, as an RFC 9457 problem.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use huntcore_model::OutcomeKind;
use huntcore_wire::{Problem, ProblemKind};

use crate::rate::TooFast;

/// Media type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A problem on its way out. What it says may be shown to anybody.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    challenge: Option<Challenge>,
}

/// What the refused are asked to do instead, in headers.
#[derive(Clone, Copy, Debug)]
enum Challenge {
    /// Show who they are (RFC 6750).
    Bearer,
    /// Show something better (RFC 6750).
    InvalidToken,
    /// Open a WebSocket (RFC 9110, section 15.5.22; RFC 6455, section 4.4).
    WebSocket,
}

impl Refusal {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let mut problem = Problem::new(kind, detail);
        // Outcomes are of attempts; see `of_attempt`.
        problem.outcome = None;
        problem.into()
    }

    /// The same refusal as what came of an attempt.
    pub(crate) fn of_attempt(mut self) -> (Self, OutcomeKind) {
        let kind = self.problem.kind().and_then(ProblemKind::outcome);
        // Whatever else is wrong with a request, as an attempt it was none.
        let kind = kind.unwrap_or(OutcomeKind::Invalid);
        self.problem.outcome = Some(kind);
        (self, kind)
    }

    /// Nothing was shown.
    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self {
            challenge: Some(Challenge::Bearer),
            ..Self::new(ProblemKind::Unauthorized, detail)
        }
    }

    /// What was shown is not good.
    pub(crate) fn invalid_token(detail: &str) -> Self {
        Self {
            challenge: Some(Challenge::InvalidToken),
            ..Self::new(ProblemKind::Unauthorized, detail)
        }
    }

    /// The path speaks WebSocket, and the request does not.
    pub(crate) fn not_websocket(detail: &str) -> Self {
        Self {
            challenge: Some(Challenge::WebSocket),
            ..Self::new(ProblemKind::UpgradeRequired, detail)
        }
    }

    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    pub(crate) fn too_fast(TooFast(wait): TooFast, detail: &str) -> Self {
        let mut refusal = Self::new(ProblemKind::RateLimited, detail);
        refusal.problem.retry_after_ms = Some(whole_millis(wait));
        refusal
    }
}

/// Rounded up: a wait must not be told shorter than it is.
pub(crate) fn whole_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            challenge: None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.written().map(Body::from)
    }
}

impl Refusal {
    /// The whole response.
    pub(crate) fn written(&self) -> http::Response<Bytes> {
        let status = StatusCode::from_u16(self.problem.status)
            .expect("problem kinds have statuses of errors");
        let body = serde_json::to_vec(&self.problem).expect("plain data");
        let content_type = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = http::Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.problem.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let asked: &[(HeaderName, &'static str)] = match self.challenge {
            None => &[],
            Some(Challenge::Bearer) => &[(header::WWW_AUTHENTICATE, "Bearer realm=\"huntcore\"")],
            Some(Challenge::InvalidToken) => &[(
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"huntcore\", error=\"invalid_token\"",
            )],
            Some(Challenge::WebSocket) => &[
                (header::UPGRADE, "websocket"),
                (header::CONNECTION, "upgrade"),
                (header::SEC_WEBSOCKET_VERSION, "13"),
            ],
        };
        for (name, value) in asked {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
