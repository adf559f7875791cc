//! Hears what connections are told, and keeps count.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::connection::{Connection, Stage};
use super::history::History;
use crate::crowd::{CLOSE, Frame, PING, PONG, put_masked_frame};
use crate::fanout::dialect::{Dialect, Said};
use crate::fanout::figures::Figures;

/// Faults told; more say no more.
const FAULTS_MAX: usize = 8;

/// See the module.
pub(super) struct Ear {
    pub(super) dialect: Dialect,
    pub(super) history: History,
    counts: Counts,
    /// To be sent to whoever was heard last.
    pub(super) reply: Vec<u8>,
}

#[derive(Debug, Default)]
struct Counts {
    messages: u64,
    bytes: u64,
    claims: u64,
    rounds: u64,
    merged: u64,
    snapshots: u64,
    refused: u64,
    ended: BTreeMap<String, u64>,
    faults: Vec<String>,
}

/// What became of a connection by what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many of the bytes were whole frames.
    Used(usize),
    /// It was told goodbye, with this code.
    Closed(u16),
}

impl Ear {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            history: History::new(),
            counts: Counts::default(),
            reply: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.history.begin();
        self.counts = Counts::default();
    }

    pub(super) const fn rounds(&self) -> u64 {
        self.counts.rounds
    }

    pub(super) fn count_bytes(&mut self, count: usize) {
        self.counts.bytes += count as u64;
    }

    pub(super) fn refused(&mut self) {
        self.counts.refused += 1;
    }

    pub(super) fn ended(&mut self, reason: String) {
        *self.counts.ended.entry(reason).or_default() += 1;
    }

    pub(super) fn fault(&mut self, what: impl FnOnce() -> String) {
        if self.counts.faults.len() < FAULTS_MAX {
            self.counts.faults.push(what());
        }
    }

    /// Hears all whole frames of `bytes`.
    pub(super) fn hear(&mut self, connection: &mut Connection, bytes: &[u8], now: u64) -> Heard {
        let mut used = 0;
        while let Some(frame) = Frame::first(&bytes[used..]) {
            let payload = &bytes[used + frame.start..used + frame.end];
            used += frame.end;
            match frame.opcode {
                CLOSE => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |code| u16::from_be_bytes(*code));
                    return Heard::Closed(code);
                }
                PING => put_masked_frame(&mut self.reply, PONG, |out| out.extend(payload)),
                PONG => {}
                _ => self.hear_message(connection, payload, now),
            }
        }
        Heard::Used(used)
    }

    fn hear_message(&mut self, connection: &mut Connection, payload: &[u8], now: u64) {
        let Self {
            dialect,
            history,
            counts,
            reply,
        } = self;
        let mut said_wrong = None;
        dialect.hear(payload, |said| {
            let heard = hear_one(history, counts, reply, connection, said, now);
            if let Err(fault) = heard {
                said_wrong.get_or_insert(fault);
            }
        });
        if let Some(fault) = said_wrong {
            self.fault(|| fault);
        }
    }

    /// What was heard so far.
    pub(super) fn figures(&self, connections: &[Connection], with_texts: bool) -> Figures {
        let counts = &self.counts;
        let following = || {
            connections
                .iter()
                .filter(|connection| connection.stage == Stage::Following)
        };
        let whole = || following().filter(|found| !found.is_patched && !found.is_stalled);
        let claims = || whole().map(|connection| u64::from(connection.claims));
        let mut figures = Figures {
            open: following().count() as u64,
            messages: counts.messages,
            bytes: counts.bytes,
            claims: counts.claims,
            rounds: counts.rounds,
            merged: counts.merged,
            snapshots: counts.snapshots,
            refused: counts.refused,
            ended: counts.ended.clone(),
            claims_least: claims().min(),
            claims_most: claims().max(),
            faults: counts.faults.clone(),
            ..Figures::default()
        };
        self.history.tell(&mut figures, with_texts);
        figures.faults.truncate(FAULTS_MAX);
        figures
    }
}

fn hear_one(
    history: &mut History,
    counts: &mut Counts,
    reply: &mut Vec<u8>,
    connection: &mut Connection,
    said: Said<'_>,
    now: u64,
) -> Result<(), String> {
    match said {
        Said::Change(text) => {
            counts.messages += 1;
            let times = !connection.is_patched;
            if let Some(step) = history.change(connection.seen, text, now, times)? {
                connection.seen = step.tick;
                connection.claims += step.claims;
                counts.claims += u64::from(step.claims);
                counts.merged += u64::from(step.is_merged);
            }
        }
        Said::Everything(text) => {
            counts.messages += 1;
            connection.seen = history.everything(text)?;
            // Whoever is told everything at first is told every claim from now on.
            if connection.stage == Stage::Following {
                counts.snapshots += 1;
            }
            connection.is_patched |= connection.resumes || connection.stage == Stage::Following;
            connection.stage = Stage::Following;
        }
        Said::Round(text) => {
            counts.messages += 1;
            counts.rounds += 1;
            history.round(text, wall_micros())?;
        }
        Said::Other => counts.messages += 1,
        Said::Begun => connection.stage = Stage::Following,
        Said::Ping(answer) => put_masked_frame(reply, crate::crowd::TEXT, |out| out.extend(answer)),
        Said::Aside => {}
        Said::Refused(text) => {
            let text = &text[..text.len().min(200)];
            return Err(format!("refused: {}", String::from_utf8_lossy(text)));
        }
    }
    Ok(())
}

fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}
