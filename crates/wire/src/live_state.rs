//! What a receiver makes of the socket's messages: the fold that gives them their meaning.
//!
//! The order of messages within a connection matters only as far as a `round` comes before
//! the deltas that speak of it; repetitions change nothing. After any number of losses of
//! the connection, resumed on any process, the state equals the fold of the log.

use std::collections::{BTreeMap, HashMap};

use huntcore_model::{BoardName, Hash32, PlayerId, RoundNumber, TileIndex};

use crate::{
    BoardMessage, CORRECTIONS_SHOWN, DeltaMessage, HuntStateName, Interest, LiveBoards,
    LiveCorrection, LiveCorrectionKind, PositionText, RankMessage, RoundMessage, ServerMessage,
    SnapshotMessage, SubscribedMessage, Timestamp,
};

/// A hunt as its live messages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveState {
    /// What the hunt is doing; `None` until the first snapshot.
    pub state: Option<HuntStateName>,
    /// The rounds shown: the open ones and the last closed ones.
    pub rounds: BTreeMap<RoundNumber, LiveRound>,
    /// The latest version of each board.
    pub boards: BTreeMap<BoardName, BoardMessage>,
    /// Which boards the hunt has; `None` until the first snapshot.
    pub listed: Option<LiveBoards>,
    /// The last corrections, oldest first: why somebody has vanished from a board, or has less.
    pub corrections: Vec<LiveCorrection>,
    /// Give it to `subscribe` to go on from here.
    pub resume: Option<PositionText>,
    /// The player's own place on the board asked for.
    pub rank: Option<RankMessage>,
    /// What of the hunt this shows.
    pub interest: Interest,
    /// The last tick seen, in the connected process's own count.
    pub tick: u64,
    oldest: RoundNumber,
}

/// A round and who won what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRound {
    /// The configuration that the map is made by.
    pub config_version: u32,
    /// The map's name.
    pub map: Hash32,
    /// Binds the seed before it may be known.
    pub commitment: Hash32,
    /// Gives the tiles' places.
    pub layout: Hash32,
    /// How many tiles there are.
    pub tiles: u32,
    /// From this time on tiles may be claimed.
    pub opens_at: Timestamp,
    /// Up to this time, exclusive.
    pub closes_at: Timestamp,
    /// Whether its claim window has passed on every shard.
    pub closed: bool,
    /// Its seed, once it may be known.
    pub seed: Option<Hash32>,
    /// The tiles won.
    pub claims: HashMap<TileIndex, LiveTile>,
}

/// A tile won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTile {
    /// Who won it; `None` once that player was erased.
    pub player: Option<PlayerId>,
    /// What it is worth.
    pub points: u32,
    /// Whether an operator has voided it: the tile stays taken, and counts on no board.
    pub voided: bool,
}

impl Default for LiveState {
    fn default() -> Self {
        Self {
            state: None,
            rounds: BTreeMap::new(),
            boards: BTreeMap::new(),
            listed: None,
            corrections: Vec::new(),
            resume: None,
            rank: None,
            interest: Interest::Everything,
            tick: 0,
            oldest: RoundNumber::FIRST,
        }
    }
}

