//! Peers in turn: the same texts at the same pace to as many listeners.

use std::path::Path;
use std::time::Duration;

use super::Run;
use super::fanout::UNIT;
use super::stage::{HEARD_WITHIN, OPEN_WITHIN, Stage, StageOptions, check, float, with_latency};
use crate::claims::Peers;
use crate::fanout::{Crowd, CrowdOptions, private_bytes, stamp_of};
use crate::load::{rate, threads_cpu};
use crate::peers::broadcasters::{self, Broadcaster, Started};
use crate::report::{BenchError, Row};

const SOCKETS: u32 = 5_000;
const TICK: Duration = Duration::from_millis(100);
const MESSAGE_BYTES: usize = 256;
const MEMORY_UNIT: &str = "bytes/connection";
const OUR_SOURCE: u8 = 2;
const PEER_SOURCE: u8 = 3;

/// Each peer beside huntcore, in turn.
pub(super) fn peers(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let options = StageOptions {
        tick: TICK,
        pace: TICK,
        limits: "",
    };
    let program = &run.bench.program;
    let mut stage = Stage::open(program, options)?;
    let mut crowd = stage.crowd(program, SOCKETS, OUR_SOURCE, None)?;
    let memory = format!("{case}-memory");
    let held = float(stage.grown_bytes()) / f64::from(SOCKETS);
    run.report.rows.push(Row::new(&memory, held, MEMORY_UNIT));
    stage.aim_at(&mut crowd, MESSAGE_BYTES)?;
    let mut ours = stage.measure(case, &mut crowd, run.duration() / 2)?;
    let texts = ours.figures.texts.clone();
    let mut theirs = Vec::new();
    for (peer, start) in [
        (Peers::Nats, broadcasters::nats as fn(&Path) -> Started),
        (Peers::Ws, broadcasters::node_ws),
        (Peers::Centrifugo, broadcasters::centrifugo),
    ] {
        if !run.wants(peer) {
            continue;
        }
        // What is wrong with a peer is told, and does not keep the others from running.
        let measured = match start(program) {
            Ok(Ok(mut peer)) => measure(run, case, &mut *peer, &texts),
            Ok(Err(missing)) => {
                run.report.note(missing);
                continue;
            }
            Err(error) => Err(error),
        };
        match measured {
            Ok(rows) => theirs.push(rows),
            Err(error) => run.report.note(format!("{peer:?} is left out: {error}")),
        }
    }
    ours.add(stage.measure(case, &mut crowd, run.duration() / 2)?);
    let row = Row::new(case, ours.per_cpu_second(), UNIT);
    let row = with_latency(row, ours.figures.latency_micros.clone());
    run.report
        .rows
        .push(row.holding(stage.server.resident_bytes()));
    for [messages, held] in theirs {
        run.report.compare(case, messages);
        run.report.compare(&memory, held);
    }
    Ok(())
}

/// Messages for each CPU second, and memory for each connection.
fn measure(
    run: &Run<'_>,
    case: &str,
    peer: &mut dyn Broadcaster,
    texts: &[String],
) -> Result<[Row; 2], BenchError> {
    let (name, pid) = (peer.name(), peer.pid());
    let bare = private_bytes(pid).unwrap_or_default();
    let options = CrowdOptions {
        dialect: peer.dialect(),
        first_source: PEER_SOURCE,
        receive_bytes: None,
    };
    let mut crowd = Crowd::start(&run.bench.program, &[peer.address()], &options)?;
    crowd.connect(SOCKETS, OPEN_WITHIN)?.expect(SOCKETS)?;
    let held = private_bytes(pid).unwrap_or_default().saturating_sub(bare);
    crowd.begin()?;
    let last = texts.iter().rev().find_map(|text| stamp_of(text));
    let last = last.ok_or_else(|| BenchError::huntcore("nothing was told to be repeated"))?;
    let (_, cpu) = threads_cpu(pid, "");
    peer.publish(texts, TICK)?;
    let figures = crowd.hear(last, HEARD_WITHIN)?;
    let (_, cpu_after) = threads_cpu(pid, "");
    check(case, &figures, None)?;
    let count = u64::from(SOCKETS) * texts.len() as u64;
    // Peers may put several messages into one frame; these are the messages.
    let expected_claims = figures.claims_least.zip(figures.claims_most);
    if expected_claims.is_none_or(|(least, most)| least != most) {
        return Err(BenchError::Peer {
            peer: name,
            reason: format!("connections were told of {expected_claims:?} claims"),
        });
    }
    let value = rate(count, cpu_after.saturating_sub(cpu));
    let row = Row::new("", value, UNIT).by(name);
    let held_row = Row::new("", float(held) / f64::from(SOCKETS), MEMORY_UNIT).by(name);
    Ok([row.holding(private_bytes(pid)), held_row])
}
