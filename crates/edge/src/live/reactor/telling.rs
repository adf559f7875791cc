//! Outcomes on their way back, each accounted for until the kernel has it (I10).

use huntcore_model::{Outcome, TimeMicros};
use huntcore_wire::{LiveForm, OutcomeText};

use super::Reactor;
use crate::live::asks::Asked;
use crate::live::classes::kind;
use crate::live::connection::{Following, Stage};
use crate::live::frames::push_message;
use crate::live::slots::Key;

impl Reactor {
    /// Tells all outcomes that have come back, and gives up on those that should have.
    pub(super) fn take_outcomes(&mut self) {
        let timeout = self.shared.limits.request_timeout;
        while let Some((submission, asked)) = self.asks.answered() {
            self.tell_all(&asked, submission.outcomes());
            self.asks.recycle(submission, asked);
            self.again.append(&mut self.starved);
        }
        while let Some(asked) = self.asks.give_up(timeout, self.now) {
            self.tell_all(&asked, std::iter::repeat(Outcome::OutcomeUnknown));
            self.again.append(&mut self.starved);
        }
    }

    fn tell_all(&mut self, asked: &Asked, outcomes: impl Iterator<Item = Outcome>) {
        let now = self.shared.backend.now();
        // Attempts that came together from one socket stand together here: one write for all.
        let mut current: Option<Key> = None;
        let mut form = LiveForm::default();
        for (key, claim, outcome) in asked.with(outcomes) {
            if current != Some(key) {
                current.inspect(|&key| self.tell(key));
                current = Some(key);
                let connection = self.connections.get_mut(key);
                form = connection.map_or(form, |found| found.form);
            }
            let text = OutcomeText::of_outcome(claim, &outcome, now);
            self.push_outcome(form, &text, now);
        }
        current.inspect(|&key| self.tell(key));
    }

    /// Appends an outcome to what a socket is given next.
    pub(super) fn push_outcome(&mut self, form: LiveForm, text: &OutcomeText<'_>, now: TimeMicros) {
        let out = &mut self.out.bytes;
        match form {
            LiveForm::Json => {
                let server_time = self.server_time.text(now);
                push_message(out, kind(form), |out| text.write(server_time, out));
            }
            LiveForm::Proto => {
                push_message(out, kind(form), |out| text.write_proto(now.into(), out));
            }
        }
        self.out.told.push(text.kind());
    }

    /// Sends a socket the outcomes that are ready for it, and what had to wait for them.
    fn tell(&mut self, key: Key) {
        let connection = self.connections.get_mut(key);
        let Some(connection) =
            connection.filter(|found| !matches!(found.stage, Stage::Closing { .. }))
        else {
            // It has gone: its attempts count as lost, or will when it is removed.
            return self.out.clear();
        };
        let told = u32::try_from(self.out.told.len()).expect("bounded by a submission");
        connection.deciding = connection.deciding.saturating_sub(told);
        let follows = connection.is_deferred
            && connection.deciding == 0
            && connection.unsent.is_none()
            && matches!(connection.following, Following::At { .. });
        if follows {
            connection.is_deferred = false;
            self.follow(key);
        } else {
            self.send(key);
        }
        self.go_on(key);
    }

    /// Goes on with a socket for which there may be room again.
    pub(super) fn go_on(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        match connection.stage {
            Stage::Serving | Stage::Leaving(_) => {
                if connection.is_paused && connection.may_read(&self.shared.limits) {
                    connection.is_paused = false;
                    self.again.push(key);
                }
            }
            Stage::Finishing => self.leave(key),
            Stage::Closing { .. } => {}
        }
    }
}
