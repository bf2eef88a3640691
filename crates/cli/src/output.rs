//! What a command prints: lines for people, or one JSON object a line.

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::failure::Outcome;

/// Where a command's results go.
pub struct Output {
    json: bool,
    to: BufWriter<Stdout>,
}

impl Output {
    pub fn new(json: bool) -> Output {
        Output {
            json,
            to: BufWriter::new(std::io::stdout()),
        }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line to people, or an object to programs.
    pub fn put(
        &mut self,
        text: impl FnOnce() -> String,
        object: impl FnOnce() -> Value,
    ) -> Outcome {
        if self.json {
            self.object(&object())
        } else {
            self.line(&text())
        }
    }

    pub fn line(&mut self, text: &str) -> Outcome {
        Ok(writeln!(self.to, "{text}")?)
    }

    pub fn object(&mut self, object: &Value) -> Outcome {
        Ok(writeln!(self.to, "{object}")?)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.to.write_all(bytes)?)
    }

    /// Everything so far is out.
    pub fn flush(&mut self) -> Outcome {
        Ok(self.to.flush()?)
    }

    /// The stream itself.
    pub fn stream(&mut self) -> &mut impl Write {
        &mut self.to
    }

    /// Everything is out, or it is known that it is not.
    pub fn finish(mut self) -> Outcome {
        Ok(self.to.flush()?)
    }
}

/// A bar on standard error for steps whose number will be told, shown only where someone looks.
pub fn progress_steps(message: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(0).with_message(message);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A sign of life on standard error for work whose length nobody knows.
pub fn progress_work(message: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(message);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

/// A bar on standard error for `total` bytes, shown only where someone looks.
pub fn progress_bytes(total: u64, message: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(total).with_message(message);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
