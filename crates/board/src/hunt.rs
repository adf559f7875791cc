//! One hunt's boards, and which of them each stream's records go to.
//!
//! Boards are defined by entries of the control stream, and each stream holds its copy of them
//! at a place of its own. So a stream is always at one *list* of boards, and its records go to
//! those. A board is there from when the first stream has come to a list with it until the
//! last one has left it: that depends on the streams' positions and not on which was read
//! first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use huntcore_model::{
    BOARDS_MAX, BoardDefinition, BoardName, DefinedBoard, HuntNumber, Position, Sequence, ShardId,
    TimeMicros,
};

use crate::agenda::{Agenda, BoardKey, Deed, Due};
use crate::board::{Board, Scored};
use crate::closings::Closings;
use crate::ending::Ending;
use crate::key::Place;
use crate::limits::BoardCounters;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    pub(crate) number: HuntNumber,
    /// By name, then generation.
    pub(crate) boards: Vec<Board>,
    /// Those that some stream is at, and all between them, oldest first.
    pub(crate) lists: VecDeque<List>,
    /// By stream: which list it is at.
    pub(crate) adopted: Vec<ListAt>,
    /// Players who are on none of the boards.
    pub(crate) disqualified: BTreeSet<u32>,
    /// Just after each stream's last correction of all boards.
    pub(crate) corrected: Arc<Position>,
    pub(crate) closings: BTreeMap<BoardName, Closings>,
    /// By stream.
    pub(crate) endings: Vec<Ending>,
    pub(crate) is_changed: bool,
}

/// Which list: the entry that made it, from 1; 0 is the one before any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListAt(pub(crate) u64);

/// The boards that a hunt has from one control entry on.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) at: ListAt,
    /// Besides the built-in ones.
    pub(crate) boards: Vec<Arc<DefinedBoard>>,
    /// The latest time at which a stream has left it.
    pub(crate) left_at: TimeMicros,
    // Places of boards.
    claims: Vec<usize>,
    events: Vec<usize>,
}

impl ListAt {
    pub(crate) const fn of(at: Sequence) -> Self {
        Self(at.get().saturating_add(1))
    }
}

impl List {
    pub(crate) const fn new(at: ListAt, boards: Vec<Arc<DefinedBoard>>) -> Self {
        Self {
            at,
            boards,
            left_at: TimeMicros::ZERO,
            claims: Vec::new(),
            events: Vec::new(),
        }
    }

    fn holds(&self, key: &BoardKey) -> bool {
        let same = |board: &Arc<DefinedBoard>| {
            board.definition.name == key.name && board.defined_at == key.generation
        };
        key.name.is_built_in() || self.boards.iter().any(same)
    }
}

impl Hunt {
    /// A hunt with the boards that every hunt has.
    pub(crate) fn new(number: HuntNumber, shards: usize) -> Self {
        let mut hunt = Self {
            number,
            boards: Vec::new(),
            lists: VecDeque::from([List::new(ListAt::default(), Vec::new())]),
            adopted: vec![ListAt::default(); shards],
            disqualified: BTreeSet::new(),
            corrected: Arc::default(),
            closings: BTreeMap::new(),
            endings: vec![Ending::default(); shards],
            is_changed: false,
        };
        for definition in BoardDefinition::built_in() {
            let defined = DefinedBoard {
                definition,
                defined_at: Sequence::ZERO,
            };
            hunt.add(Arc::new(defined), &mut BoardCounters::default());
        }
        for board in &mut hunt.boards {
            board.spans.fill(Sequence::ZERO..Sequence::new(u64::MAX));
        }
        hunt.route();
        hunt
    }

    /// Takes over the boards that an entry of the control stream gives the hunt, from the
    /// record after `sequence` of a stream on.
    pub(crate) fn redefine(
        &mut self,
        agenda: &mut Agenda,
        counters: &mut BoardCounters,
        at: Sequence,
        definitions: &[BoardDefinition],
        (shard, sequence, time): (ShardId, Sequence, TimeMicros),
    ) {
        let stream = usize::from(shard.get());
        let (from, to) = (self.adopted[stream], ListAt::of(at));
        if to <= from {
            return;
        }
        if self.lists.back().is_none_or(|newest| newest.at < to) {
            self.push_list(counters, at, definitions);
        }
        // Streams hold copies of one stream's entries, in its order.
        if self.place_of(to).is_none() {
            return;
        }
        self.adopted[stream] = to;
        for list in &mut self.lists {
            if (from..to).contains(&list.at) {
                list.left_at = list.left_at.max(time);
            }
        }
        let lists = &self.lists;
        let list_at = |at| {
            let place = lists.binary_search_by_key(&at, |list: &List| list.at);
            &lists[place.expect("a list that a stream is at is kept")]
        };
        let (old, new) = (list_at(from), list_at(to));
        for board in &mut self.boards {
            match (old.holds(&board.key), new.holds(&board.key)) {
                (false, true) => board.spans[stream].start = sequence.advanced(1),
                (true, false) => board.spans[stream].end = sequence,
                _ => {}
            }
        }
        self.drop_lists(agenda);
        self.is_changed = true;
    }

