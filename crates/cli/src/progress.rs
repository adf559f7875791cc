//! How far long work has got, for whoever watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// A bar on stderr; only on a terminal, and not for machines.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many things.
    pub(crate) fn new(output: Output, what: &str, length: u64) -> Self {
        let template = format!("{{bar:32}} {{percent:>3}} % of {{human_len}} {what}, {{eta}} left");
        Self::with(output, Some(length), &template)
    }

    /// Of bytes, however many they turn out to be.
    pub(crate) fn bytes(output: Output, what: &str) -> Self {
        let template = format!(
            "{{bar:32}} {{percent:>3}} % of {{binary_total_bytes}}, {{binary_bytes_per_sec}}, \
             {{eta}} left, {what}"
        );
        Self::with(output, Some(0), &template)
    }

    fn with(output: Output, length: Option<u64>, template: &str) -> Self {
        let target = if output.is_json() {
            ProgressDrawTarget::hidden()
        } else {
            // Hidden unless stderr is a terminal.
            ProgressDrawTarget::stderr()
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::with_draw_target(length, target).with_style(style))
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    pub(crate) fn set(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}
