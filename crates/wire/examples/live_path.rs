//! Reads and writes the socket's messages, over and over, and does nothing else: to be run under
//! a profiler. `perf stat -e instructions:u live_path proto write-delta 1000`, divided by the
//! items that it prints, is what one of them costs this crate: a claim, an outcome, or one of the
//! thousand claims of a delta.

#![expect(
    clippy::disallowed_methods,
    reason = "a program for a profiler, and no part of the crate"
)]

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;

use huntcore_model::{
    Outcome, PlayerId, Position, RoundNumber, Sequence, ShardId, TileIndex, TimeMicros,
};
use huntcore_wire::{
    ClaimMessage, ClaimText, ClientMessage, DeltaMessage, LiveClaim, LiveForm, OutcomeText,
    ServerMessage, Timestamp,
};

const NOW: TimeMicros = TimeMicros::from_millis(1_795_341_600_123);
const CLAIMS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: live_path json|proto read-claim|write-outcome|write-delta|read-delta TIMES";
    let mut arguments = std::env::args().skip(1);
    let form = match arguments.next().as_deref() {
        Some("json") => LiveForm::Json,
        Some("proto") => LiveForm::Proto,
        _ => return Err(usage.into()),
    };
    let part = arguments.next().ok_or(usage)?;
    let times: u32 = arguments.next().ok_or(usage)?.parse()?;
    let (bytes, each) = match &*part {
        "read-claim" => (read_claim(form, times)?, 1),
        "write-outcome" => (write_outcome(form, times), 1),
        "write-delta" => (write_delta(form, times), CLAIMS),
        "read-delta" => (read_delta(form, times)?, CLAIMS),
        _ => return Err(usage.into()),
    };
    let items = u64::from(times) * u64::from(each);
    writeln!(std::io::stdout(), "{items} items in {bytes} bytes")?;
    Ok(())
}

fn claim() -> ClaimMessage {
    ClaimMessage {
        id: "c1234".to_owned(),
        round: RoundNumber::new(86_400),
        tile: TileIndex::new(517),
        answer: None,
    }
}

fn read_claim(form: LiveForm, times: u32) -> Result<usize, Box<dyn Error>> {
    let message = ClientMessage::Claim(claim()).encode(form);
    let mut bytes = 0;
    for _ in 0..times {
        let message = black_box(&message[..]);
        let claim = match form {
            LiveForm::Json => ClaimText::read(std::str::from_utf8(message)?),
            LiveForm::Proto => ClaimText::read_proto(message),
        };
        black_box(claim.ok_or("no claim")?);
        bytes += message.len();
    }
    Ok(bytes)
}

fn write_outcome(form: LiveForm, times: u32) -> usize {
    let claim = claim();
    let time = Timestamp::from(NOW);
    let time_text = time.to_string();
    let mut out = Vec::with_capacity(256);
    let mut bytes = 0;
    for number in 0..times {
        let (shard, sequence) = (ShardId::new(2), Sequence::new(3_000_000));
        // One attempt in eight wins.
        let outcome = match number % 8 {
            0 => Outcome::Won {
                shard,
                sequence,
                points: 25,
            },
            _ => Outcome::Taken { shard, sequence },
        };
        let text = OutcomeText::of_outcome(ClaimText::from(&claim), black_box(&outcome), NOW);
        out.clear();
        match form {
            LiveForm::Json => text.write(&time_text, &mut out),
            LiveForm::Proto => text.write_proto(time, &mut out),
        }
        bytes += black_box(&out).len();
    }
    bytes
}

/// Claims of ten rounds by players with ids of 20 bytes.
fn delta() -> ServerMessage {
    let mut position = Position::start();
    for shard in 0..4 {
        position.advance(ShardId::new(shard), Sequence::new(3_000_000));
    }
    let claims = (0..CLAIMS).map(|number| LiveClaim {
        round: RoundNumber::new(86_400 + u64::from(number % 10)),
        tile: TileIndex::new(number * 37 % 1_024),
        player: PlayerId::new(&format!("player-{number:013}")).ok(),
        points: 1 + number % 100,
        voided: false,
    });
    ServerMessage::Delta(DeltaMessage {
        server_time: NOW.into(),
        tick: 864_000,
        from_tick: None,
        resume: (&position).into(),
        oldest: RoundNumber::new(86_400),
        claims: claims.collect(),
        closed: Vec::new(),
        seeds: Vec::new(),
        state: None,
        corrections: Vec::new(),
        boards: None,
    })
}

fn write_delta(form: LiveForm, times: u32) -> usize {
    let delta = delta();
    let mut bytes = 0;
    for _ in 0..times {
        bytes += black_box(black_box(&delta).encode(form)).len();
    }
    bytes
}

fn read_delta(form: LiveForm, times: u32) -> Result<usize, Box<dyn Error>> {
    let message = delta().encode(form);
    let mut bytes = 0;
    for _ in 0..times {
        black_box(ServerMessage::decode(form, black_box(&message))?);
        bytes += message.len();
    }
    Ok(bytes)
}
