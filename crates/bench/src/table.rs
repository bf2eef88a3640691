//! The Markdown table of targets, and the section of a page it is written into.

use std::fmt::Write;
use std::path::Path;

use crate::engine::Result;
use crate::figure::workload_of;
use crate::report::{Report, rounded};
use crate::targets::{TARGETS, Target, Verdict};

/// Marks where generated text begins and ends.
const BEGIN: &str = "<!-- bench: begin";
const END: &str = "<!-- bench: end -->";

/// The table of the report's engine, with what the run was.
pub fn table(report: &Report) -> Result<String> {
    let engine = report.engine();
    let mut text = String::new();
    let settings = &report.settings;
    let limit = settings.minutes.map_or_else(String::new, |minutes| {
        format!(" or less, so that all take {minutes} minutes")
    });
    writeln!(
        text,
        "{engine}: {} keys ({}), {} rounds, phases of {} s{}; {}.\n",
        settings.keys, settings.shape, settings.rounds, settings.seconds, limit, report.machine
    )?;
    let versions = report.versions.iter().zip(report.unsynced.values());
    let versions = versions
        .map(|((name, version), class)| format!("{name} {version} (unsynced: {})", class.name()))
        .collect::<Vec<_>>();
    writeln!(text, "{}.\n", versions.join("; "))?;
    if settings.accept_noise {
        let foreign = report.foreign_cores();
        writeln!(
            text,
            "**Noisy run**: others kept {foreign:.1} cores busy in the median phase. Not a result.\n"
        )?;
    }
    writeln!(
        text,
        "| figure | peer | {engine} | peer's | ratio | quartiles | rounds | must | goal | |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|---|")?;
    let ran = |target: &&Target| {
        let workload = workload_of(target.figure);
        settings.workloads.iter().any(|name| name == workload)
    };
    let of_engine = TARGETS.iter().filter(|target| target.engine == engine);
    for target in of_engine.filter(ran) {
        writeln!(text, "{}", row(target, target.judge(report).as_ref()))?;
    }
    Ok(text)
}

/// What the front page tells: a word for each of these figures.
const TOLD: [(&str, &str); 11] = [
    ("W1", "load of a million pairs"),
    ("W2", "durable commits of one"),
    ("W3", "durable commits of 1,000"),
    ("W4", "commits that do not wait"),
    ("W5", "reads"),
    ("W6", "missing keys"),
    ("W7", "ranges of ten"),
    ("W8", "scans"),
    ("W9", "removals"),
    ("W12-A", "YCSB A"),
    ("W15", "8 threads, durable"),
];

/// The table of the front page: how much better than its peers each report's engine is.
pub fn front_table(reports: &[Report]) -> Result<String> {
    let mut text = "| |".to_owned();
    for report in reports {
        write!(text, " {} |", report.engine())?;
    }
    writeln!(text, "\n|---|{}", "---:|".repeat(reports.len()))?;
    for (figure, word) in TOLD {
        write!(text, "| {word} |")?;
        for report in reports {
            let of_report = (report.engine(), figure);
            let mut targets = TARGETS.iter();
            let target = targets.find(|target| (target.engine, target.figure) == of_report);
            let judged = target.and_then(|target| Some((target.peer?, target.judge(report)?)));
            match judged {
                Some((peer, verdict)) => write!(text, " {:.2} × {peer} |", verdict.spread.median)?,
                None => write!(text, " |")?,
            }
        }
        writeln!(text)?;
    }
    Ok(text)
}

fn row(target: &Target, verdict: Option<&Verdict>) -> String {
    let (figure, peer) = (target.figure, target.peer.unwrap_or("–"));
    let Some(verdict) = verdict else {
        return format!(
            "| {figure} | {peer} | – | – | – | – | – | {} | {} | not measured |",
            target.must, target.goal
        );
    };
    let sign = if verdict.less_is_better { "≤ " } else { "" };
    let word = match (verdict.must_holds, verdict.goal_holds) {
        (_, true) => "goal",
        (true, false) => "must",
        (false, false) => "**fails**",
    };
    format!(
        "| {figure} | {peer} | {} | {} | {:.2} | {:.2}–{:.2} | {} | {sign}{} | {sign}{} | {word} |",
        rounded(verdict.rate),
        verdict.peer_rate.map_or_else(|| "–".to_owned(), rounded),
        verdict.spread.median,
        verdict.spread.low,
        verdict.spread.high,
        verdict.rounds,
        target.must,
        target.goal,
    )
}

/// Replaces the section of `page` that is marked for `engine`.
pub fn write_section(page: &Path, engine: &str, section: &str) -> Result<()> {
    let text = std::fs::read_to_string(page)?;
    std::fs::write(page, with_section(&text, engine, section)?)?;
    Ok(())
}

fn with_section(text: &str, engine: &str, section: &str) -> Result<String> {
    let mark = format!("{BEGIN} {engine} -->");
    let (before, rest) = text
        .split_once(&mark)
        .ok_or_else(|| format!("the page has no line {mark}"))?;
    let (_, after) = rest
        .split_once(END)
        .ok_or_else(|| format!("the page has no line {END}"))?;
    Ok(format!("{before}{mark}\n{section}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_section_is_replaced() {
        let page = "a\n<!-- bench: begin bolt -->\nold\n<!-- bench: end -->\nb\n";
        let replaced = with_section(page, "bolt", "new\n").ok();
        let wanted = "a\n<!-- bench: begin bolt -->\nnew\n<!-- bench: end -->\nb\n";
        assert_eq!(replaced.as_deref(), Some(wanted));
        assert!(with_section(page, "flat", "new\n").is_err());
    }
}
