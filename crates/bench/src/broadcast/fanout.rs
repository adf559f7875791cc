//! Messages for each CPU second of the server, beside a plain loop of sends.

use std::path::Path;
use std::time::Duration;

use super::Run;
use super::stage::{
    HEARD_WITHIN, Measured, OPEN_WITHIN, Stage, StageOptions, check, float, with_latency,
};
use crate::fanout::{Crowd, CrowdOptions, Dialect, SendLoop, stamp_of};
use crate::load::{rate, threads_cpu};
use crate::report::{BenchError, Row};

pub(super) const UNIT: &str = "messages/CPU s";
pub(super) const SEND_LOOP: &str = "send loop";
const TOGETHER: &str = "send loop, 16 together";
const SIZES: [usize; 2] = [256, 1_024];
/// Each system runs so often, in turn.
const TURNS: u32 = 3;
const OUR_SOURCE: u8 = 2;
const LOOP_SOURCE: u8 = 3;

/// How many listen, and how often they are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowding {
    sockets: u32,
    tick: Duration,
}

impl Crowding {
    pub(super) const ONE_THOUSAND: Self = Self {
        sockets: 1_000,
        tick: Duration::from_millis(20),
    };
    pub(super) const FIFTEEN_THOUSAND: Self = Self {
        sockets: 15_000,
        tick: Duration::from_millis(250),
    };
    /// More than one core can send one by one.
    const BEHIND: Self = Self {
        sockets: 15_000,
        tick: Duration::from_millis(10),
    };
}

/// Every listener is told every tick, by the server and by the loop in turn.
pub(super) fn fanout(run: &mut Run<'_>, case: &str, crowding: Crowding) -> Result<(), BenchError> {
    let program = &run.bench.program;
    let (mut stage, mut crowd) = open(program, crowding)?;
    let mut plain = Plain::open(program, crowding)?;
    for bytes in SIZES {
        let case = format!("{case}-{bytes}");
        stage.aim_at(&mut crowd, bytes)?;
        let (mut ours, mut theirs) = (Measured::default(), Measured::default());
        for _ in 0..TURNS {
            let measured = stage.measure(&case, &mut crowd, run.duration() / TURNS)?;
            let texts = measured.figures.texts.clone();
            ours.add(measured);
            theirs.add(plain.repeat(&case, texts, crowding.tick, 1)?);
        }
        let row = Row::new(&case, ours.per_cpu_second(), UNIT);
        let mut row = with_latency(row, ours.figures.latency_micros.clone());
        row.generator_cpu_percent = Some(ours.crowd_percent());
        run.report
            .rows
            .push(row.holding(stage.server.resident_bytes()));
        let mut row = Row::new("", theirs.per_cpu_second(), UNIT).by(SEND_LOOP);
        row.generator_cpu_percent = Some(theirs.crowd_percent());
        run.report.compare(&case, row);
        let messages = float(ours.figures.messages.max(1));
        run.costs.send(
            float(ours.figures.bytes) / messages,
            ours.reactors_cpu.div_f64(messages),
        );
        // Without what deciding, storing and folding the claims takes.
        let reactors = format!("{case}-reactors");
        let value = rate(ours.figures.messages, ours.reactors_cpu);
        run.report.rows.push(Row::new(&reactors, value, UNIT));
        let row = Row::new("", theirs.per_cpu_second(), UNIT).by(SEND_LOOP);
        run.report.compare(&reactors, row);
        let length = ours.figures.bytes / ours.figures.messages.max(1);
        run.report.note(format!(
            "{case}: {} messages of {length} bytes to {} sockets; {} stood for several ticks",
            ours.figures.messages, crowding.sockets, ours.figures.merged
        ));
    }
    let (bare, each_claim) = stage.delta_bytes;
    run.costs.deltas(bare, each_claim);
    run.costs.case(case);
    Ok(())
}

