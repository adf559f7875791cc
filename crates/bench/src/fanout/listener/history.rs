//! What a process's connections were told so far: every text once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hdrhistogram::Histogram;
use huntcore_wire::ServerMessage;
use memchr::memmem;

use crate::fanout::figures::{Figures, TickFigures};
use crate::fanout::teller::{STAMP_MARK, stamp_at};

/// How far back a text that others were told before is looked for.
const LOOK_BACK: usize = 32;
const MICROS_MAX: u64 = 120_000_000;

/// Every text once, and what is known of the ticks.
pub(super) struct History {
    heard: Vec<Heard>,
    rounds: Vec<Round>,
    /// Steps that connections made over ticks, to be held against all ticks in the end.
    leaps: HashSet<(u64, u64)>,
    /// Where a connection goes on that has seen a tick.
    resumes: HashMap<u64, Box<str>>,
    latency: Histogram<u64>,
}

struct Heard {
    /// The first tick that it covers, and the last.
    from: u64,
    tick: u64,
    claims: u32,
    /// Of its first claim and of its last.
    stamps: Option<(u64, u64)>,
    text: Box<[u8]>,
    told: u64,
    /// From the first stamp to the last connection that reads.
    last_micros: u64,
    /// What most connections had seen before.
    after: u64,
}

struct Round {
    text: Box<[u8]>,
    opens_at_micros: u64,
    last_micros: u64,
}

/// What a change was to the connection that it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) tick: u64,
    pub(super) claims: u32,
    pub(super) is_merged: bool,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            heard: Vec::new(),
            rounds: Vec::new(),
            leaps: HashSet::new(),
            resumes: HashMap::new(),
            latency: Histogram::new_with_max(MICROS_MAX, 3).expect("a valid range"),
        }
    }

    /// Forgets all but where those go on who have seen everything.
    pub(super) fn begin(&mut self) {
        let newest = self.resumes.keys().max().copied();
        self.resumes.retain(|&tick, _| Some(tick) == newest);
        self.heard.clear();
        self.rounds.clear();
        self.leaps.clear();
        self.latency.reset();
    }

    /// A connection that has seen the tick `seen` is told `text` at `now`; whether that counts
    /// for latency. `None` if it has seen it before, an error if it is no change.
    pub(super) fn change(
        &mut self,
        seen: u64,
        text: &[u8],
        now: u64,
        counts: bool,
    ) -> Result<Option<Step>, String> {
        let recent = self.heard.len().saturating_sub(LOOK_BACK);
        let known = self.heard[recent..]
            .iter()
            .rposition(|heard| *heard.text == *text);
        let place = match known {
            Some(place) => recent + place,
            None => {
                self.heard.push(Heard::read(text, seen)?);
                self.remember_resume(self.heard.len() - 1);
                self.heard.len() - 1
            }
        };
        let heard = &mut self.heard[place];
        if heard.tick <= seen {
            return Ok(None);
        }
        if heard.after != seen || known.is_none() {
            self.leaps.insert((seen, heard.from));
        }
        heard.told += 1;
        if counts && let Some((first, _)) = heard.stamps {
            let micros = now.saturating_sub(first) / 1_000;
            heard.last_micros = heard.last_micros.max(micros);
            self.latency.saturating_record(micros.max(1));
        }
        Ok(Some(Step {
            tick: heard.tick,
            claims: heard.claims,
            is_merged: heard.from != heard.tick,
        }))
    }

    /// A connection was told everything; says up to which tick.
    pub(super) fn everything(&mut self, text: &[u8]) -> Result<u64, String> {
        let tick = number(text, b"\"tick\":").ok_or_else(|| strange("a snapshot", text))?;
        if !self.resumes.contains_key(&tick)
            && let Some(resume) = resume_of(text)
        {
            self.resumes.insert(tick, resume);
        }
        Ok(tick)
    }

    /// A connection was told of a round at the wall clock's `now_micros`.
    pub(super) fn round(&mut self, text: &[u8], now_micros: u64) -> Result<(), String> {
        let known = self
            .rounds
            .iter_mut()
            .rev()
            .find(|round| *round.text == *text);
        if let Some(round) = known {
            round.last_micros = round.last_micros.max(now_micros);
            return Ok(());
        }
        let parsed = std::str::from_utf8(text).ok().map(ServerMessage::from_json);
        let Some(Ok(ServerMessage::Round(message))) = parsed else {
            return Err(strange("a round", text));
        };
        self.rounds.push(Round {
            text: text.into(),
            opens_at_micros: huntcore_model::TimeMicros::from(message.opens_at).get(),
            last_micros: now_micros,
        });
        Ok(())
    }

    /// Where a connection goes on that has seen `tick`.
    pub(super) fn resume(&self, tick: u64) -> Option<&str> {
        self.resumes.get(&tick).map(|resume| &**resume)
    }

    /// The tick from which on a connection has heard what bears `stamp`.
    pub(super) fn tick_of(&self, stamp: u64) -> Option<u64> {
        let bears = |heard: &&Heard| heard.stamps.is_some_and(|(_, last)| last >= stamp);
        self.heard
            .iter()
            .filter(bears)
            .map(|heard| heard.tick)
            .min()
    }

    /// Puts all of it into figures, and what no connection should have leapt over.
    pub(super) fn tell(&self, figures: &mut Figures, with_texts: bool) {
        for recorded in self.latency.iter_recorded() {
            figures
                .latency_micros
                .insert(recorded.value_iterated_to(), recorded.count_at_value());
        }
        figures.round_micros = self
            .rounds
            .iter()
            .map(|round| round.last_micros.saturating_sub(round.opens_at_micros))
            .collect();
        let ticks: BTreeSet<u64> = self
            .heard
            .iter()
            .flat_map(|heard| [heard.from, heard.tick])
            .collect();
        for &(seen, from) in &self.leaps {
            if let Some(missed) = ticks.range(seen + 1..from.max(seen + 1)).next() {
                figures.faults.push(format!(
                    "tick {missed} was left out between {seen} and {from}"
                ));
            }
        }
        let mut by_stamp: BTreeMap<u64, TickFigures> = BTreeMap::new();
        for heard in &self.heard {
            if let Some((first, _)) = heard.stamps
                && heard.told > 0
            {
                let tick = by_stamp.entry(first).or_default();
                tick.told += heard.told;
                tick.last_micros = tick.last_micros.max(heard.last_micros);
            }
        }
        figures.ticks = by_stamp;
        if with_texts {
            let texts = self.heard.iter().filter(|heard| heard.from == heard.tick);
            figures.texts = texts
                .map(|heard| String::from_utf8_lossy(&heard.text).into_owned())
                .collect();
        }
    }

    fn remember_resume(&mut self, place: usize) {
        let heard = &self.heard[place];
        if let Some(resume) = resume_of(&heard.text) {
            self.resumes.insert(heard.tick, resume);
        }
    }
}

