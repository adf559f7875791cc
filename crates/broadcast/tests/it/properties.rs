//! Whatever stalls, drops, resumes, restarts and changes of interest there are, in the end a
//! client's state is the fold of the log, restricted to what it wants to hear (I5, I7).

use std::collections::{BTreeMap, BTreeSet};

use huntcore_broadcast::{
    BoardUpdate, Broadcast, BroadcastLimits, Class, Cursor, Layouts, Next, Start,
};
use huntcore_model::{BoardName, ControlRecord, HuntId, Position, ShardId, TimeMicros};
use huntcore_wire::{
    BoardMessage, BoardWindow, CORRECTIONS_SHOWN, Interest, LiveForm, LiveState, ServerMessage,
    SubscribedMessage, Timestamp,
};
use proptest::prelude::*;

use crate::world::{AREAS, Expected, HUNT, Wish, World, Wrong, area, block, layout};

const LIMITS: BroadcastLimits = BroadcastLimits {
    hunts: 4,
    frames: 5,
    frame_bytes: 6_000,
    changes: 40,
    rounds_shown: 5,
    closed_shown: 2,
    closed_tiles_shown: 20,
    tiles_shown: 60,
    board_entries: 3,
    board_interval_ms: 250,
};

#[derive(Clone, Debug)]
enum Op {
    Elapse(u64),
    Open(u32),
    Seed,
    Pause,
    Resume,
    MoveEnd(u64),
    Close,
    Shard(usize, usize, Vec<Wish>),
    Fold(usize, usize, usize),
    Cut(usize),
    Correct(usize, Wrong, usize),
    DefineBoards(u8),
    PushBoards(usize),
    DrawLayouts(usize),
    Rebuild(usize, bool),
    Checkpoint(usize),
    Restore(usize),
    Connect(usize, usize, bool, Interest),
    ChangeInterest(usize, Interest),
    Drop(usize),
    Read(usize, usize),
}

struct Process {
    broadcast: Broadcast,
    folded: Vec<usize>,
    /// The last checkpoint, and what was folded in then.
    checkpoint: Option<(Vec<u8>, Vec<usize>)>,
    layouts: Layouts,
}

struct Client {
    state: LiveState,
    /// How far the boards were that this connection showed last, by name and generation.
    boards: BTreeMap<(BoardName, u64), Position>,
    link: Option<(usize, Cursor)>,
    class: Class,
}

impl Process {
    fn new(world: &World) -> Self {
        Self {
            broadcast: Broadcast::new(world.shards, LIMITS),
            folded: vec![0; usize::from(world.shards.count()) + 1],
            checkpoint: None,
            layouts: Layouts::default(),
        }
    }

    /// Draws the layouts of all rounds written so far, and forgets those not shown.
    fn draw_layouts(&mut self, world: &World) {
        for opened in world.opened() {
            self.layouts.insert(opened.round, layout(&opened));
        }
        if let Some(feed) = self.broadcast.publish().get(&HUNT) {
            self.layouts.forget_before(feed.oldest());
        }
    }

    fn take_checkpoint(&mut self) {
        // From a clone, as another thread would.
        let checkpoint = written(&self.broadcast.clone());
        self.checkpoint = Some((checkpoint, self.folded.clone()));
    }

    /// Forgets everything but the last checkpoint; `false` if there is none.
    fn restore(&mut self, world: &World) -> bool {
        let Some((checkpoint, folded)) = &self.checkpoint else {
            return false;
        };
        let mut input = checkpoint.as_slice();
        self.broadcast = Broadcast::restore(world.shards, LIMITS, &mut input).expect("own bytes");
        assert!(input.is_empty());
        assert_eq!(&written(&self.broadcast), checkpoint);
        self.folded.clone_from(folded);
        true
    }

    /// Folds up to `count` more batches of a stream in.
    fn fold(&mut self, world: &World, stream: usize, count: usize) {
        let shard = world.shards.streams().nth(stream).expect("a stream");
        let from = self.folded[stream];
        for batch in world.streams[&shard].iter().skip(from).take(count) {
            assert!(self.broadcast.apply(batch).expect("in order"));
            self.folded[stream] += 1;
        }
        if let Some(last) = self.folded[stream].checked_sub(1) {
            let again = &world.streams[&shard][last];
            assert!(!self.broadcast.apply(again).expect("seen before"));
        }
    }

