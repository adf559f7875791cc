//! A small log, its trail, and every way of falsifying it.

use huntcore_audit::{Checker, Fault, Filter, Introduced, Names, Report, Translator};
use huntcore_model::{
    Batch, BatchBuilder, BoardClosedRecord, BoardDefinition, ClaimRecord, ControlRecord,
    Correction, CorrectionRecord, Epoch, EventDigest, Flag, FlagSet, FlagSource, FlagValue, Hash32,
    HuntConfig, HuntCreated, HuntId, HuntNumber, PlayerId, PlayerNumber, Record, RefreshMode,
    RoundNumber, Salt, ScoreRecord, Sequence, ShardId, Tail, TileIndex, TimeMicros,
};
use huntcore_wire::{CloudEvent, CloudEventType};
use proptest::prelude::*;

const HUNT: HuntNumber = HuntNumber::new(0);
const SHARD: ShardId = ShardId::new(0);

fn finish(builder: &mut BatchBuilder, shard: ShardId, tail: &mut Tail, millis: u64) -> Batch {
    let (epoch, time) = (Epoch::new(1), TimeMicros::from_millis(millis));
    let batch = builder.finish(shard, epoch, tail, time, tail.sequence);
    *tail = batch.tail();
    batch
}

fn created() -> ControlRecord {
    ControlRecord::HuntCreated(HuntCreated {
        hunt: HUNT,
        id: HuntId::new("park").expect("a slug"),
        created_at: TimeMicros::from_millis(1),
        starts_at: TimeMicros::from_millis(1),
        ends_at: None,
        config: HuntConfig {
            area: "{}".to_owned(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 10_000,
            tiles: 64,
            values: Vec::new(),
            values_hidden: false,
            cells: 99,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        },
        anchor: Hash32::ZERO,
    })
}

/// What an operator did, and what a window came to.
fn boards_changed() -> ControlRecord {
    let [total, ..] = BoardDefinition::built_in();
    ControlRecord::BoardsChanged {
        hunt: HUNT,
        boards: vec![BoardDefinition {
            name: "hourly".parse().expect("a name"),
            ..total
        }],
    }
}

fn flag_set() -> ControlRecord {
    ControlRecord::FlagSet(FlagSet {
        flag: Flag::BoardsRefresh,
        hunt: None,
        board: Some("hourly".parse().expect("a name")),
        value: Some(FlagValue::Refresh(RefreshMode::Frozen)),
        by: FlagSource::Api,
        reason: "a canary".to_owned(),
        set_at: TimeMicros::from_millis(2),
    })
}

fn voided() -> Record<'static> {
    Record::Correction(Box::new(CorrectionRecord {
        hunt: HUNT,
        player: PlayerNumber::new(0),
        what: Correction::ClaimVoided {
            round: RoundNumber::FIRST,
            tile: TileIndex::new(0),
            points: 5,
            claimed: Sequence::new(1),
        },
        reason: "a script".to_owned(),
    }))
}

fn closed() -> Record<'static> {
    Record::BoardClosed(Box::new(BoardClosedRecord {
        hunt: HUNT,
        board: "hourly".parse().expect("a name"),
        start: TimeMicros::ZERO,
        end: TimeMicros::from_millis(3_600_000),
        players: 2,
        entries: vec![(PlayerNumber::new(1), 9), (PlayerNumber::new(0), -3)],
    }))
}

fn claim(tile: u32, player: u32) -> Record<'static> {
    Record::Claim(ClaimRecord {
        hunt: HUNT,
        round: RoundNumber::FIRST,
        tile: TileIndex::new(tile),
        player: PlayerNumber::new(player),
        points: 5 + tile,
    })
}

/// Two streams, one after the other.
fn log() -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut tail = Tail::default();
    let mut builder = BatchBuilder::new();
    builder.push(&Record::Control {
        at: Sequence::ZERO,
        record: Box::new(created()),
    });
    batches.push(finish(&mut builder, ShardId::CONTROL, &mut tail, 1));
    for (at, record) in (1..).zip([boards_changed(), flag_set()]) {
        builder.push(&Record::Control {
            at: Sequence::new(at),
            record: Box::new(record),
        });
    }
    batches.push(finish(&mut builder, ShardId::CONTROL, &mut tail, 2));
    let mut tail = Tail::default();
    for round in 0..4 {
        let mut builder = BatchBuilder::new();
        if round < 2 {
            let id = ["ada", "bob"][round as usize];
            builder.push_player(PlayerNumber::new(round), id, Salt([7; 16]));
        }
        builder.push(&claim(round, round.min(1)));
        builder.push(&Record::Score(ScoreRecord {
            hunt: HUNT,
            player: PlayerNumber::new(0),
            event_id: &format!("e{round}"),
            event_type: "kill",
            score: -3,
            sent_at: Some(TimeMicros::from_millis(77)),
            payload: "{\"with\":[1,2]}",
            digest: EventDigest([9; 16]),
        }));
        builder.push(&Record::Time);
        if round == 3 {
            builder.push(&voided());
            builder.push(&closed());
        }
        let batch = finish(&mut builder, SHARD, &mut tail, 10 + u64::from(round));
        batches.push(batch);
    }
    batches
}

