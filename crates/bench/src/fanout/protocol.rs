//! What a process of listeners is told, line by line, and what it answers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::figures::Figures;

/// What a process of listeners is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ListenTask {
    /// The servers, in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) dialect: Dialect,
    /// Which of the machine's loopback networks its connections come from: `127.0.SOURCE.x`.
    pub(crate) source: u8,
    /// The kernel's buffer for what a connection has not read yet; `None` for the default.
    pub(crate) receive_bytes: Option<usize>,
}

/// What it is to do next. Each order is answered once, when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Open so many more connections.
    Connect { count: u32, within_ms: u64 },
    /// Begin to count anew; with `forget` ticks that were heard before are new again.
    Begin { forget: bool },
    /// The first so many connections read nothing from now on; `0` lets all read again.
    Stall { count: u32 },
    /// Hang up on the last so many connections at once and come back, each from where it was.
    Return { count: u32, within_ms: u64 },
    /// From now on so many connections a second hang up and come back.
    Churn { per_second: u32 },
    /// Wait until all that read have heard what bears this stamp, and tell what was heard.
    Await {
        stamp: u64,
        within_ms: u64,
        with_texts: bool,
    },
    /// Wait until all that read were told so many rounds, and tell what was heard.
    AwaitRounds { rounds: u64, within_ms: u64 },
}

/// Its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// All connections are open, or the time was up.
    Opened {
        /// Open and begun.
        open: u32,
        /// Why the last one that failed did.
        fault: Option<String>,
    },
    /// What was heard.
    Heard(Box<Figures>),
}
