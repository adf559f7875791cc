//! Sockets that hear of part of a hunt only, of their own rank, and in either form.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt};
use huntcore_edge::{Backend as _, HuntCommand};
use huntcore_model::{BoardName, HuntNumber, OutcomeKind, RoundNumber};
use huntcore_wire::{
    CellText, ClientMessage, Interest, LiveForm, LiveRound, LiveState, ServerMessage,
    SubscribeMessage,
};
use serde_json::json;
use tokio_websockets::Message;

use crate::client::Client;
use crate::sockets::shrink;
use crate::world::{PATIENCE, World, farewell, park};

/// The cells of a round's tiles, as the map tells them.
async fn cells(world: &World, round: u64) -> Vec<CellText> {
    let round = world
        .get(&format!("/v1/hunts/park/rounds/{round}"))
        .await
        .ok();
    let map = round["map"].as_str().expect("a name");
    let map = world.get(&format!("/v1/maps/{map}")).await.ok();
    let tiles = map["tiles"].as_array().expect("tiles").iter();
    tiles
        .map(|tile| tile["cell"].as_str().expect("text").parse().expect("hex"))
        .collect()
}

fn of(cells: &[CellText]) -> Interest {
    Interest::cells(cells.iter().copied()).expect("not too many")
}

/// The cell of that resolution that holds a finer one.
fn parent(cell: CellText, resolution: u8) -> CellText {
    let below = (1_u64 << (3 * (15 - resolution))) - 1;
    let place = cell.get() & !(0xf << 52);
    CellText::new(place | below | u64::from(resolution) << 52)
}

fn is_paused(state: &LiveState) -> bool {
    state.state == Some(huntcore_wire::HuntStateName::Paused)
}

async fn pause(world: &World) {
    let pause = HuntCommand::Pause {
        hunt: HuntNumber::new(0),
    };
    world.fake.command(pause).await.expect("it runs");
}

#[tokio::test]
async fn both_forms_tell_the_same() {
    let world = World::new().await;
    let mut ends = Vec::new();
    for (form, tile) in LiveForm::ALL.into_iter().zip(0..) {
        let mut client = Client::new(&world, form, Some("ada")).await;
        client.subscribe(Interest::Everything).await;
        assert!(!client.subscribed().await.resumed);
        assert_eq!(client.claim(1, tile).await, OutcomeKind::Won);
        client.until(|state| !state.boards.is_empty()).await;
        ends.push(client);
    }
    let mut watcher = Client::new(&world, LiveForm::Proto, None).await;
    watcher.subscribe(Interest::Everything).await;
    pause(&world).await;
    ends.push(watcher);
    for client in &mut ends {
        client.until(is_paused).await;
    }
    let states = ends
        .iter()
        .map(|client| (&client.state.rounds, client.state.boards.len()));
    let states: Vec<_> = states.collect();
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    assert_eq!(ends[0].tiles(1), [0, 1]);
}

