//! Where a watched board is drawn.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::output::Output;

/// Over itself on a terminal, else below.
pub(super) struct Screen {
    json: bool,
    clears: bool,
}

impl Screen {
    pub(super) fn new(output: Output) -> Self {
        let json = output.is_json();
        Self {
            json,
            clears: !json && io::stdout().is_terminal(),
        }
    }

    /// False once nobody reads any more.
    pub(super) fn draw(
        &mut self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> bool {
        let drawn = match (self.json, self.clears) {
            (true, _) => format!("{}\n", json()),
            (false, false) => format!("{}\n\n", text()),
            // To the corner, each line cleared to its end, then all below.
            (false, true) => format!(
                "\u{1b}[H{}\u{1b}[J",
                text().replace('\n', "\u{1b}[K\n") + "\u{1b}[K\n"
            ),
        };
        let mut out = io::stdout().lock();
        out.write_all(drawn.as_bytes())
            .and_then(|()| out.flush())
            .is_ok()
    }
}
