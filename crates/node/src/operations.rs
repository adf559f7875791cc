//! What shards write besides attempts and score events: operators' corrections, and what
//! boards' windows came to.

use huntcore_board::BoardResult;
use huntcore_engine::{
    Arbiter, CloseVerdict, CorrectionAsk, CorrectionRef, CorrectionVerdict, WindowResults,
};
use huntcore_model::{HuntNumber, PlayerId, Sequence, ShardId, Slot};
use huntcore_wire::CorrectionKind;
use tokio::sync::oneshot;

use crate::door::Doors;
use crate::shard::ShardEvent;

/// Something to be written by one shard. Dropped unanswered if its fate is unknown.
pub(crate) enum Operation {
    Correct {
        correction: Correction,
        reply: oneshot::Sender<CorrectionVerdict>,
    },
    Close {
        results: BoardResult,
        reply: oneshot::Sender<CloseVerdict>,
    },
}

/// What an operator wants corrected.
#[derive(Clone, Debug)]
pub(crate) struct Correction {
    pub(crate) hunt: HuntNumber,
    pub(crate) what: CorrectionKind,
    pub(crate) reason: String,
}

/// An operation that is decided, and waits for what it needs.
pub(crate) enum Decision {
    Correct(CorrectionVerdict, oneshot::Sender<CorrectionVerdict>),
    Close(CloseVerdict, oneshot::Sender<CloseVerdict>),
}

/// Why an operator's correction has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoVerdict {
    /// No shard has ever heard of the player.
    UnknownPlayer,
    /// Decided or not: a shard stopped before it was durable.
    Unknown,
}

impl Operation {
    /// Has it decided; it may be told once every sequence below what it needs is durable.
    pub(crate) fn decide(self, arbiter: &mut Arbiter) -> (Sequence, Decision) {
        match self {
            Self::Correct { correction, reply } => {
                let what = match &correction.what {
                    CorrectionKind::Void(place) => CorrectionAsk::Void {
                        round: place.round,
                        tile: place.tile,
                    },
                    CorrectionKind::Disqualify(player) => CorrectionAsk::Disqualify {
                        player: player.as_str(),
                    },
                    CorrectionKind::Reinstate(player) => CorrectionAsk::Reinstate {
                        player: player.as_str(),
                    },
                };
                let decided = arbiter.correct(&CorrectionRef {
                    hunt: correction.hunt,
                    what,
                    reason: &correction.reason,
                });
                (decided.needs, Decision::Correct(decided.answer, reply))
            }
            Self::Close { results, reply } => {
                let decided = arbiter.close_board(&WindowResults {
                    hunt: results.hunt,
                    board: results.board,
                    start: results.start,
                    end: results.end,
                    players: results.players,
                    entries: &results.entries,
                });
                (decided.needs, Decision::Close(decided.answer, reply))
            }
        }
    }
}

impl Decision {
    /// Tells whoever asked, who may have gone; the decision stands.
    pub(crate) fn tell(self) {
        match self {
            Self::Correct(verdict, reply) => drop(reply.send(verdict)),
            Self::Close(verdict, reply) => drop(reply.send(verdict)),
        }
    }
}

impl Doors {
    /// Has something corrected: a claim by its tile's shard, a player by the shard that takes
    /// their score events, if any shard knows them.
    pub(crate) fn correct(
        &self,
        correction: Correction,
    ) -> impl Future<Output = Result<(ShardId, CorrectionVerdict), NoVerdict>> + Send + use<> {
        let hunt = correction.hunt;
        let (slot, player) = match &correction.what {
            CorrectionKind::Void(place) => (Slot::of_tile(hunt, place.round, place.tile), None),
            CorrectionKind::Disqualify(player) | CorrectionKind::Reinstate(player) => {
                (Slot::of_player(hunt, player), Some(player.clone()))
            }
        };
        let doors = self.clone();
        async move {
            if let Some(player) = player
                && !doors.know(&player).await?
            {
                return Err(NoVerdict::UnknownPlayer);
            }
            let (shard, door) = doors.of_slot(slot);
            let (reply, verdict) = oneshot::channel();
            door.tell(ShardEvent::Operation(Operation::Correct {
                correction,
                reply,
            }));
            let verdict = verdict.await.map_err(|_| NoVerdict::Unknown)?;
            Ok((shard, verdict))
        }
    }

    /// Has a window's results written down. The verdict never comes if the shard stops before
    /// it is durable.
    pub(crate) fn close(&self, results: BoardResult) -> (ShardId, oneshot::Receiver<CloseVerdict>) {
        let (shard, door) = self.of_slot(Slot::of_board(results.hunt, results.board));
        let (reply, verdict) = oneshot::channel();
        door.tell(ShardEvent::Operation(Operation::Close { results, reply }));
        (shard, verdict)
    }

    /// Whether any shard knows a player.
    async fn know(&self, player: &PlayerId) -> Result<bool, NoVerdict> {
        let asked: Vec<_> = self
            .shards()
            .iter()
            .map(|door| {
                let (reply, known) = oneshot::channel();
                let player = player.clone();
                door.tell(ShardEvent::Knows { player, reply });
                known
            })
            .collect();
        for known in asked {
            if known.await.map_err(|_| NoVerdict::Unknown)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
