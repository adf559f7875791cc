//! Outcomes on their way to one socket, each accounted for until the kernel has it (I10).

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use huntcore_model::{Outcome, OutcomeKind};
use huntcore_wire::{ClaimMessage, OutcomeMessage, ServerMessage};

use crate::counts::Unanswered;

/// Attempts that were handed over together, and what came of them.
pub(super) struct Decided {
    pub(super) claims: Vec<ClaimMessage>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) unanswered: Unanswered,
}

/// See the module. Its length is bounded by whoever reads attempts.
#[derive(Default)]
pub(super) struct Outbox {
    pub(super) deciding: FuturesUnordered<BoxFuture<'static, Decided>>,
    /// How many attempts the futures stand for.
    deciding_count: usize,
    /// Known, not yet given to the socket.
    known: VecDeque<Told>,
    /// Given to the socket, not yet taken by the kernel.
    written: Vec<(OutcomeKind, Unanswered)>,
}

struct Told {
    message: OutcomeMessage,
    unanswered: Unanswered,
}

impl Outbox {
    /// Attempts that nobody has been told the outcome of.
    pub(super) fn len(&self) -> usize {
        self.deciding_count + self.known.len() + self.written.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn decide(&mut self, count: usize, deciding: BoxFuture<'static, Decided>) {
        self.deciding_count += count;
        self.deciding.push(deciding);
    }

    pub(super) fn decided(&mut self, decided: Decided, now: huntcore_model::TimeMicros) {
        let Decided {
            claims,
            outcomes,
            mut unanswered,
        } = decided;
        self.deciding_count -= claims.len();
        // One outcome for each is promised; whoever breaks that, nobody knows what happened.
        let outcomes = outcomes
            .into_iter()
            .chain(std::iter::repeat(Outcome::OutcomeUnknown));
        for (claim, outcome) in claims.into_iter().zip(outcomes) {
            let message = OutcomeMessage::of_outcome(claim, &outcome, now);
            self.know(message, unanswered.take_one());
        }
    }

    /// Takes an outcome that is known without asking.
    pub(super) fn know(&mut self, message: OutcomeMessage, unanswered: Unanswered) {
        self.known.push_back(Told {
            message,
            unanswered,
        });
    }

    /// The next outcome's text, for the socket.
    pub(super) fn write_next(&mut self) -> Option<String> {
        let told = self.known.pop_front()?;
        self.written.push((told.message.outcome, told.unanswered));
        Some(ServerMessage::Outcome(told.message).to_json())
    }

    /// The kernel has taken all that was written.
    pub(super) fn flushed(&mut self) {
        for (kind, mut unanswered) in self.written.drain(..) {
            unanswered.tell(kind);
        }
    }
}
