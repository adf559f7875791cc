//! Saying goodbye so that the peer hears it.

use std::time::Duration;

use futures_util::SinkExt;
use huntcore_wire::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_websockets::{Error, Message, WebSocketStream};

use super::rewound::Rewound;

/// Reads this much of what a peer still sends, so that the kernel does not reset the
/// connection, and with it the close frame, for bytes that nobody read.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// Why a socket ends, and what the peer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) code: CloseCode,
    pub(super) reason: &'static str,
}

impl Farewell {
    pub(super) const fn new(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason }
    }

    /// What is wrong with what the peer sent; `None` if the connection itself failed.
    pub(super) fn of_error(error: &Error) -> Option<Self> {
        match error {
            Error::PayloadTooLong { .. } => Some(Self::new(CloseCode::TooBig, "message too big")),
            Error::Protocol(tokio_websockets::proto::ProtocolError::InvalidUtf8) => {
                Some(Self::new(CloseCode::InvalidUtf8, "text is not UTF-8"))
            }
            Error::Protocol(_) => Some(Self::new(CloseCode::Protocol, "protocol violation")),
            _ => None,
        }
    }

    fn message(&self) -> Message {
        let code = tokio_websockets::CloseCode::try_from(self.code.code()).expect("a close code");
        Message::close(Some(code), self.reason)
    }
}

/// Says it, ends the writing side, and reads on until the peer does the same; all for no
/// longer than `timeout`.
///
/// The peer's own close frame is not waited for: whoever gets ours and then the end of the
/// stream knows all there is to know.
pub(super) async fn close(
    mut socket: WebSocketStream<Rewound>,
    farewell: &Farewell,
    timeout: Duration,
) {
    let parting = async {
        // After some errors the library has said goodbye already, and refuses a second one.
        let _ = socket.start_send_unpin(farewell.message());
        socket.flush().await?;
        let mut stream = socket.into_inner();
        stream.shutdown().await?;
        let mut sink = [0; 1_024];
        let mut lingered = 0;
        while lingered < LINGER_BYTES_MAX {
            match stream.read(&mut sink).await? {
                0 => break,
                count => lingered += count,
            }
        }
        Ok::<(), Error>(())
    };
    // The peer may be gone or deaf; then the connection just ends.
    let _ = tokio::time::timeout(timeout, parting).await;
}
