//! A hunt's events out of the log, beside those who play.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use huntcore_edge::{Backend as _, EventOutcome, LogBytes, TrailFault};
use huntcore_log::{FaultLog, Log as _};
use huntcore_model::{
    EventId, EventType, HuntId, Outcome, PlayerId, Position, ScoreEvent, Sequence, ShardId,
};
use huntcore_node::Node;
use huntcore_wire::{CloudEvent, CloudEventType, EventsQuery, PositionText};

use crate::support::{
    HUNT, PATIENCE, config, create_park, fault_log, metric, open_round, race, start, until_more,
    until_view,
};

async fn events(node: &Node, query: EventsQuery) -> Result<LogBytes, TrailFault> {
    let park = HuntId::new("park").expect("a slug");
    let hunt = until_view(node, "the hunt", |view| view.catalog.hunt(&park).cloned()).await;
    let trail = node.trail().expect("a node has a log");
    trail.events(hunt, query).await
}

/// Reads until so many events have come, or to the end.
async fn read(mut lines: LogBytes, count: usize) -> Vec<CloudEvent> {
    let mut text = Vec::new();
    let reading = async {
        while text.iter().filter(|&&byte| byte == b'\n').count() < count {
            match lines.next().await {
                Some(piece) => text.extend_from_slice(&piece.expect("no fault")),
                None => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the events come");
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("an event"))
        .collect()
}

async fn all(node: &Node, query: EventsQuery) -> Vec<CloudEvent> {
    read(events(node, query).await.expect("events"), usize::MAX).await
}

fn of_type(types: &str) -> EventsQuery {
    EventsQuery {
        types: Some(types.parse().expect("types")),
        ..EventsQuery::default()
    }
}

fn ids(events: &[CloudEvent]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

fn event(player: &str, number: u32, payload: &str) -> ScoreEvent {
    ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("e-{number}")).expect("valid"),
        player: PlayerId::new(player).expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        score: i64::from(number),
        sent_at: None,
        payload: payload.to_owned(),
    }
}

async fn score(node: &Node, player: &str, number: u32) {
    node.record_events(vec![event(player, number, "")]).await;
}

/// Plays a round and scores a little; gives how many tiles were won.
async fn play(node: &Node) -> usize {
    create_park(node).await;
    let round = open_round(node).await;
    let outcomes = race(node, round).await;
    for number in 0..10 {
        score(node, ["ada", "eve"][number as usize % 2], number).await;
    }
    let won = |outcome: &&Outcome| matches!(outcome, Outcome::Won { .. });
    outcomes.iter().filter(won).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_resumes_after_every_event_is_told_the_same_and_with_the_same_names() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        let won = play(&node).await;
        let query = of_type("claim,score,control");
        let expected = all(&node, of_type("claim,score")).await;
        assert_eq!(expected.len(), won + 10);
        assert!(expected.iter().all(|event| event.subject.is_some()));
        let mut from = None;
        let mut one_by_one = Vec::new();
        while one_by_one.len() < expected.len() {
            let next = all(
                &node,
                EventsQuery {
                    from: from.clone(),
                    limit: Some(1),
                    ..query.clone()
                },
            )
            .await;
            assert_eq!(next.len(), 1);
            let next = next.into_iter().next().expect("one");
            from.clone_from(&next.position);
            if next.kind != CloudEventType::Control {
                one_by_one.push(next);
            }
        }
        assert_eq!(ids(&one_by_one), ids(&expected));
        let subject = |event: &CloudEvent| event.subject.clone();
        assert!(
            one_by_one
                .iter()
                .map(subject)
                .eq(expected.iter().map(subject))
        );

        // Another process, and it starts from the log.
        let position = expected[7].position.clone();
        node.stop();
        drop(node);
        let node = start(config(shards), &log).expect("starts again");
        let rest = all(
            &node,
            EventsQuery {
                from: position,
                ..of_type("claim,score")
            },
        )
        .await;
        assert_eq!(ids(&rest), ids(&expected[8..]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_chosen_by_player_type_and_time() {
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    play(&node).await;
    let about_eve = all(
        &node,
        EventsQuery {
            player: PlayerId::new("eve").ok(),
            ..EventsQuery::default()
        },
    )
    .await;
    assert_eq!(about_eve.len(), 5);
    let is_eves = |event: &CloudEvent| event.subject.as_deref() == Some("eve");
    assert!(about_eve.iter().all(is_eves));
    let since = about_eve[4].time;
    let late = all(
        &node,
        EventsQuery {
            since: Some(since),
            ..of_type("score")
        },
    )
    .await;
    assert!((1..=10).contains(&late.len()) && late.iter().all(|event| event.time >= since));
    assert!(ids(&late).contains(&about_eve[4].id.as_str()));
    let created = all(&node, of_type("control")).await;
    let streams: BTreeSet<&str> = created.iter().map(|e| e.stream.as_str()).collect();
    assert_eq!(streams, BTreeSet::from(["control"]), "copies are no events");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_is_told_what_is_committed_later_and_of_players_who_come_later() {
    let log = fault_log();
    let node = start(config(3), &log).expect("starts");
    create_park(&node).await;
    let following = EventsQuery {
        follow: true,
        ..of_type("score")
    };
    let mut lines = events(&node, following).await.expect("events");
    for number in 0..20 {
        let player = format!("player {number}");
        score(&node, &player, number).await;
        let next = tokio::time::timeout(PATIENCE, lines.next()).await;
        let piece = next.expect("it comes").expect("no end").expect("no fault");
        let event: CloudEvent = serde_json::from_slice(&piece).expect("one event");
        assert_eq!(event.subject, Some(player));
        assert_eq!(event.data["score"], number);
    }
    // A stop ends it in the middle: nobody takes it for the end.
    node.stop();
    let last = tokio::time::timeout(PATIENCE, lines.next()).await;
    assert!(matches!(last, Ok(Some(Err(_)))), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_readers_who_do_not_read_and_only_so_many_are_let_in() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    create_park(&node).await;
    let mut idle = Vec::new();
    let busy = loop {
        let following = EventsQuery {
            follow: true,
            ..EventsQuery::default()
        };
        match events(&node, following).await {
            Ok(lines) => idle.push(lines),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(busy, TrailFault::Busy { places_max } if places_max == idle.len()));
    // More than all that may wait for a reader.
    let payload = format!("{:?}", "x".repeat(4_000));
    for number in 0..200 {
        let outcome = node
            .record_events(vec![event("ada", number, &payload)])
            .await;
        assert!(
            matches!(outcome[..], [EventOutcome::Accepted { .. }]),
            "{outcome:?}"
        );
    }
    // Who was stuck goes on where they stood, with nothing left out.
    let late = idle.pop().expect("let in");
    let told = read(late, 200).await;
    let scores = told.iter().filter(|e| e.kind == CloudEventType::Score);
    let scores: Vec<_> = scores.map(|event| event.data["score"].clone()).collect();
    let expected: Vec<_> = (0..scores.len()).map(serde_json::Value::from).collect();
    assert!(scores.len() > 100 && scores == expected, "{scores:?}");
    drop(idle);
    until_view(&node, "places again", |_| {
        (metric(&node, "huntcore_trail_readers") < 0.5).then_some(())
    })
    .await;
    assert!(all(&node, of_type("score")).await.len() == 200);
}

/// A reader that follows and is not read: four pieces wait, and it holds a fifth.
async fn stuck(node: &Node) -> LogBytes {
    create_park(node).await;
    let following = EventsQuery {
        follow: true,
        ..of_type("score")
    };
    let lines = events(node, following).await.expect("events");
    for number in 0..5 {
        let told = until_more(node, "huntcore_trail_bytes_total", 1.0);
        tokio::join!(told, score(node, "ada", number));
    }
    lines
}

/// Reads to the end: how many events came, and whether it ended with an error.
async fn to_the_end(lines: LogBytes) -> (usize, bool) {
    let told: Vec<_> = tokio::time::timeout(PATIENCE, lines.collect())
        .await
        .expect("it ends");
    let count = |piece: &[u8]| piece.iter().filter(|&&byte| byte == b'\n').count();
    let events = told.iter().flatten().map(|piece| count(piece)).sum();
    (events, told.last().is_some_and(Result::is_err))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stuck_when_the_server_stops_learns_that_it_was_not_the_end() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    let lines = stuck(&node).await;
    node.stop();
    assert_eq!(to_the_end(lines).await, (4, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stuck_when_the_log_is_trimmed_or_fails_learns_that_it_was_not_the_end() {
    /// More than the server keeps in memory of a stream.
    const BYTES: u32 = 20 << 20;
    let trim = |log: &FaultLog| {
        let shard = ShardId::new(0);
        let end = log.tail(shard).expect("readable").tail.sequence;
        log.trim(shard, end).expect("trimmed");
    };
    let fail = |log: &FaultLog| log.fail_reads(ShardId::new(0), true);
    let faults: [fn(&FaultLog); 2] = [trim, fail];
    for fault in faults {
        let log = fault_log();
        let node = start(config(1), &log).expect("starts");
        let mut lines = stuck(&node).await;
        let payload = format!("{:?}", "x".repeat(4_000));
        let numbers: Vec<u32> = (5..BYTES / 4_000).collect();
        for numbers in numbers.chunks(256) {
            let events = numbers.iter().map(|&number| event("ada", number, &payload));
            let outcomes = node.record_events(events.collect()).await;
            let is_in = |outcome: &EventOutcome| matches!(outcome, EventOutcome::Accepted { .. });
            assert!(outcomes.iter().all(is_in), "{:?}", outcomes.first());
            // So that it is the reader alone who needs the log.
            let end = log.tail(ShardId::new(0)).expect("readable").tail.sequence;
            until_view(&node, "the projections", |view| {
                (view.boards.position().next(ShardId::new(0)) >= end).then_some(())
            })
            .await;
        }
        fault(&log);
        // Room for the piece that it holds, and none for what it says after that.
        let first = tokio::time::timeout(PATIENCE, lines.next()).await;
        assert!(matches!(first, Ok(Some(Ok(_)))), "{first:?}");
        until_view(&node, "the reader's end", |_| {
            (metric(&node, "huntcore_trail_readers") < 0.5).then_some(())
        })
        .await;
        assert_eq!(to_the_end(lines).await, (4, true));
    }
}

fn begins(log: &FaultLog) -> Position {
    let mut begins = Position::start();
    for stream in log.usage().expect("usage").streams {
        begins.advance(stream.shard, stream.oldest);
    }
    begins
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_before_what_is_kept_is_told_where_the_log_begins() {
    let log = fault_log();
    let node = start(config(1), &log).expect("starts");
    let won = play(&node).await;
    let claims = all(&node, of_type("claim")).await;
    let shard = ShardId::new(0);
    // Ends with the batch that holds the first claims, so the players' names go, too.
    let cut = Sequence::new(claims[0].sequence.parse::<u64>().expect("a number") + 1);
    let batch = log.read(shard, cut).expect("there").next();
    let batch = batch.expect("there").expect("sound");
    log.trim(shard, batch.header().next_sequence())
        .expect("trimmed");
    let from = |position: &Position| EventsQuery {
        from: Some(PositionText::from(position)),
        ..of_type("claim,score")
    };
    let fault = events(&node, from(&Position::start())).await.err();
    let Some(TrailFault::Trimmed { oldest, .. }) = fault else {
        panic!("expected that it was trimmed, found {fault:?}");
    };
    assert_eq!(oldest, begins(&log));
    let left = all(&node, from(&oldest)).await;
    assert!(left.len() < won + 10 && left.len() >= 10, "{}", left.len());
    assert!(left.iter().all(|event| event.subject.is_some()));
    let same = all(&node, of_type("claim,score")).await;
    assert_eq!(ids(&same), ids(&left), "without a position it begins there");

    let beyond = Position::after(shard, Sequence::new(1 << 40));
    let fault = events(&node, from(&beyond)).await.err();
    assert!(matches!(fault, Some(TrailFault::Ahead { .. })), "{fault:?}");
    let of_another = Position::after(ShardId::new(9), Sequence::ZERO);
    let fault = events(&node, from(&of_another)).await.err();
    assert!(matches!(fault, Some(TrailFault::Ahead { .. })), "{fault:?}");
    let none = EventsQuery {
        from: Some(PositionText::new("?".to_owned())),
        ..EventsQuery::default()
    };
    let fault = events(&node, none).await.err();
    assert!(
        matches!(fault, Some(TrailFault::Malformed { .. })),
        "{fault:?}"
    );
}
