//! Reads a stream of attempts and writes their outcomes, over and over, and does nothing else:
//! to be run under a profiler. `perf stat -e instructions:u claim_path protobuf 1000`, divided
//! by the attempts that it prints, is what one attempt costs this crate.

#![expect(
    clippy::disallowed_methods,
    reason = "a program for a profiler, and no part of the crate"
)]

use std::io::Write as _;

use huntcore_model::{Outcome, Sequence, ShardId, TimeMicros};
use huntcore_wire::proto::encode_claim_for;
use huntcore_wire::{ClaimReader, ClaimStreamForm, parse_claim_for, put_outcome};

const ATTEMPTS: u32 = 4_096;
const CHUNK_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let form = match arguments.next().as_deref() {
        Some("lines") => ClaimStreamForm::Lines,
        Some("protobuf") => ClaimStreamForm::Protobuf,
        _ => return Err("usage: claim_path lines|protobuf ROUNDS [read|write]".into()),
    };
    let rounds: u32 = arguments.next().ok_or("how many rounds?")?.parse()?;
    let only = arguments.next();
    let does = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let stream = stream(form);
    let mut out: Vec<u8> = Vec::new();
    let likely = huntcore_model::HuntId::new("park").ok();
    let mut sum = 0_usize;
    for round in 0..rounds {
        if does("read") {
            let mut reader = ClaimReader::new(form);
            reader.expect_hunt(likely.clone());
            for mut chunk in stream.chunks(CHUNK_BYTES) {
                while let Some(item) = reader.next(&mut chunk) {
                    let claim = item?;
                    sum += claim.player.len() + usize::from(claim.hunt == "park");
                }
            }
        }
        if does("write") {
            out.clear();
            for number in 0..ATTEMPTS {
                let outcome = outcome(number ^ round);
                put_outcome(&mut out, form, &outcome, TimeMicros::ZERO);
            }
            sum += out.len();
        }
    }
    let attempts = u64::from(rounds) * u64::from(ATTEMPTS);
    let per_item = stream.len() / ATTEMPTS as usize;
    writeln!(
        std::io::stdout(),
        "{attempts} attempts of {per_item} bytes; checksum {sum}"
    )?;
    Ok(())
}

/// Attempts of one hunt by players with ids of 20 bytes.
fn stream(form: ClaimStreamForm) -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..ATTEMPTS {
        let line = format!(
            "{{\"hunt\":\"park\",\"round\":123456,\"tile\":{},\"player\":\"player-{number:013}\"}}\n",
            number * 37 % 100_000,
        );
        match form {
            ClaimStreamForm::Lines => stream.extend_from_slice(line.as_bytes()),
            ClaimStreamForm::Protobuf => {
                let claim = parse_claim_for(line.trim_ascii_end().as_bytes());
                encode_claim_for(&mut stream, &claim.expect("an attempt"));
            }
        }
    }
    stream
}

/// One attempt in eight wins.
fn outcome(number: u32) -> Outcome {
    let (shard, sequence) = (
        ShardId::new(0),
        Sequence::new(1_000_000 + u64::from(number)),
    );
    match number % 8 {
        0 => Outcome::Won {
            shard,
            sequence,
            points: number % 100,
        },
        _ => Outcome::Taken { shard, sequence },
    }
}