impl LiveState {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a message; outcomes and errors leave the state as it is.
    pub fn apply(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Subscribed(subscribed) => self.apply_subscribed(subscribed),
            ServerMessage::Round(round) => self.apply_round(round),
            ServerMessage::Delta(delta) => self.apply_delta(delta),
            ServerMessage::Snapshot(snapshot) => self.apply_snapshot(snapshot),
            ServerMessage::Board(board) => self.apply_board(board),
            ServerMessage::Rank(rank) => self.rank = Some(rank.clone()),
            ServerMessage::Outcome(_) | ServerMessage::Error(_) => {}
        }
    }

    /// Rounds before this one are no longer shown.
    #[must_use]
    pub const fn oldest(&self) -> RoundNumber {
        self.oldest
    }

    /// The newest round whose tiles may still be claimed.
    #[must_use]
    pub fn newest_open(&self) -> Option<(RoundNumber, &LiveRound)> {
        self.rounds
            .iter()
            .rev()
            .find(|(_, round)| !round.closed)
            .map(|(&number, round)| (number, round))
    }

    /// What to resume with for hearing of `interest`: nothing if the state shows another one,
    /// since the changes since would not be all that is missing.
    #[must_use]
    pub fn resume_for(&self, interest: &Interest) -> Option<&PositionText> {
        self.resume
            .as_ref()
            .filter(|_| self.interest.shows_same_claims(interest))
    }

    fn apply_subscribed(&mut self, subscribed: &SubscribedMessage) {
        self.tick = subscribed.tick;
        if !subscribed.resumed {
            // Until the snapshot is there, the claims known may be of another interest.
            self.resume = None;
        }
        self.interest = subscribed.interest.clone();
        self.boards
            .retain(|&board, _| subscribed.interest.shows_board(board));
        let is_asked_for = |rank: &RankMessage| {
            Some(rank.board) == subscribed.own_rank
                && Some(&rank.player) == subscribed.player.as_ref()
        };
        self.rank = self.rank.take().filter(is_asked_for);
    }

    fn apply_round(&mut self, message: &RoundMessage) {
        if message.round >= self.oldest {
            // A repetition must not empty or reopen the round.
            self.rounds
                .entry(message.round)
                .or_insert_with(|| LiveRound {
                    config_version: message.config_version,
                    map: message.map,
                    commitment: message.commitment,
                    layout: message.layout,
                    tiles: message.tiles,
                    opens_at: message.opens_at,
                    closes_at: message.closes_at,
                    closed: false,
                    seed: None,
                    claims: HashMap::new(),
                });
        }
    }

    fn apply_delta(&mut self, delta: &DeltaMessage) {
        for claim in &delta.claims {
            if let Some(round) = self.rounds.get_mut(&claim.round) {
                // A repetition of the claim does not take back what came after it.
                let known = round.claims.get(&claim.tile);
                let tile = LiveTile {
                    player: claim.player.clone(),
                    points: claim.points,
                    voided: claim.voided || known.is_some_and(|known| known.voided),
                };
                round.claims.insert(claim.tile, tile);
            }
        }
        for number in &delta.closed {
            if let Some(round) = self.rounds.get_mut(number) {
                round.closed = true;
            }
        }
        for published in &delta.seeds {
            if let Some(round) = self.rounds.get_mut(&published.round) {
                round.seed = Some(published.seed);
            }
        }
        if let Some(state) = delta.state {
            self.state = Some(state);
        }
        for correction in &delta.corrections {
            self.void(correction);
        }
        self.keep_corrections(&delta.corrections);
        if let Some(boards) = &delta.boards {
            self.list(boards);
        }
        if delta.oldest > self.oldest {
            self.oldest = delta.oldest;
            self.rounds = self.rounds.split_off(&self.oldest);
        }
        self.tick = delta.tick;
        self.resume = Some(delta.resume.clone());
    }

    fn apply_snapshot(&mut self, snapshot: &SnapshotMessage) {
        self.state = Some(snapshot.state);
        self.oldest = snapshot.oldest;
        self.tick = snapshot.tick;
        self.resume = Some(snapshot.resume.clone());
        self.rounds = snapshot
            .rounds
            .iter()
            .map(|round| {
                let claims = round.claims.iter().map(|claim| {
                    let tile = LiveTile {
                        player: claim.player.clone(),
                        points: claim.points,
                        voided: claim.voided,
                    };
                    (claim.tile, tile)
                });
                let live = LiveRound {
                    config_version: round.config_version,
                    map: round.map,
                    commitment: round.commitment,
                    layout: round.layout,
                    tiles: round.tiles,
                    opens_at: round.opens_at,
                    closes_at: round.closes_at,
                    closed: round.closed,
                    seed: round.seed,
                    claims: claims.collect(),
                };
                (round.round, live)
            })
            .collect();
        self.corrections.clear();
        self.keep_corrections(&snapshot.corrections);
        if let Some(boards) = &snapshot.boards {
            self.list(boards);
        }
        if let Some(board) = &snapshot.board {
            self.apply_board(board);
        }
    }

    fn apply_board(&mut self, board: &BoardMessage) {
        let listed = self.listed.as_ref();
        let known = self.boards.get(&board.board);
        let is_current = listed.is_none_or(|list| list.admits(board.board, board.generation))
            && known.is_none_or(|known| board.generation >= known.generation);
        if is_current {
            self.boards.insert(board.board, board.clone());
        }
    }

    /// Marks the claim that a correction has voided, if it is shown.
    fn void(&mut self, correction: &LiveCorrection) {
        if correction.kind == LiveCorrectionKind::ClaimVoided
            && let (Some(round), Some(tile)) = (correction.round, correction.tile)
            && let Some(round) = self.rounds.get_mut(&round)
            && let Some(tile) = round.claims.get_mut(&tile)
        {
            tile.voided = true;
        }
    }

    /// The last ones of those known and of `told`, each once.
    fn keep_corrections(&mut self, told: &[LiveCorrection]) {
        for correction in told {
            let place = self
                .corrections
                .binary_search_by(|known| known.order().cmp(&correction.order()));
            if let Err(place) = place {
                self.corrections.insert(place, correction.clone());
            }
        }
        let over = self.corrections.len().saturating_sub(CORRECTIONS_SHOWN);
        self.corrections.drain(..over);
    }

    /// Forgets boards that the hunt no longer has, unless the list is an older one.
    fn list(&mut self, boards: &LiveBoards) {
        let is_older = |known: &LiveBoards| known.version > boards.version;
        if !self.listed.as_ref().is_some_and(is_older) {
            self.boards
                .retain(|&board, known| boards.admits(board, known.generation));
            self.listed = Some(boards.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LiveClaim;

    fn round(number: u64) -> ServerMessage {
        ServerMessage::Round(RoundMessage {
            server_time: Timestamp::default(),
            hunt: huntcore_model::HuntId::new("park").expect("a slug"),
            round: RoundNumber::new(number),
            config_version: 1,
            map: Hash32::ZERO,
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles: 4,
            opens_at: Timestamp::default(),
            closes_at: Timestamp::default(),
        })
    }

    fn delta(oldest: u64, claimed: &[(u64, u32)], closed: &[u64]) -> ServerMessage {
        ServerMessage::Delta(DeltaMessage {
            server_time: Timestamp::default(),
            tick: 1,
            from_tick: None,
            resume: PositionText::default(),
            oldest: RoundNumber::new(oldest),
            claims: claimed
                .iter()
                .map(|&(round, tile)| LiveClaim {
                    round: RoundNumber::new(round),
                    tile: TileIndex::new(tile),
                    player: None,
                    points: 1,
                    voided: false,
                })
                .collect(),
            closed: closed.iter().copied().map(RoundNumber::new).collect(),
            seeds: Vec::new(),
            state: None,
            corrections: Vec::new(),
            boards: None,
        })
    }

    #[test]
    fn a_repetition_changes_nothing() {
        let messages = [
            round(1),
            round(2),
            delta(1, &[(1, 0), (2, 3)], &[1]),
            round(3),
            delta(2, &[(3, 1)], &[]),
        ];
        let mut state = LiveState::new();
        messages.iter().for_each(|message| state.apply(message));
        let once = state.clone();
        messages.iter().for_each(|message| state.apply(message));
        assert_eq!(state, once);
        assert_eq!(state.rounds.len(), 2);
        assert_eq!(state.newest_open().map(|(number, _)| number.get()), Some(3));
    }

    fn subscribed(interest: Interest, own_rank: Option<BoardName>) -> ServerMessage {
        ServerMessage::Subscribed(SubscribedMessage {
            server_time: Timestamp::default(),
            hunt: huntcore_model::HuntId::new("park").expect("a slug"),
            player: PlayerId::new("ada").ok(),
            resumed: true,
            tick: 1,
            resume: PositionText::default(),
            tick_ms: 100,
            interest,
            own_rank,
        })
    }

    fn board(board: BoardName) -> ServerMessage {
        ServerMessage::Board(BoardMessage {
            server_time: Timestamp::default(),
            board,
            generation: 0,
            window: crate::BoardWindow::WHOLE_HUNT,
            position: PositionText::default(),
            players: 0,
            entries: Vec::new(),
        })
    }

    #[test]
    fn a_board_that_is_no_longer_of_interest_is_forgotten() {
        let only = |board| Interest::boards([board]).expect("one");
        let mut state = LiveState::new();
        state.apply(&subscribed(Interest::Everything, None));
        state.apply(&board(BoardName::TOTAL));
        state.apply(&board(BoardName::BEST));
        state.apply(&subscribed(only(BoardName::BEST), None));
        assert_eq!(state.boards.keys().collect::<Vec<_>>(), [&BoardName::BEST]);
        assert_eq!(state.interest, only(BoardName::BEST));
    }

    #[test]
    fn only_the_rank_asked_for_is_kept() {
        let rank = RankMessage {
            server_time: Timestamp::default(),
            board: BoardName::TOTAL,
            player: PlayerId::new("ada").expect("valid"),
            rank: Some(3),
            score: Some(12),
            players: 40,
            position: PositionText::default(),
        };
        let mut state = LiveState::new();
        state.apply(&subscribed(Interest::Everything, Some(BoardName::TOTAL)));
        state.apply(&ServerMessage::Rank(rank.clone()));
        state.apply(&subscribed(Interest::Everything, Some(BoardName::TOTAL)));
        assert_eq!(state.rank, Some(rank));
        state.apply(&subscribed(Interest::Everything, Some(BoardName::BEST)));
        assert_eq!(state.rank, None);
    }

    #[test]
    fn a_state_is_resumed_with_the_claims_that_it_shows() {
        let boards = |board| Interest::boards([board]).expect("one");
        let mut state = LiveState::new();
        state.apply(&subscribed(boards(BoardName::TOTAL), None));
        state.apply(&delta(1, &[], &[]));
        assert!(state.resume_for(&boards(BoardName::BEST)).is_some());
        assert_eq!(state.resume_for(&Interest::Everything), None);
        let ServerMessage::Subscribed(mut changed) = subscribed(Interest::Everything, None) else {
            panic!("made as one");
        };
        changed.resumed = false;
        state.apply(&ServerMessage::Subscribed(changed));
        let resume = state.resume_for(&Interest::Everything);
        assert_eq!(resume, None, "the snapshot has not come");
    }
}