    /// Adds a list. One that is defined as before goes on; any other begins anew.
    fn push_list(
        &mut self,
        counters: &mut BoardCounters,
        at: Sequence,
        definitions: &[BoardDefinition],
    ) {
        let known = self.lists.back().map(|newest| newest.boards.clone());
        let known = known.unwrap_or_default();
        let mut boards: Vec<Arc<DefinedBoard>> = Vec::new();
        for definition in definitions {
            let name = definition.name;
            let is_twice = boards.iter().any(|board| board.definition.name == name);
            if name.is_built_in() || is_twice || boards.len() == BOARDS_MAX {
                counters.definitions_refused += 1;
                continue;
            }
            let as_before = known.iter().find(|board| board.definition == *definition);
            if let Some(board) = as_before {
                boards.push(Arc::clone(board));
                continue;
            }
            let board = Arc::new(DefinedBoard {
                definition: definition.clone(),
                defined_at: at,
            });
            if self.add(Arc::clone(&board), counters) {
                boards.push(board);
            }
        }
        self.lists.push_back(List::new(ListAt::of(at), boards));
        self.route();
    }

    /// Adds an empty board, unless its definition makes none.
    pub(crate) fn add(&mut self, defined: Arc<DefinedBoard>, counters: &mut BoardCounters) -> bool {
        let key = BoardKey {
            hunt: self.number,
            name: defined.definition.name,
            generation: defined.defined_at,
        };
        match Board::new(key, defined, self.adopted.len()) {
            Ok(mut board) => {
                board.is_changed = true;
                board.over_at = self.over_at();
                let place = self.boards.partition_point(|other| other.key < key);
                self.boards.insert(place, board);
                true
            }
            Err(_) => {
                counters.definitions_refused += 1;
                false
            }
        }
    }

    /// Drops the lists that every stream has left.
    fn drop_lists(&mut self, agenda: &mut Agenda) {
        let slowest = self.adopted.iter().min().copied().unwrap_or_default();
        while self.lists.len() > 1 && self.lists[0].at < slowest {
            let left = self.lists.pop_front().expect("there are two");
            for board in &mut self.boards {
                if left.holds(&board.key) && !self.lists[0].holds(&board.key) {
                    board.leaves_at = Some(left.left_at);
                    agenda.add(Due {
                        at: left.left_at,
                        deed: Deed::Leave,
                        board: board.key,
                        start: TimeMicros::ZERO,
                    });
                }
            }
        }
    }

    /// Writes down which boards each list's records go to.
    pub(crate) fn route(&mut self) {
        for list in &mut self.lists {
            let places = |takes: fn(&Board) -> bool| {
                let boards = self.boards.iter().enumerate();
                let here = boards.filter(|(_, board)| takes(board) && list.holds(&board.key));
                here.map(|(place, _)| place).collect()
            };
            let (claims, events) = (places(Board::takes_claims), places(Board::takes_events));
            (list.claims, list.events) = (claims, events);
        }
    }

    fn place_of(&self, at: ListAt) -> Option<usize> {
        self.lists.binary_search_by_key(&at, |list| list.at).ok()
    }

    /// The place of the list that a stream is at.
    fn list_of(&self, shard: ShardId) -> usize {
        let place = self.place_of(self.adopted[usize::from(shard.get())]);
        place.expect("a list that a stream is at is kept")
    }

    /// Whether claims of a stream have to be remembered, so that they can be voided.
    pub(crate) fn needs_recall(&self, shard: ShardId) -> bool {
        let places = &self.lists[self.list_of(shard)].claims;
        places
            .iter()
            .any(|&place| self.boards[place].needs_recall())
    }

    /// Takes claims of one batch: each a player, points and place.
    pub(crate) fn put_claims(
        &mut self,
        agenda: &mut Agenda,
        (shard, time): (ShardId, TimeMicros),
        claims: &[(u32, u32, Place)],
    ) {
        let list = &self.lists[self.list_of(shard)];
        for &place in &list.claims {
            let board = &mut self.boards[place];
            board.put_claims(agenda, &self.disqualified, time, claims);
        }
    }

