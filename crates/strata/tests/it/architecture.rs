//! The crates' real dependency arrows against the table in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// What a crate uses, and what its tests and examples use beyond that.
type Arrows = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn words(cell: &str) -> BTreeSet<String> {
    cell.split_whitespace().map(str::to_owned).collect()
}

/// The rows of the table under the heading `## Arrows`.
fn documented() -> Arrows {
    let text = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Arrows"))
        .unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        (cells[0].to_owned(), (words(cells[1]), words(cells[2])))
    })
    .collect()
}

/// The workspace's own dependencies, as cargo knows them.
fn real() -> Arrows {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name_of = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name_of).collect();
    let mut arrows = Arrows::new();
    for package in packages {
        let (uses, dev) = arrows.entry(name_of(package)).or_default();
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = name_of(dependency);
            if !members.contains(&name) {
                continue;
            }
            let group = if dependency["kind"] == "dev" {
                &mut *dev
            } else {
                &mut *uses
            };
            group.insert(name);
        }
        *dev = dev.difference(uses).cloned().collect();
    }
    arrows
}

#[test]
fn the_arrows_are_those_of_the_table() {
    assert_eq!(real(), documented());
}

#[test]
fn no_arrow_points_up() {
    let arrows = real();
    let mut settled = BTreeSet::new();
    while settled.len() < arrows.len() {
        let ready: Vec<String> = arrows
            .iter()
            .filter(|(name, (uses, _))| !settled.contains(*name) && uses.is_subset(&settled))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(
            !ready.is_empty(),
            "a cycle among the crates not in {settled:?}"
        );
        settled.extend(ready);
    }
}
