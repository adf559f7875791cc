//! What a client's frames may do wrong.

use huntcore_wire::CloseCode;

/// A frame that RFC 6455 does not allow, or that is refused here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A reserved bit is set, though no extension was agreed.
    ReservedBits,
    /// An opcode that nobody has defined.
    UnknownOpcode,
    /// A ping, pong or close that is not its message's only frame.
    FragmentedControl,
    /// A ping, pong or close of more than 125 bytes.
    LongControl,
    /// A continuation, and nothing that it continues.
    ContinuesNothing,
    /// A new message before the last one has ended.
    Interleaved,
    /// Clients mask.
    Unmasked,
    /// A length in more bytes than it needs, or with its highest bit set.
    Length,
    /// A close with half a code, or one that may not stand in a frame.
    CloseCode,
    /// A binary message where they are text.
    Binary,
    /// A text where messages are binary.
    Text,
    /// A text, or a close's reason, that is not UTF-8.
    NotUtf8,
    /// A message of more bytes than allowed, be it in parts.
    TooBig,
}

impl Violation {
    /// The code that the peer is told.
    pub(crate) const fn code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::FragmentedControl
            | Self::LongControl
            | Self::ContinuesNothing
            | Self::Interleaved
            | Self::Unmasked
            | Self::Length
            | Self::CloseCode => CloseCode::Protocol,
            Self::Binary | Self::Text => CloseCode::UnsupportedData,
            Self::NotUtf8 => CloseCode::InvalidUtf8,
            Self::TooBig => CloseCode::TooBig,
        }
    }

    /// Why, in words that fit into a close frame.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bits are set",
            Self::UnknownOpcode => "unknown opcode",
            Self::FragmentedControl => "fragmented control frame",
            Self::LongControl => "control frame of more than 125 bytes",
            Self::ContinuesNothing => "continuation of nothing",
            Self::Interleaved => "message within a message",
            Self::Unmasked => "frame is not masked",
            Self::Length => "length is not in its shortest form",
            Self::CloseCode => "close code may not be sent",
            Self::Binary => "messages are text",
            Self::Text => "messages are binary",
            Self::NotUtf8 => "text is not UTF-8",
            Self::TooBig => "message too big",
        }
    }
}