impl Heard {
    fn read(text: &[u8], after: u64) -> Result<Self, String> {
        let tick = number(text, b"\"tick\":").ok_or_else(|| strange("a delta", text))?;
        let first = memmem::find(text, STAMP_MARK).and_then(|at| stamp_at(text, at));
        let last = memmem::rfind(text, STAMP_MARK).and_then(|at| stamp_at(text, at));
        let claims = memmem::find_iter(text, b"\"points\":").count();
        Ok(Self {
            from: number(text, b"\"from_tick\":").unwrap_or(tick),
            tick,
            claims: u32::try_from(claims).unwrap_or(u32::MAX),
            stamps: first.zip(last),
            text: text.into(),
            told: 0,
            last_micros: 0,
            after,
        })
    }
}

fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    let rest = &text[memmem::find(text, name)? + name.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

fn resume_of(text: &[u8]) -> Option<Box<str>> {
    const NAME: &[u8] = b"\"resume\":\"";
    let rest = &text[memmem::find(text, NAME)? + NAME.len()..];
    let end = memchr::memchr(b'"', rest)?;
    Some(std::str::from_utf8(&rest[..end]).ok()?.into())
}

fn strange(what: &str, text: &[u8]) -> String {
    let shown = &text[..text.len().min(200)];
    format!("not {what}: {}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(from: Option<u64>, tick: u64, stamps: &[u64]) -> String {
        let from = from.map_or(String::new(), |from| format!(r#","from_tick":{from}"#));
        let claims: Vec<String> = stamps
            .iter()
            .map(|stamp| format!(r#"{{"player":"t{stamp:019}","points":1}}"#))
            .collect();
        let claims = claims.join(",");
        format!(
            r#"{{"type":"delta","tick":{tick}{from},"resume":"at-{tick}","claims":[{claims}]}}"#
        )
    }

    fn told(history: &mut History, seen: u64, text: &str) -> Option<Step> {
        let now = 10_000_000;
        history
            .change(seen, text.as_bytes(), now, true)
            .expect("a delta")
    }

    fn faults(history: &History) -> Vec<String> {
        let mut figures = Figures::default();
        history.tell(&mut figures, false);
        figures.faults
    }

    #[test]
    fn a_tick_that_somebody_was_told_and_another_not_is_a_fault() {
        let mut history = History::new();
        let (one, two, three) = (
            delta(None, 1, &[1]),
            delta(None, 2, &[2]),
            delta(None, 3, &[3]),
        );
        // The one that misses is heard first.
        assert_eq!(told(&mut history, 0, &one).map(|step| step.tick), Some(1));
        assert_eq!(told(&mut history, 1, &three).map(|step| step.tick), Some(3));
        assert!(faults(&history).is_empty());
        for (seen, text) in [(0, &one), (1, &two), (2, &three)] {
            told(&mut history, seen, text);
        }
        assert_eq!(
            faults(&history),
            ["tick 2 was left out between 1 and 3".to_owned()]
        );
    }

    #[test]
    fn ticks_merged_into_one_delta_are_not_left_out() {
        let mut history = History::new();
        for tick in 1..=4 {
            told(&mut history, tick - 1, &delta(None, tick, &[tick]));
        }
        let merged = delta(Some(2), 4, &[2, 3, 4]);
        let step = told(&mut history, 1, &merged).expect("new to it");
        assert_eq!((step.tick, step.claims, step.is_merged), (4, 3, true));
        assert_eq!(told(&mut history, 4, &merged), None);
        assert!(faults(&history).is_empty());
        assert_eq!(history.tick_of(4), Some(4));
        assert_eq!(history.tick_of(5), None);
        assert_eq!(history.resume(4), Some("at-4"));
    }

    #[test]
    fn a_delivery_is_timed_from_the_first_stamp() {
        let mut history = History::new();
        told(&mut history, 0, &delta(None, 1, &[4_000_000, 9_000_000]));
        let mut figures = Figures::default();
        history.tell(&mut figures, false);
        assert_eq!(figures.ticks[&4_000_000].last_micros, 6_000);
    }
}