    /// Pushes every board that the control stream, as far as it is folded, says there is.
    fn push_boards(&mut self, world: &World) {
        let control = world.shards.streams().position(ShardId::is_control);
        let counted: usize = world
            .streams
            .values()
            .zip(&self.folded)
            .map(|(batches, &folded)| batches.iter().take(folded).map(claims_in).sum::<usize>())
            .sum();
        for listed in world.boards_at(self.folded[control.expect("there is one")]) {
            let update = BoardUpdate {
                board: listed.board,
                generation: listed.generation,
                window: BoardWindow::WHOLE_HUNT,
                position: self.broadcast.position().clone(),
                players: counted as u64,
                entries: Vec::new(),
            };
            self.broadcast.push_board(HUNT, update);
        }
    }
}

fn written(broadcast: &Broadcast) -> Vec<u8> {
    let mut bytes = Vec::new();
    broadcast.checkpoint(&mut bytes).expect("memory");
    bytes
}

fn claims_in(batch: &huntcore_model::Batch) -> usize {
    batch
        .records()
        .filter(|record| matches!(record, Ok((_, huntcore_model::Record::Claim(_)))))
        .count()
}

impl Client {
    fn new(index: usize) -> Self {
        Self {
            state: LiveState::new(),
            boards: BTreeMap::new(),
            link: None,
            class: Class::everything(LiveForm::ALL[index % 2]),
        }
    }

    fn take(&mut self, world: &World, messages: &[bytes::Bytes]) {
        for message in messages {
            let message = ServerMessage::decode(self.class.form(), message);
            let message = message.expect("a message");
            self.state.apply(&message);
            match &message {
                ServerMessage::Board(board) => self.check_board(world, board),
                ServerMessage::Snapshot(snapshot) => {
                    let board = snapshot.board.iter();
                    board.for_each(|board| self.check_board(world, board));
                }
                _ => {}
            }
        }
    }

    /// A board never goes back (I6), and whoever is shown what a correction has changed has been
    /// told of the correction.
    fn check_board(&mut self, world: &World, board: &BoardMessage) {
        let position = board.position.parse().expect("a position");
        for correction in world.corrections() {
            let place = correction.position.parse().expect("a position");
            let is_told = self.state.corrections.contains(correction)
                || self.state.corrections.len() == CORRECTIONS_SHOWN;
            assert!(
                is_told || !position.covers(&place),
                "{correction:?} shows and was not told"
            );
        }
        let key = (board.board, board.generation);
        if let Some(before) = self.boards.get(&key) {
            assert!(position.covers(before), "{} went back", board.board);
        }
        self.boards.insert(key, position);
    }

    /// `false` while it has to wait for a layout.
    fn connect(&mut self, world: &World, index: usize, process: &Process, resume: bool) -> bool {
        self.link = None;
        self.boards.clear();
        let feeds = process.broadcast.publish();
        let Some(feed) = feeds.get(&HUNT) else {
            return true;
        };
        let seen = self.state.resume_for(self.class.interest());
        let seen = seen.filter(|_| resume);
        let seen = seen.map(|text| text.parse().expect("a position"));
        let feed = feed.of(&self.class, &process.layouts);
        let Some(start) = feed.start(seen.as_ref()) else {
            return false;
        };
        assert!(!start.resumed || seen.is_some());
        self.begin(world, index, start);
        true
    }

    fn begin(&mut self, world: &World, index: usize, start: Start) {
        self.state
            .apply(&ServerMessage::Subscribed(SubscribedMessage {
                server_time: Timestamp::default(),
                hunt: HuntId::new("park").expect("a slug"),
                player: None,
                resumed: start.resumed,
                tick: 0,
                resume: start.resume,
                tick_ms: 100,
                interest: self.class.interest().clone(),
                own_rank: None,
            }));
        self.take(world, &start.messages);
        self.link = Some((index, start.cursor));
    }

    /// Wants to hear something else, on the same connection.
    fn change(&mut self, world: &World, interest: &Interest, processes: &[Process]) {
        let new = Class::new(self.class.form(), interest.clone());
        let old = std::mem::replace(&mut self.class, new);
        let Some((index, cursor)) = self.link else {
            return;
        };
        let process = &processes[index];
        let feeds = process.broadcast.publish();
        let feed = feeds[&HUNT].of(&self.class, &process.layouts);
        let goes_on = old.interest().shows_same_claims(interest);
        match goes_on.then(|| feed.go_on(cursor)).flatten() {
            Some(start) => self.begin(world, index, start),
            None => {
                self.connect(world, index, process, false);
            }
        }
    }