fn trail(batches: &[Batch]) -> Vec<CloudEvent> {
    let mut translator = Translator::new();
    let mut events = Vec::new();
    for batch in batches {
        translator
            .translate(batch, |event| events.push(event))
            .expect("own batches");
    }
    events
}

/// Through its text, as a trail is kept.
fn check(events: &[CloudEvent]) -> Report {
    let mut checker = Checker::new(100);
    for event in events {
        let text = serde_json::to_string(event).expect("plain data");
        checker.push(serde_json::from_str(&text).expect("own text"));
    }
    checker.finish()
}

#[test]
fn a_trail_names_hunts_and_players_and_says_what_they_did() {
    let events = trail(&log());
    let won = events.iter().filter(|e| e.kind == CloudEventType::Claim);
    let won: Vec<_> = won.collect();
    assert_eq!(won.len(), 4);
    assert_eq!(won[0].source, "/v1/hunts/park");
    assert_eq!(won[0].subject.as_deref(), Some("ada"));
    assert_eq!(won[3].subject.as_deref(), Some("bob"));
    assert_eq!(won[3].data["points"], 8);
    assert_eq!(won[0].id, "shard-00000/1");
    let scored = events.iter().find(|e| e.kind == CloudEventType::Score);
    let scored = scored.expect("one was taken");
    assert_eq!(scored.data["score"], -3);
    assert_eq!(scored.data["payload"]["with"][1], 2);
    assert_eq!(scored.data["ts"], "1970-01-01T00:00:00.077Z");
}

#[test]
fn results_corrections_definitions_and_flags_have_types_of_their_own() {
    let events = trail(&log());
    let only = |kind| {
        let mut found = events.iter().filter(|event| event.kind == kind);
        let first = found.next().expect("there is one");
        assert_eq!(found.count(), 0, "{kind:?}");
        first
    };
    let closed = only(CloudEventType::BoardClosed);
    assert_eq!(closed.source, "/v1/hunts/park");
    assert_eq!(closed.subject.as_deref(), Some("hourly"));
    assert_eq!(closed.data["end"], "1970-01-01T01:00:00.000Z");
    assert_eq!(
        closed.data["entries"],
        serde_json::json!([
            {"player": "bob", "player_number": 1, "score": 9},
            {"player": "ada", "player_number": 0, "score": -3},
        ])
    );
    let corrected = only(CloudEventType::Correction);
    assert_eq!(corrected.subject.as_deref(), Some("ada"));
    assert_eq!(corrected.data["what"]["kind"], "claim-voided");
    assert_eq!(corrected.data["reason"], "a script");
    let defined = only(CloudEventType::BoardsChanged);
    assert_eq!(defined.source, "/v1/hunts/park");
    assert_eq!(defined.data["hunt"], "park");
    assert_eq!(defined.data["boards"][0]["name"], "hourly");
    let set = only(CloudEventType::FlagSet);
    assert_eq!(set.source, "/v1/log", "it holds for all hunts");
    assert_eq!(set.data["flag"], "boards.refresh");
    assert_eq!(set.data["value"], "frozen");
    assert_eq!(set.data["by"], "api");
}

/// Sequences of what a filter lets through, by stream.
fn wanted(filter: &Filter) -> Vec<String> {
    let mut names = Introduced::default();
    let mut wanted = Vec::new();
    for batch in log() {
        let header = *batch.header();
        for item in batch.records() {
            let (sequence, record) = item.expect("own batches");
            names.learn(header.shard, &record);
            if filter.wants(header.shard, header.time, &record, &names) {
                wanted.push(format!("{}/{sequence}", header.shard));
            }
        }
    }
    wanted
}

#[test]
fn a_hunts_events_are_chosen_by_type_player_and_time_and_copies_are_none() {
    let all = Filter::all(HUNT);
    let events = trail(&log());
    let of_hunt = |event: &&CloudEvent| event.kind.is_of_hunt();
    let everything = wanted(&all);
    assert_eq!(everything.len(), events.iter().filter(of_hunt).count());
    assert_eq!(
        wanted(&Filter::all(HuntNumber::new(7))).len(),
        1,
        "a flag for all hunts"
    );
    let of_types = Filter {
        types: Some(vec![CloudEventType::FlagSet, CloudEventType::Correction]),
        ..all.clone()
    };
    assert_eq!(wanted(&of_types).len(), 2);
    let about_bob = Filter {
        player: PlayerId::new("bob").ok(),
        ..all.clone()
    };
    assert_eq!(wanted(&about_bob).len(), 3, "bob's claims");
    let late = Filter {
        since: TimeMicros::from_millis(13),
        ..all.clone()
    };
    assert_eq!(wanted(&late).len(), 4);
    let copy = Record::Control {
        at: Sequence::ZERO,
        record: Box::new(created()),
    };
    let names = Introduced::default();
    let is_wanted = |shard| all.wants(shard, TimeMicros::ZERO, &copy, &names);
    assert!(is_wanted(ShardId::CONTROL) && !is_wanted(SHARD));
}

