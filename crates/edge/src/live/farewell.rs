//! Why a socket ends, and what the peer is told.

use huntcore_wire::CloseCode;

use super::frames::Violation;

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
    pub(super) const STOPPING: Self = Self::new(CloseCode::GoingAway, "server is stopping");

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
