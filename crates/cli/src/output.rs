//! What commands print: for people by default, for machines with `--json`.

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use serde_json::Value;

/// Where a command's results go, and in what form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// One line: the text, or the object.
    pub(crate) fn line(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let line = if self.json {
            json().to_string()
        } else {
            text()
        };
        let mut out = std::io::stdout().lock();
        // Whoever read has gone: there is nobody left to tell.
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    }
}

/// Why a command failed, in words for whoever ran it.
#[derive(Debug)]
pub(crate) struct Failed {
    message: String,
}

impl Failed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Failed {
    /// An error and its causes.
    pub(crate) fn from_ref(error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Transparent errors say the same as their source.
            if !message.contains(&cause_text) {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self { message }
    }
}

impl<E: Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::from_ref(&error)
    }
}
