//! From a run over its report to plots and table, with few keys and bolt alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn bench(arguments: &[&str], directory: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    output
}

#[test]
fn a_run_prints_a_line_for_each_figure_and_makes_plots_and_table_of_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let few = [
        "--keys",
        "2000",
        "--seconds",
        "0.02",
        "--rounds",
        "2",
        "--accept-noise",
    ];
    let mut run = vec!["run", "--engine", "bolt", "--peers", "bolt"];
    run.extend(few);
    run.extend([
        "--workloads",
        "W1,W2,W3,W4,W5,W5t,W6,W7,W8,W9,W10,W11,W12,W13,W15,W17,W18",
    ]);
    let output = bench(&run, directory.path());

    let lines = String::from_utf8(output.stdout).unwrap();
    for figure in [
        "W1",
        "W5-2",
        "W8-back",
        "W10-compacted",
        "W11-4k-read",
        "W12-E-2",
        "W13",
    ] {
        let start = format!("bench workload={figure} engine=bolt rate=");
        let line = lines.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no line of {figure} in {lines}"));
        for part in [" peer=bolt peer_rate=", " ratio=", " spread=", " rounds=2"] {
            assert!(line.contains(part), "{line}");
        }
    }

    let page = directory.path().join("page.md");
    fs::write(
        &page,
        "# Page\n<!-- bench: begin bolt -->\n<!-- bench: end -->\nrest\n",
    )
    .unwrap();
    let plot = [
        "plot",
        "--page",
        "page.md",
        "--plots",
        "plots",
        "target/bench/report.json",
    ];
    bench(&plot, directory.path());
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("| W10-compacted | – | "), "{page}");
    assert!(page.ends_with("<!-- bench: end -->\nrest\n"), "{page}");
    for plot in ["bolt-over-bolt.svg", "bolt-growth-read.svg"] {
        let svg = fs::read_to_string(directory.path().join("plots").join(plot)).unwrap();
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }
    let left = fs::read_dir(directory.path().join("target/bench")).unwrap();
    assert_eq!(left.count(), 1, "only the report is left");
}

#[test]
fn the_flat_engine_runs_its_workloads_searches_and_counts_its_memory() {
    let directory = tempfile::tempdir().unwrap();
    let run = [
        "run",
        "--engine",
        "flat",
        "--keys",
        "2000",
        "--seconds",
        "0.02",
        "--rounds",
        "1",
        "--accept-noise",
        "--minutes",
        "15",
        "--workloads",
        "W1,W2,W4,W5,W7,W8,W9,W10,W12,W13w,W15,W16,W18,W19,S1,S2,S3,S4",
    ];
    let output = bench(&run, directory.path());
    let lines = String::from_utf8(output.stdout).unwrap();
    for figure in [
        "W2",
        "W8-compacted",
        "W10-compacted",
        "W13w",
        "W15",
        "W16-scan",
        "W18-scan-start-20",
        "W18-search-row-20000",
        "W19-memory",
        "W19-open",
        "S1",
        "S2-rows",
        "S3",
        "S4-inside",
    ] {
        let start = format!("bench workload={figure} engine=flat rate=");
        assert!(lines.contains(&start), "no line of {figure} in {lines}");
    }
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(" min left"), "{told}");
}

#[test]
fn what_is_not_built_in_or_no_workload_is_refused_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    for wrong in [["--peers", "nonesuch"], ["--workloads", "W99"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_bench"))
            .arg("run")
            .args(wrong)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(wrong[1]), "{told}");
    }
}