    /// Reads what is there; `false` if there was nothing.
    fn read(&mut self, world: &World, processes: &[Process], merge_over: usize) -> bool {
        let Some((index, cursor)) = self.link else {
            return false;
        };
        let process = &processes[index];
        let feeds = process.broadcast.publish();
        let feed = feeds[&HUNT].of(&self.class, &process.layouts);
        match feed.next(&cursor, merge_over) {
            Next::Wait | Next::NoLayout => false,
            Next::Messages { messages, cursor } | Next::Snapshot { messages, cursor } => {
                self.take(world, &messages);
                self.link = Some((index, cursor));
                true
            }
        }
    }
}

fn any_interest() -> impl Strategy<Value = Interest> {
    let cells = prop::collection::vec((0..AREAS * 6, any::<bool>()), 1..5).prop_map(|cells| {
        let cells = cells.into_iter().map(|(number, is_area)| match is_area {
            true => area(number % AREAS),
            false => block(number),
        });
        Interest::cells(cells).expect("not too many")
    });
    let own = ["week", "bosses"].map(|name| BoardName::new(name).expect("a name"));
    let boards = [&BoardName::BUILT_IN[..], &own].concat();
    let boards = prop::sample::subsequence(boards, 1..=5)
        .prop_map(|boards| Interest::boards(boards).expect("not too many"));
    prop_oneof![2 => Just(Interest::Everything), 4 => cells, 1 => boards]
}

fn any_wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![2 => Just(Wrong::Claim), 1 => Just(Wrong::Player), 1 => Just(Wrong::Nobody)]
}

fn any_op() -> impl Strategy<Value = Op> {
    let wish = (0..4_usize, 0..40_u32, 0..5_usize).prop_map(|(rounds_back, tile, player)| Wish {
        rounds_back,
        tile,
        player,
    });
    let wishes = prop::collection::vec(wish, 0..6);
    prop_oneof![
        6 => (1..160_u64).prop_map(Op::Elapse),
        5 => (1..40_u32).prop_map(Op::Open),
        2 => Just(Op::Seed),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
        1 => (0..500_u64).prop_map(Op::MoveEnd),
        1 => prop::bool::weighted(0.1).prop_map(|close| if close { Op::Close } else { Op::Seed }),
        12 => (0..3_usize, 0..6_usize, wishes).prop_map(|(shard, copies, wishes)| Op::Shard(shard, copies, wishes)),
        12 => (0..2_usize, 0..4_usize, 1..6_usize).prop_map(|(process, stream, count)| Op::Fold(process, stream, count)),
        8 => (0..2_usize).prop_map(Op::Cut),
        3 => (0..3_usize, any_wrong(), 0..40_usize)
            .prop_map(|(shard, wrong, which)| Op::Correct(shard, wrong, which)),
        1 => (0..16_u8).prop_map(Op::DefineBoards),
        4 => (0..2_usize).prop_map(Op::PushBoards),
        6 => (0..2_usize).prop_map(Op::DrawLayouts),
        1 => (0..2_usize, any::<bool>()).prop_map(|(process, cut)| Op::Rebuild(process, cut)),
        2 => (0..2_usize).prop_map(Op::Checkpoint),
        2 => (0..2_usize).prop_map(Op::Restore),
        4 => (0..4_usize, 0..2_usize, prop::bool::weighted(0.9), any_interest()).prop_map(|(client, process, resume, interest)| Op::Connect(client, process, resume, interest)),
        2 => (0..4_usize, any_interest()).prop_map(|(client, interest)| Op::ChangeInterest(client, interest)),
        1 => (0..4_usize).prop_map(Op::Drop),
        10 => (0..4_usize, 0..4_usize).prop_map(|(client, merge_over)| Op::Read(client, merge_over)),
    ]
}