    /// Takes a score event.
    #[inline]
    pub(crate) fn put_event(
        &mut self,
        agenda: &mut Agenda,
        counters: &mut BoardCounters,
        shard: ShardId,
        event: &Scored<'_>,
    ) -> usize {
        let list = &self.lists[self.list_of(shard)];
        for &place in &list.events {
            let board = &mut self.boards[place];
            board.put_event(agenda, &self.disqualified, counters, event);
        }
        list.events.len()
    }

    /// Sets a player aside on all boards, or ranks one again who was set aside.
    pub(crate) fn set_aside(&mut self, player: u32, is_aside: bool, at: (ShardId, Sequence)) {
        let is_new = match is_aside {
            true => self.disqualified.insert(player),
            false => self.disqualified.remove(&player),
        };
        for board in &mut self.boards {
            if is_new && is_aside {
                board.set_aside(player);
            } else if is_new {
                board.bring_back(player);
            }
            board.is_changed = true;
        }
        Arc::make_mut(&mut self.corrected).advance(at.0, at.1.advanced(1));
    }

    /// The results of a board's windows up to `end` are written, in a batch of that time.
    pub(crate) fn record(
        &mut self,
        agenda: &mut Agenda,
        name: BoardName,
        end: TimeMicros,
        written_at: TimeMicros,
    ) {
        let closings = self.closings.entry(name).or_default();
        closings.note(end, written_at);
        for board in &mut self.boards {
            if board.key.name == name {
                board.record(agenda, end, written_at);
            }
        }
    }

    /// The board of that key.
    pub(crate) fn board(&mut self, key: &BoardKey) -> Option<&mut Board> {
        let place = self.boards.binary_search_by_key(key, |board| board.key);
        place.ok().map(|place| &mut self.boards[place])
    }

    /// Makes a window final.
    pub(crate) fn finish(&mut self, agenda: &mut Agenda, key: &BoardKey, start: TimeMicros) {
        let place = self.boards.binary_search_by_key(key, |board| board.key);
        if let Ok(place) = place {
            let closings = self.closings.get(&key.name);
            self.boards[place].finish(agenda, closings, start);
        }
    }

    /// Takes a board off that every stream has left at this time; tells how many windows went
    /// whose results were to be written and are not.
    pub(crate) fn leave(&mut self, agenda: &mut Agenda, key: &BoardKey, now: TimeMicros) -> u64 {
        let Ok(place) = self.boards.binary_search_by_key(key, |board| board.key) else {
            return 0;
        };
        let lost = self.boards[place].leave(agenda, now);
        self.boards.remove(place);
        self.route();
        lost
    }

    /// Whether the hunt is over in a stream.
    #[inline]
    pub(crate) fn is_over_in(&self, shard: ShardId) -> bool {
        self.endings[usize::from(shard.get())].over_at.is_some()
    }

    /// Whether it is over in every stream, so that nothing counts any more.
    pub(crate) fn is_over(&self) -> bool {
        self.endings.iter().all(|ending| ending.over_at.is_some())
    }

    /// When its boards' windows are final at the latest; the end of time while some stream
    /// goes on. Later than any batch with which a stream was over.
    fn over_at(&self) -> TimeMicros {
        let over = self.endings.iter().map(|ending| ending.over_at);
        let latest = over.collect::<Option<Vec<_>>>();
        let latest = latest.and_then(|over| over.into_iter().max());
        latest.map_or(TimeMicros::MAX, |latest| {
            TimeMicros::new(latest.get().saturating_add(1))
        })
    }

    /// Lets boards without windows know when the hunt was over.
    pub(crate) fn tell_over(&mut self) {
        let over_at = self.over_at();
        for board in &mut self.boards {
            board.over_at = over_at;
        }
    }

    /// The hunt is over in a stream since `over_at`.
    pub(crate) fn end_in(&mut self, agenda: &mut Agenda, shard: ShardId, over_at: TimeMicros) {
        self.endings[usize::from(shard.get())].over_at = Some(over_at);
        let over_at = self.over_at();
        for board in &mut self.boards {
            board.end(agenda, over_at);
        }
    }

    /// Boards that can be read: of each name the newest.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Board> {
        let boards = self.boards.iter().enumerate();
        let newest = boards.filter(|&(place, board)| {
            let next = self.boards.get(place + 1);
            board.leaves_at.is_none()
                && next
                    .is_none_or(|next| next.key.name != board.key.name || next.leaves_at.is_some())
        });
        newest.map(|(_, board)| board)
    }
}
