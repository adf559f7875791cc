//! The control stream without a node: a controller, the log that it wrote, and a clock in
//! milliseconds.

use huntcore_engine::{CommandError, Controller, NewHunt, Term};
use huntcore_model::{Batch, Epoch, Hash32, HuntConfig, HuntId};

use crate::configs::config_of;
use crate::control_sim::facts;
use crate::desk::{HUNT, at};

pub(crate) type Command = fn(&mut Controller) -> Result<(), CommandError>;

pub(crate) struct Stream {
    pub(crate) controller: Controller,
    log: Vec<Batch>,
}

pub(crate) fn new_hunt(id: &str, starts_ms: Option<i64>, ends_ms: Option<i64>) -> NewHunt {
    NewHunt {
        id: HuntId::new(id).expect("a slug"),
        starts_at: starts_ms.map(at),
        ends_at: ends_ms.map(at),
        config: config_of(1_000, 3_000, 4),
        anchor: Hash32::ZERO,
        boards: Vec::new(),
    }
}

impl Stream {
    /// A stream without hunts.
    pub(crate) fn empty() -> Self {
        let mut stream = Self {
            controller: Controller::new(),
            log: Vec::new(),
        };
        stream.restart();
        stream
    }

    /// A stream with a hunt that starts at 0: rounds of a second, open for three.
    pub(crate) fn new() -> Self {
        Self::with(&new_hunt("park", Some(0), None))
    }

    pub(crate) fn with(new: &NewHunt) -> Self {
        let mut stream = Self::empty();
        stream
            .at(-5_000, |controller| controller.create(new))
            .expect("the first hunt");
        stream
    }

    /// One decision, stored at once.
    pub(crate) fn at<T>(&mut self, now_ms: i64, decide: impl FnOnce(&mut Controller) -> T) -> T {
        self.controller.begin(at(now_ms));
        let result = decide(&mut self.controller);
        self.log.extend(self.controller.finish());
        result
    }

    /// Announces what is due in one go.
    pub(crate) fn announce(&mut self, now_ms: i64) -> Vec<u64> {
        self.at(now_ms, |controller| {
            let due = controller.rounds_due();
            for due in &due {
                controller.open_round(due, &facts(due.hunt, due.round));
            }
            due.iter().map(|due| due.round.get()).collect()
        })
    }

    /// Publishes what is due in one go.
    pub(crate) fn publish(&mut self, shards_ms: i64) -> Vec<u64> {
        self.at(shards_ms, |controller| {
            let due = controller.seeds_due(at(shards_ms));
            for due in &due {
                controller.publish_seed(due, Hash32::ZERO);
            }
            due.iter().map(|due| due.round.get()).collect()
        })
    }

    pub(crate) fn change(&mut self, now_ms: i64, config: HuntConfig) -> Result<(), CommandError> {
        self.at(now_ms, |controller| controller.change(HUNT, config))
    }

    /// How many entries the stream has.
    pub(crate) fn entries(&self) -> u64 {
        self.controller.tail().sequence.get()
    }

    pub(crate) fn restart(&mut self) {
        self.controller = Controller::new();
        for batch in &self.log {
            self.controller.apply(batch).expect("its own batch");
        }
        let tail = self.controller.tail();
        let epoch = Epoch::new(1);
        self.controller.begin_term(Term { epoch, tail });
    }
}