fn run(shards: u16, ops: Vec<Op>) {
    let mut world = World::new(shards);
    let mut processes = [Process::new(&world), Process::new(&world)];
    let mut clients: [Client; 4] = std::array::from_fn(Client::new);
    let streams = usize::from(shards) + 1;
    for op in ops {
        match op {
            Op::Elapse(millis) => world.clock_ms += millis,
            Op::Open(tiles) => world.open_round(tiles),
            Op::Seed => world.publish_seed(),
            Op::Pause => world.say(ControlRecord::HuntPaused { hunt: HUNT }),
            Op::Resume => world.say(ControlRecord::HuntResumed { hunt: HUNT }),
            Op::MoveEnd(later_ms) => world.move_end(later_ms),
            Op::Close => {
                let closed_at = world.now();
                world.say(ControlRecord::HuntClosed {
                    hunt: HUNT,
                    closed_at,
                });
            }
            Op::Shard(shard, copies, wishes) => {
                let shard = u16::try_from(shard).expect("small") % shards;
                world.shard_batch(ShardId::new(shard), copies, &wishes);
            }
            Op::Fold(process, stream, count) => {
                processes[process].fold(&world, stream % streams, count);
            }
            Op::Cut(process) => processes[process].broadcast.cut_tick(world.now()),
            Op::Correct(shard, wrong, which) => {
                let shard = u16::try_from(shard).expect("small") % shards;
                world.correct(ShardId::new(shard), wrong, which);
            }
            Op::DefineBoards(bits) => world.define_boards(bits),
            Op::PushBoards(process) => processes[process].push_boards(&world),
            Op::DrawLayouts(process) => processes[process].draw_layouts(&world),
            Op::Rebuild(index, cut) => {
                let folded = processes[index].folded.clone();
                let checkpoint = processes[index].checkpoint.take();
                processes[index] = Process {
                    checkpoint,
                    ..Process::new(&world)
                };
                for (stream, count) in folded.into_iter().enumerate() {
                    processes[index].fold(&world, stream, count);
                    if cut {
                        let time = processes[index].broadcast.time();
                        processes[index].broadcast.cut_tick(time);
                    }
                }
                processes[index].broadcast.cut_tick(world.now());
                for client in &mut clients {
                    client.link = client.link.filter(|&(linked, _)| linked != index);
                }
            }
            Op::Checkpoint(process) => processes[process].take_checkpoint(),
            Op::Restore(index) => {
                if processes[index].restore(&world) {
                    for client in &mut clients {
                        client.link = client.link.filter(|&(linked, _)| linked != index);
                    }
                }
            }
            Op::Connect(client, process, resume, interest) => {
                let client = &mut clients[client];
                client.class = Class::new(client.class.form(), interest);
                client.connect(&world, process, &processes[process], resume);
            }
            Op::ChangeInterest(client, interest) => {
                clients[client].change(&world, &interest, &processes);
            }
            Op::Drop(client) => clients[client].link = None,
            Op::Read(client, merge_over) => {
                clients[client].read(&world, &processes, merge_over);
            }
        }
    }
    let end = TimeMicros::from_millis(world.clock_ms + 10_000);
    for process in &mut processes {
        for stream in 0..streams {
            process.fold(&world, stream, usize::MAX);
        }
        process.push_boards(&world);
        process.broadcast.cut_tick(end);
        process.draw_layouts(&world);
    }
    let [one, other] = &processes;
    assert_eq!(written(&one.broadcast), written(&other.broadcast));
    let expected = world.expected(&LIMITS);
    let opened = world.opened();
    for (index, client) in clients.iter_mut().enumerate() {
        if client.link.is_none() {
            assert!(client.connect(&world, index % 2, &processes[index % 2], true));
        }
        while client.read(&world, &processes, 1 + index) {}
        let interest = client.class.interest();
        let within = expected.within(interest, &opened);
        assert_eq!(
            Expected::from(&client.state),
            within,
            "client {index}: {interest}"
        );
        let boards = client.state.boards.values();
        let boards: BTreeSet<_> = boards
            .map(|board| (board.board, board.generation, board.players))
            .collect();
        let listed = expected.listed.iter();
        let shown = listed.filter(|listed| interest.shows_board(listed.board));
        let shown = shown.map(|own| (own.board, own.generation, world.claims() as u64));
        assert_eq!(boards, shown.collect(), "client {index}: {interest}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_of_one_shard_end_with_the_logs_fold(ops in prop::collection::vec(any_op(), 1..160)) {
        run(1, ops);
    }

    #[test]
    fn clients_of_three_shards_end_with_the_logs_fold(ops in prop::collection::vec(any_op(), 1..160)) {
        run(3, ops);
    }
}
