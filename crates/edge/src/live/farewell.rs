//! Why a socket ends, and what the peer is told.

use huntcore_wire::CloseCode;

use super::frames::Violation;
use crate::jitter;

/// Goodbyes to clients that are to come back, each at another time. Texts and not numbers: a
/// farewell is copied about and must cost nothing.
const STOPPING: [&str; 8] = [
    "server is stopping; retry_after_ms=250",
    "server is stopping; retry_after_ms=500",
    "server is stopping; retry_after_ms=750",
    "server is stopping; retry_after_ms=1000",
    "server is stopping; retry_after_ms=1250",
    "server is stopping; retry_after_ms=1500",
    "server is stopping; retry_after_ms=1750",
    "server is stopping; retry_after_ms=2000",
];

/// The same for those whom there is no room for.
const BUSY: [&str; 8] = [
    "no room; retry_after_ms=1000",
    "no room; retry_after_ms=1500",
    "no room; retry_after_ms=2000",
    "no room; retry_after_ms=2500",
    "no room; retry_after_ms=3000",
    "no room; retry_after_ms=3500",
    "no room; retry_after_ms=4000",
    "no room; retry_after_ms=4500",
];

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    /// None answers a close that had none.
    pub(super) code: Option<u16>,
    pub(super) reason: &'static str,
}

impl Farewell {
    pub(super) const SLOW: Self = Self::new(CloseCode::SlowClient, "slow client");
    pub(super) const SILENT: Self = Self::new(CloseCode::SlowClient, "no answer to pings");
    pub(super) const EXPIRED: Self = Self::new(CloseCode::Policy, "token has expired");
    pub(super) const MUTE: Self = Self::new(CloseCode::Policy, "no message in time");
    pub(super) const UNREADABLE: Self =
        Self::new(CloseCode::Policy, "too many messages cannot be read");

    /// The server stops: somewhere else, or here again, in a moment.
    pub(super) fn stopping() -> Self {
        Self::new(CloseCode::GoingAway, jitter::one_of(&STOPPING))
    }

    /// A limit is reached, and only now that it is a socket: again in a moment.
    pub(super) fn busy() -> Self {
        Self::new(CloseCode::TryAgainLater, jitter::one_of(&BUSY))
    }

    const fn new(code: CloseCode, reason: &'static str) -> Self {
        Self {
            code: Some(code.code()),
            reason,
        }
    }

    /// The answer to the peer's own goodbye.
    pub(super) const fn echo(code: Option<u16>) -> Self {
        Self { code, reason: "" }
    }

    /// Whether the client was too slow for us.
    pub(super) fn is_of_slow_client(self) -> bool {
        // A peer may close with the same code; that is its own affair.
        matches!(self, Self::SLOW | Self::SILENT)
    }
}

impl From<Violation> for Farewell {
    fn from(violation: Violation) -> Self {
        Self::new(violation.code(), violation.reason())
    }
}
