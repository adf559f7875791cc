//! Players' own ranks, for sockets that have asked: told when they change, and each not more
//! often than at an interval.

use std::collections::VecDeque;

use huntcore_model::{BoardName, HuntNumber, PlayerId};
use huntcore_wire::{RankMessage, Timestamp};

use super::slots::Key;
use super::wheel::Tick;
use crate::backend::View;

/// What a socket wants to know of its own rank, and what it was told.
#[derive(Debug, Default)]
pub(super) struct OwnRank {
    /// None once it is no longer wanted.
    pub(super) board: Option<BoardName>,
    told: Option<Told>,
    /// The boards in which it was looked up last.
    looked_up_in: BoardsCount,
    /// It stands in the queue: until it is its turn there, nothing is told.
    pub(super) is_queued: bool,
}

/// How many versions of the boards there were before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BoardsCount(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    board: BoardName,
    standing: Option<(u64, i64)>,
}

/// The sockets that have asked, in the order in which they may be told again.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    queue: VecDeque<(Tick, Key)>,
}

impl OwnRank {
    /// The message for `player`, if the rank is not what was told.
    pub(super) fn message(
        &mut self,
        view: &View,
        boards: BoardsCount,
        hunt: HuntNumber,
        player: &PlayerId,
        server_time: Timestamp,
    ) -> Option<RankMessage> {
        let board = self.board?;
        if self.told.is_some() && self.looked_up_in == boards {
            return None;
        }
        self.looked_up_in = boards;
        let found = view.boards.board(hunt, board);
        let standing = found.as_ref().and_then(|board| board.standing(player));
        let standing = standing.map(|standing| (standing.rank, standing.score));
        let told = Told { board, standing };
        if self.told == Some(told) {
            return None;
        }
        self.told = Some(told);
        Some(RankMessage {
            server_time,
            board,
            player: player.clone(),
            rank: standing.map(|(rank, _)| rank),
            score: standing.map(|(_, score)| score),
            players: found.map_or(0, |board| board.len() as u64),
            position: view.boards.position().into(),
        })
    }

    /// It is told whatever its rank is next.
    pub(super) const fn forget(&mut self) {
        self.told = None;
    }
}

impl Ranks {
    /// Queues a socket, unless it is in the queue: it may be told again at `at`.
    pub(super) fn queue(&mut self, key: Key, rank: &mut OwnRank, at: Tick) {
        if !std::mem::replace(&mut rank.is_queued, true) {
            self.queue.push_back((at, key));
        }
    }

    /// The next socket that may be told again. It is no longer in the queue.
    pub(super) fn next(&mut self, now: Tick) -> Option<Key> {
        let (_, key) = self.queue.pop_front_if(|&mut (at, _)| at <= now)?;
        Some(key)
    }

    /// When the next one may be told.
    pub(super) fn next_at(&self) -> Option<Tick> {
        self.queue.front().map(|&(at, _)| at)
    }
}