#[tokio::test]
async fn frames_of_the_other_form_are_refused() {
    let world = World::new().await;
    let mut client = Client::new(&world, LiveForm::Proto, None).await;
    let text = Message::text(r#"{"type":"subscribe"}"#.to_owned());
    client.socket.send(text).await.expect("it reads");
    assert_eq!(farewell(&mut client.socket).await.0, 1003);
    let mut client = Client::new(&world, LiveForm::Json, None).await;
    client
        .socket
        .send(Message::binary(vec![]))
        .await
        .expect("it reads");
    assert_eq!(farewell(&mut client.socket).await.0, 1003);
}

#[tokio::test]
async fn protobuf_that_is_no_message_is_told_and_in_the_end_too_much() {
    let world = World::new().await;
    let mut client = Client::new(&world, LiveForm::Proto, Some("ada")).await;
    for _ in 0..64 {
        let garbage = Message::binary(vec![0xff; 9]);
        client.socket.send(garbage).await.expect("it reads");
    }
    assert_eq!(client.error().await, "malformed");
    assert_eq!(farewell(&mut client.socket).await.0, 1008);
}

#[tokio::test]
async fn a_viewport_hears_of_its_cells_and_when_it_moves_of_others() {
    let world = World::new().await;
    let cells = cells(&world, 1).await;
    world.claim("ada", 1, 0).await.ok();
    let mut client = Client::new(&world, LiveForm::Json, None).await;
    client.subscribe(of(&cells[..2])).await;
    assert_eq!(client.subscribed().await.interest, of(&cells[..2]));
    client.until(|state| !state.rounds.is_empty()).await;
    assert_eq!(client.tiles(1), [0]);
    for tile in [1, 2, 3] {
        world.claim("ada", 1, tile).await.ok();
    }
    // The parents of two others: whatever lies in them is heard of.
    let moved = of(&[parent(cells[2], 8), cells[3]]);
    client.subscribe(moved.clone()).await;
    let answer = client.subscribed().await;
    assert!(!answer.resumed, "other claims are heard of");
    assert_eq!(answer.interest, moved);
    pause(&world).await;
    client.until(is_paused).await;
    let Interest::Cells(set) = &moved else {
        panic!("made of cells");
    };
    let expected = (0..4_u32).filter(|&tile| set.contains(cells[tile as usize]));
    assert_eq!(client.tiles(1), expected.collect::<Vec<_>>());
    assert!(client.tiles(1).contains(&2) && client.tiles(1).contains(&3));
}

#[tokio::test]
async fn who_wants_boards_only_hears_of_no_rounds_and_no_claims() {
    let world = World::new().await;
    let mut client = Client::new(&world, LiveForm::Proto, None).await;
    let boards = Interest::boards([BoardName::TOTAL]).expect("one");
    client.subscribe(boards).await;
    client.subscribed().await;
    world.claim("ada", 1, 0).await.ok();
    world
        .event(&json!({"event_id": "e", "player": "ada", "event_type": "t", "score": 9}))
        .await
        .ok();
    world.fake.advance(1_000);
    client
        .until(|state| state.boards.contains_key(&BoardName::TOTAL))
        .await;
    pause(&world).await;
    client.until(is_paused).await;
    assert!(client.state.rounds.is_empty(), "{:?}", client.state.rounds);
    let heard: Vec<_> = client.state.boards.keys().collect();
    assert_eq!(heard, [&BoardName::TOTAL]);
    // With the same claims, namely none, it goes on with one board more.
    let both = Interest::boards([BoardName::TOTAL, BoardName::BEST]).expect("two");
    client.subscribe(both).await;
    assert!(client.subscribed().await.resumed);
    client.until(|state| state.boards.len() == 2).await;
}

#[tokio::test]
async fn cells_that_do_not_exist_are_refused_and_the_old_interest_stays() {
    let world = World::new().await;
    let cells = cells(&world, 1).await;
    let mut client = Client::new(&world, LiveForm::Json, None).await;
    client.subscribe(of(&cells[..1])).await;
    client.subscribed().await;
    let finer = parent(
        CellText::new(cells[0].get() & !7 & !(7 << 3) & !(7 << 6)),
        12,
    );
    for missing in [CellText::new(u64::MAX), CellText::new(7), finer] {
        client.subscribe(of(&[missing])).await;
        assert_eq!(client.error().await, "unknown-cell", "{missing}");
    }
    for tile in 0..3 {
        world.claim("ada", 1, tile).await.ok();
    }
    pause(&world).await;
    client.until(is_paused).await;
    assert_eq!(client.tiles(1), [0]);
}

#[tokio::test]
async fn a_hunt_has_so_many_interests_and_everything_beside_them() {
    let world = World::with(|config| config.limits.interest_classes_max = 2).await;
    let cells = cells(&world, 1).await;
    let mut clients = Vec::new();
    for cell in &cells[..2] {
        for _ in 0..2 {
            let mut client = Client::new(&world, LiveForm::Json, None).await;
            client.subscribe(of(&[*cell])).await;
            client.subscribed().await;
            clients.push(client);
        }
    }
    let mut late = Client::new(&world, LiveForm::Json, None).await;
    late.subscribe(of(&cells[2..3])).await;
    assert_eq!(late.error().await, "too-many-interests");
    late.subscribe(Interest::Everything).await;
    late.subscribed().await;
    // The last one of an interest makes room for another.
    for mut client in clients.drain(2..) {
        client.subscribe(of(&cells[..1])).await;
        client.subscribed().await;
    }
    late.subscribe(of(&cells[2..3])).await;
    assert_eq!(late.subscribed().await.interest, of(&cells[2..3]));
}

#[tokio::test]
async fn of_many_changes_of_interest_at_once_the_last_is_answered() {
    let world = World::new().await;
    let cells = cells(&world, 1).await;
    let mut client = Client::new(&world, LiveForm::Json, None).await;
    for cell in cells.iter().cycle().take(200) {
        client.subscribe(of(&[*cell])).await;
    }
    client.subscribe(Interest::Everything).await;
    let mut answers = 0;
    while client.subscribed().await.interest != Interest::Everything {
        answers += 1;
    }
    assert!(answers < 100, "{answers} of 200 were answered");
}

#[tokio::test]
async fn ones_own_rank_comes_at_once_and_then_when_it_has_changed() {
    let world = World::with(|config| config.limits.rank_interval = Duration::from_millis(1)).await;
    for form in LiveForm::ALL {
        let name = format!("ada-{}", form.protocol());
        let tile = u32::from(form == LiveForm::Proto);
        let mut client = Client::new(&world, form, Some(&name)).await;
        client
            .ask(Interest::Everything, Some(BoardName::TOTAL))
            .await;
        assert_eq!(client.subscribed().await.own_rank, Some(BoardName::TOTAL));
        let rank = client.rank().await;
        assert_eq!((rank.rank, rank.score), (None, None));
        assert_eq!(client.claim(1, tile).await, OutcomeKind::Won);
        client
            .until(|state| state.rank.as_ref().is_some_and(|rank| rank.rank.is_some()))
            .await;
        let rank = client.state.rank.clone().expect("just seen");
        assert_eq!(rank.player.as_str(), name);
        assert_eq!(
            (rank.board, rank.rank),
            (BoardName::TOTAL, Some(1 + u64::from(tile)))
        );
        assert!(rank.score.is_some() && rank.players == 1 + u64::from(tile));
        // No longer asked for, it is no longer told.
        client.ask(Interest::Everything, None).await;
        let answer = client.subscribed().await;
        assert_eq!((answer.own_rank, answer.resumed), (None, true));
    }
    let mut watcher = Client::new(&world, LiveForm::Json, None).await;
    watcher
        .ask(Interest::Everything, Some(BoardName::BEST))
        .await;
    assert_eq!(watcher.error().await, "unauthorized");
}

#[tokio::test]
async fn ones_own_rank_is_told_once_in_an_interval() {
    let world = World::with(|config| config.limits.rank_interval = 10 * PATIENCE).await;
    let mut client = Client::new(&world, LiveForm::Json, Some("ada")).await;
    client
        .ask(Interest::Everything, Some(BoardName::TOTAL))
        .await;
    client.rank().await;
    for tile in 0..8 {
        assert_eq!(client.claim(1, tile).await, OutcomeKind::Won);
    }
    // Asking again is no way around it.
    client
        .ask(Interest::Everything, Some(BoardName::TOTAL))
        .await;
    client.subscribed().await;
    pause(&world).await;
    client.until(is_paused).await;
    assert_eq!(client.state.rank.expect("told once").rank, None);
}

/// Snapshots and deltas of thousands of claims are made beside the loop that sends them, and
/// nobody misses anything.
#[tokio::test]
async fn large_rounds_are_told_whole_to_whoever_comes_and_whoever_lags() {
    const TILES: u32 = 6_000;
    let world = World::with(|config| config.limits.slow_client_timeout = 10 * PATIENCE).await;
    let mut wide = park();
    wide["id"] = json!("wide");
    wide["resolution"] = json!(13);
    wide["tiles"] = json!(TILES);
    wide["claim_window"] = json!("100s");
    world.serve("POST", "/v1/hunts", &wide).await.ok();
    let mut early = Client::of(&world, "wide", LiveForm::Proto, None).await;
    early.subscribe(Interest::Everything).await;
    let mut stalled = Client::of(&world, "wide", LiveForm::Json, None).await;
    shrink(stalled.socket.get_ref());
    stalled.subscribe(Interest::Everything).await;
    stalled.subscribed().await;
    let claims = (0..TILES)
        .map(|tile| json!({"hunt": "wide", "round": 1, "tile": tile, "player": "ada"}).to_string());
    let lines: Vec<String> = claims.collect();
    for lines in lines.chunks(3_000) {
        let answer = world.lines("/v1/claims", &lines.join("\n")).await;
        assert_eq!(answer.status, 200);
    }
    let all = |state: &LiveState| {
        let round = state.rounds.get(&RoundNumber::FIRST);
        round.is_some_and(|round| round.claims.len() == TILES as usize)
    };
    early.until(all).await;
    for form in LiveForm::ALL {
        let mut late = Client::of(&world, "wide", form, None).await;
        late.subscribe(Interest::Everything).await;
        late.until(all).await;
        assert_eq!(late.state.rounds, early.state.rounds);
        let seen = late.state.rounds[&RoundNumber::FIRST].layout;
        assert_eq!(seen, early.state.rounds[&RoundNumber::FIRST].layout);
    }
    stalled.until(all).await;
    assert_eq!(stalled.state.rounds, early.state.rounds);
}

/// Whoever stalls, leaves, comes back and looks elsewhere as chance has it, in the end knows
/// what all know of where they look.
#[tokio::test]
async fn any_stalls_drops_resumes_and_moves_end_with_what_lies_in_sight() {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).expect("a source of randomness");
    let seed = u64::from_ne_bytes(seed);
    let mut chance = seed;
    let mut below = move |limit: u64| {
        // A linear congruence is chance enough to choose by.
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % limit
    };
    let world = World::with(|config| {
        config.limits.outgoing_bytes_max = 4_096;
        config.limits.slow_client_timeout = 10 * PATIENCE;
        config.limits.player_rate = None;
        config.limits.subscribe_interval = Duration::ZERO;
    })
    .await;
    let mut layouts = BTreeMap::from([(1, cells(&world, 1).await)]);
    let mut interest = |layouts: &BTreeMap<u64, Vec<CellText>>| match below(4) {
        0 => Interest::Everything,
        1 => Interest::boards([BoardName::BEST]).expect("one"),
        _ => {
            let cells = layouts.values().next_back().expect("round 1");
            let chosen = (0..=below(3)).map(|_| {
                let cell = cells[usize::try_from(below(16)).expect("small")];
                parent(cell, 9 + u8::try_from(below(2)).expect("small"))
            });
            Interest::cells(chosen).expect("not too many")
        }
    };
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut client = Client::new(&world, LiveForm::ALL[number % 2], None).await;
        shrink(client.socket.get_ref());
        client.subscribe(interest(&layouts)).await;
        clients.push(client);
    }
    for step in 0..160_u32 {
        let round = 1 + u64::from(step / 16);
        if step % 16 == 0 && step > 0 {
            world.fake.advance(1_000);
            layouts.insert(round, cells(&world, round).await);
        }
        world.claim("ada", round, step % 16).await.ok();
        let client = &mut clients[step as usize * 5 % 8];
        match step / 8 % 4 {
            // Whatever is there; there may be nothing to hear for a long time.
            0 | 1 => drop(client.hear().now_or_never()),
            2 => client.subscribe(interest(&layouts)).await,
            _ => {
                let old = std::mem::replace(
                    client,
                    Client::new(&world, LiveForm::ALL[step as usize % 2], None).await,
                );
                shrink(client.socket.get_ref());
                client.state = old.state;
                let interest = client.state.interest.clone();
                let subscribe = SubscribeMessage {
                    resume: client.state.resume_for(&interest).cloned(),
                    interest,
                    own_rank: None,
                };
                client.say(&ClientMessage::Subscribe(subscribe)).await;
            }
        }
    }
    pause(&world).await;
    let mut all = Client::new(&world, LiveForm::Json, None).await;
    all.subscribe(Interest::Everything).await;
    all.until(is_paused).await;
    for (number, mut client) in clients.into_iter().enumerate() {
        let last = Interest::cells([layouts[&10][number]]).expect("one");
        client.subscribe(last.clone()).await;
        while client.state.interest != last {
            client.hear().await;
        }
        // Whatever it heard of before, it is told anew, or nothing of that is missing.
        let has_snapshot = |message: &ServerMessage| matches!(message, ServerMessage::Snapshot(_));
        while client.told_anew && !has_snapshot(&client.hear().await) {}
        client.until(is_paused).await;
        let expected = within_sight(&all.state, &last, &layouts);
        assert_eq!(client.state.rounds, expected, "seed {seed}: {number}");
    }
}

fn within_sight(
    all: &LiveState,
    interest: &Interest,
    layouts: &BTreeMap<u64, Vec<CellText>>,
) -> BTreeMap<RoundNumber, LiveRound> {
    let mut rounds = all.rounds.clone();
    let Interest::Cells(set) = interest else {
        return rounds;
    };
    for (number, round) in &mut rounds {
        let cells = &layouts[&number.get()];
        round
            .claims
            .retain(|tile, _| set.contains(cells[tile.get() as usize]));
    }
    rounds
}
