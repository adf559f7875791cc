//! Why a socket is closed, by the codes of RFC 6455 and huntcore's own.

/// Why a WebSocket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Done.
    Normal,
    /// The server stops: come again after a backoff.
    GoingAway,
    /// A frame that RFC 6455 does not allow.
    Protocol,
    /// A binary frame.
    UnsupportedData,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// The token has expired or does not allow it.
    Policy,
    /// A message longer than allowed.
    TooBig,
    /// A bug, or a broken machine.
    Internal,
    /// A limit is reached: come again after a backoff.
    TryAgainLater,
    /// The client did not read for too long.
    SlowClient,
}

impl CloseCode {
    const ALL: [Self; 10] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::UnsupportedData,
        Self::InvalidUtf8,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::TryAgainLater,
        Self::SlowClient,
    ];

    /// The number in the close frame.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::UnsupportedData => 1003,
            Self::InvalidUtf8 => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::TryAgainLater => 1013,
            Self::SlowClient => 4000,
        }
    }

    /// The code of that number, if huntcore uses it.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Whether the same client may come again with the same token.
    #[must_use]
    pub const fn may_return(self) -> bool {
        matches!(
            self,
            Self::Normal
                | Self::GoingAway
                | Self::Internal
                | Self::TryAgainLater
                | Self::SlowClient
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_are_found_again() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_code(code.code()), Some(code));
        }
        assert_eq!(CloseCode::from_code(1006), None);
    }
}
