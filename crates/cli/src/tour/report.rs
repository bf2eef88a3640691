//! What the tour tells: sentences and a table for people, a line of JSON each for programs.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kv_api::Result;
use serde_json::json;

/// Prints a line; a reader who has gone, as with `| head`, has seen enough.
macro_rules! print_line {
    ($($words:tt)*) => {
        let _ = writeln!(std::io::stdout(), $($words)*);
    };
}

struct Row {
    engine: String,
    what: String,
    amount: String,
    rate: String,
}

/// What the tour tells, as it goes and at its end.
pub struct Report {
    json: bool,
    engine: String,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(json: bool) -> Report {
        Report {
            json,
            engine: String::new(),
            rows: Vec::new(),
        }
    }

    /// A sentence for people.
    pub fn say(&self, sentence: &str) {
        if !self.json {
            print_line!("{sentence}");
        }
    }

    /// What follows is about this engine.
    pub fn begin(&mut self, engine: &str) {
        self.engine = engine.to_owned();
        self.say(&format!("\n{engine}"));
    }

    /// Runs `work`, which answers how much it did, and notes the rate.
    pub fn timed<T>(
        &mut self,
        what: &str,
        unit: &str,
        work: impl FnOnce() -> Result<(u64, T)>,
    ) -> Result<T> {
        let began = Instant::now();
        let (amount, value) = work()?;
        self.rate(what, unit, amount, began.elapsed());
        Ok(value)
    }

    fn rate(&mut self, what: &str, unit: &str, amount: u64, time: Duration) {
        // Rates of a demonstration: the precision of f64 is ample.
        #[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
        let per_second = amount as f64 / time.as_secs_f64().max(1e-9);
        if self.json {
            let secs = time.as_secs_f64();
            print_line!(
                "{}",
                json!({"engine": self.engine, "step": what, "unit": unit, "amount": amount,
                       "secs": secs, "per_second": per_second})
            );
        }
        self.rows.push(Row {
            engine: self.engine.clone(),
            what: what.to_owned(),
            amount: format!("{} {unit}", grouped(amount)),
            rate: format!("{}/s", short(per_second)),
        });
    }

    /// Notes a size.
    pub fn size(&mut self, what: &str, bytes: u64) {
        if self.json {
            print_line!(
                "{}",
                json!({"engine": self.engine, "size": what, "bytes": bytes})
            );
        }
        self.rows.push(Row {
            engine: self.engine.clone(),
            what: what.to_owned(),
            amount: format!("{} bytes", grouped(bytes)),
            rate: String::new(),
        });
    }

    /// A bar for `total` steps, shown only where someone looks.
    pub fn progress(&self, total: u64, message: &'static str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg:>12} {wide_bar} {pos}/{len} {eta:>4}");
        let bar = ProgressBar::new(total).with_message(message);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    /// The table of everything noted.
    pub fn table(&self) {
        if self.json {
            return;
        }
        let width =
            |of: fn(&Row) -> &str| self.rows.iter().map(|row| of(row).len()).max().unwrap_or(0);
        let what = width(|row| &row.what);
        let (amount, rate) = (width(|row| &row.amount), width(|row| &row.rate));
        let engine = width(|row| &row.engine);
        print_line!("\n{}", "-".repeat(engine + what + amount + rate + 6));
        for row in &self.rows {
            print_line!(
                "{:<engine$}  {:<what$}  {:>amount$}  {:>rate$}",
                row.engine,
                row.what,
                row.amount,
                row.rate
            );
        }
        print_line!("{}", "-".repeat(engine + what + amount + rate + 6));
    }
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A rate with three digits and a unit.
fn short(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.0} k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
