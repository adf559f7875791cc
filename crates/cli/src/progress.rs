//! How far long work has got, for whoever watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// A bar on stderr; only on a terminal, and not for machines.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(output: Output, what: &str, length: u64) -> Self {
        let target = if output.is_json() {
            ProgressDrawTarget::hidden()
        } else {
            // Hidden unless stderr is a terminal.
            ProgressDrawTarget::stderr()
        };
        let template = format!("{{bar:32}} {{percent:>3}} % of {{human_len}} {what} {{eta}} left");
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::with_draw_target(Some(length), target).with_style(style))
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}
