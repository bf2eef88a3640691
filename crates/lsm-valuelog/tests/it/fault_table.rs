//! Tables in `docs` that name tests name tests that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The tests of a file, by their paths as the test runner tells them.
fn tests_of(root: &Path, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let inside = file.strip_prefix(root).unwrap().with_extension("");
    let module = inside.to_str().unwrap().replace('/', "::");
    let module = module.trim_end_matches("::mod");
    let mut tests = Vec::new();
    let mut parts = text.split("#[test]\n");
    let before = parts.next().unwrap_or_default();
    let module = if before.contains("\nmod tests {") {
        format!("{module}::tests")
    } else {
        module.to_owned()
    };
    for part in parts {
        let name = part.split_once("fn ").unwrap().1;
        let name = name.split_once('(').unwrap().0;
        tests.push(format!("{module}::{name}"));
    }
    tests
}

fn all_tests() -> BTreeSet<String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for root in [home.join("src"), home.join("tests/it")] {
        let mut files = Vec::new();
        rust_files(&root, &mut files);
        tests.extend(files.iter().flat_map(|file| tests_of(&root, file)));
    }
    tests
}

/// Rows of the tables in a page of `docs`, their cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells = line.trim_matches('|').split('|');
        rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
    }
    rows
}

/// What stands between backticks and is the path of a test.
fn named(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| name.contains("::") && !name.contains(char::is_uppercase);
    quoted.filter(is_test).collect()
}

#[test]
fn every_fault_and_every_invariant_names_tests_that_are_there() {
    let tests = all_tests();
    assert!(tests.len() > 250, "{tests:?}");
    let rows = rows("lsm-faults.md");
    let mut named_rows = 0;
    for row in rows
        .iter()
        .filter(|row| !row.last().unwrap().starts_with("tests"))
    {
        // Headings have no letter of their own and no name of a test.
        let names: Vec<&str> = row.iter().flat_map(|cell| named(cell)).collect();
        if row
            .iter()
            .any(|cell| cell == "tests" || cell.starts_with("---"))
        {
            continue;
        }
        assert!(!names.is_empty(), "no test: {row:?}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}");
        }
        named_rows += 1;
    }
    // Thirty-one faults of the source, those of users by theme, and eight invariants.
    assert!(named_rows >= 31 + 39 + 8, "{named_rows}");
    let letters = rows.iter().filter(|row| row.len() == 5).count();
    assert_eq!(letters, 31 + 1, "one row for each, and a heading");
}

#[test]
fn what_badger_has_names_tests_that_are_there() {
    let tests = all_tests();
    let mut count = 0;
    for row in rows("badger.md") {
        let proofs = row.last().cloned().unwrap_or_default();
        // Types begin with a capital and calls have brackets: `Stream::threads` is an option.
        let plain = |letter: char| letter.is_ascii_lowercase() || "_:0123456789".contains(letter);
        let is_test = |name: &&str| name.chars().all(plain);
        for name in named(&proofs).into_iter().filter(is_test) {
            assert!(tests.contains(name), "there is no test {name}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}