/// Ticks come faster than they can be sent one by one, so listeners are behind and are told
/// several at once. What counts is how many ticks they are told of.
pub(super) fn behind(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    const CHANGES: &str = "ticks told/CPU s";
    let program = &run.bench.program;
    let crowding = Crowding::BEHIND;
    let (mut stage, mut crowd) = open(program, crowding)?;
    stage.aim_at(&mut crowd, SIZES[0])?;
    let ours = stage.measure(case, &mut crowd, run.duration())?;
    let a_tick = u64::from(stage.teller.claims_a_tick);
    let value = rate(ours.figures.claims / a_tick, ours.cpu);
    let row = with_latency(
        Row::new(case, value, CHANGES),
        ours.figures.latency_micros.clone(),
    );
    run.report
        .rows
        .push(row.holding(stage.server.resident_bytes()));
    run.report.note(format!(
        "{case}: {} ticks told in {} messages",
        ours.figures.claims / a_tick,
        ours.figures.messages
    ));
    // The loop gets messages of one tick, as many as it can send in the time.
    crowd.begin()?;
    let mut texts = Vec::new();
    for _ in 0..16 {
        let stamp = stage.runtime.block_on(stage.teller.tell())?;
        texts = crowd.hear_texts(stamp, HEARD_WITHIN)?.texts;
    }
    drop(stage);
    drop(crowd);
    let mut plain = Plain::open(program, crowding)?;
    for (system, together) in [(SEND_LOOP, 1), (TOGETHER, texts.len())] {
        let theirs = plain.repeat(case, texts.clone(), Duration::ZERO, together)?;
        let value = rate(theirs.figures.claims / a_tick, theirs.cpu);
        run.report
            .compare(case, Row::new("", value, CHANGES).by(system));
    }
    Ok(())
}

fn open(program: &Path, crowding: Crowding) -> Result<(Stage, Crowd), BenchError> {
    let options = StageOptions {
        tick: crowding.tick,
        pace: crowding.tick,
        limits: "",
    };
    let stage = Stage::open(program, options)?;
    let crowd = stage.crowd(program, crowding.sockets, OUR_SOURCE, None)?;
    Ok((stage, crowd))
}

/// The loop of sends with as many listeners.
struct Plain {
    send_loop: SendLoop,
    crowd: Crowd,
    sockets: u32,
}

impl Plain {
    fn open(program: &Path, crowding: Crowding) -> Result<Self, BenchError> {
        let mut send_loop = SendLoop::start(program)?;
        let options = CrowdOptions {
            dialect: Dialect::Plain,
            first_source: LOOP_SOURCE,
            receive_bytes: None,
        };
        let mut crowd = Crowd::start(program, &[send_loop.address], &options)?;
        send_loop.accept(crowding.sockets)?;
        let opened = crowd.connect(crowding.sockets, OPEN_WITHIN)?;
        opened.expect(crowding.sockets)?;
        send_loop.finish()?;
        Ok(Self {
            send_loop,
            crowd,
            sockets: crowding.sockets,
        })
    }

    /// Sends the same texts at the same pace.
    fn repeat(
        &mut self,
        case: &str,
        texts: Vec<String>,
        interval: Duration,
        together: usize,
    ) -> Result<Measured, BenchError> {
        let last = texts.iter().rev().find_map(|text| stamp_of(text));
        let last = last.ok_or_else(|| BenchError::huntcore("nothing was told to be repeated"))?;
        let count = texts.len() as u64;
        // Where listeners have seen these ticks, they are told them again: let them forget.
        self.crowd.forget()?;
        let (_, cpu) = threads_cpu(self.send_loop.pid(), "");
        let crowd_cpu = super::stage::cpu_of(&self.crowd.pids());
        self.send_loop.send(texts, interval, together)?;
        let figures = self.crowd.hear(last, HEARD_WITHIN * 2)?;
        self.send_loop.finish()?;
        let (_, cpu_after) = threads_cpu(self.send_loop.pid(), "");
        check(case, &figures, None)?;
        if figures.messages != count * u64::from(self.sockets) {
            return Err(BenchError::Peer {
                peer: SEND_LOOP,
                reason: format!("{} messages came of {count} each", float(figures.messages)),
            });
        }
        let crowd_cpu = super::stage::cpu_of(&self.crowd.pids()).saturating_sub(crowd_cpu);
        Ok(Measured {
            figures,
            cpu: cpu_after.saturating_sub(cpu),
            reactors_cpu: Duration::ZERO,
            crowd_cpu,
        })
    }
}