#[test]
fn an_untouched_trail_is_proved_whole() {
    let batches = log();
    let report = check(&trail(&batches));
    assert_eq!(report.faults, []);
    assert_eq!((report.batches, report.names_on_trust), (6, 0));
    let [control, shard] = [report.streams[1], report.streams[0]];
    assert_eq!((control.stream, shard.stream), (ShardId::CONTROL, SHARD));
    assert_eq!(shard.end, batches[5].tail());
    assert_eq!(shard.first, Sequence::ZERO);
}

#[test]
fn every_event_that_is_taken_out_is_missed() {
    let events = trail(&log());
    for index in 0..events.len() {
        let mut fewer = events.clone();
        fewer.remove(index);
        let report = check(&fewer);
        assert!(report.faults_total > 0, "{}", events[index].id);
    }
}

#[test]
fn every_batch_that_is_taken_out_between_two_is_missed() {
    let batches = log();
    for index in 3..5 {
        let mut fewer = batches.clone();
        fewer.remove(index);
        let report = check(&trail(&fewer));
        let gap = |fault: &Fault| matches!(fault, Fault::Gap { .. });
        assert!(report.faults.iter().any(gap), "{:?}", report.faults);
    }
}

#[test]
fn what_was_introduced_before_the_trail_begins_is_shown_on_trust() {
    let batches = log();
    let all = trail(&batches);
    let from = all.iter().position(|e| e.id == "shard-00000/8/batch");
    let later = &all[from.expect("the third batch of the shard")..];
    let report = check(later);
    assert_eq!(report.faults, []);
    // Two claims, two scores and a correction, each with a hunt and a player; a board's results.
    assert_eq!(report.names_on_trust, 6);
    assert_eq!(report.streams[0].first, Sequence::new(8));
}

#[test]
fn a_name_given_to_an_erased_player_is_found() {
    let mut batches = log();
    let mut bytes = batches[2].bytes().to_vec();
    let header = *batches[2].header();
    let personal = header.batch_bytes() - (16 + 1 + "ada".len());
    bytes[personal..personal + 16].fill(0);
    bytes[personal + 17..].fill(0);
    let crc = crc32c::crc32c(&bytes[personal..]);
    bytes[88..92].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    batches[2] = Batch::decode(bytes.into()).expect("erased as the format says");
    let mut events = trail(&batches);
    assert_eq!(check(&events).faults, [], "the chain does not cover names");
    let claim = events
        .iter_mut()
        .find(|e| e.kind == CloudEventType::Claim)
        .expect("one was won");
    assert_eq!(claim.subject, None);
    claim.subject = Some("ada".to_owned());
    let faults = check(&events).faults;
    assert!(
        matches!(
            &faults[..],
            [Fault::Misstated {
                attribute: "subject",
                ..
            }]
        ),
        "{faults:?}"
    );
}

/// Alters one thing about an event; `false` if there is nothing like it in this one.
fn alter(event: &mut CloudEvent, what: usize, seed: usize) -> bool {
    match what {
        0 => event.id.push('0'),
        1 => event.source.push('x'),
        2 => event.subject = Some(format!("{}x", event.subject.as_deref().unwrap_or_default())),
        3 => event.sequence.push('0'),
        4 => event.stream.push('0'),
        5 => {
            let index = seed % event.record.len();
            event.record[index] ^= 1 << (seed % 8);
        }
        6 => match event.personal.len() {
            0 => return false,
            length => event.personal[seed % length] ^= 1 << (seed % 8),
        },
        7 => {
            let data = event.data.as_object_mut().expect("an object");
            data.insert("more".to_owned(), 1.into());
        }
        8 => {
            let later = event.time.micros().plus_millis(1);
            event.time = later.into();
        }
        _ => {
            let data = event.data.as_object_mut().expect("an object");
            let Some(key) = data.keys().nth(seed % data.len().max(1)).cloned() else {
                return false;
            };
            data.insert(key, "other".into());
        }
    }
    true
}

proptest! {
    #[test]
    fn whatever_is_altered_is_found(index in 0_usize..100, what in 0_usize..10, seed in 0_usize..4_096) {
        let mut events = trail(&log());
        let index = index % events.len();
        prop_assume!(alter(&mut events[index], what, seed));
        let report = check(&events);
        prop_assert!(report.faults_total > 0, "{:?}", events[index]);
    }

    #[test]
    fn nothing_that_comes_in_panics(order in prop::collection::vec(0_usize..100, 0..60)) {
        let events = trail(&log());
        let shuffled: Vec<_> = order.iter().map(|i| events[i % events.len()].clone()).collect();
        let report = check(&shuffled);
        prop_assert!(report.faults_total + report.batches > 0 || shuffled.is_empty());
    }
}
