//! Who may touch the file system, and who may make something durable.

use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources of a library, by their paths below `crates`.
fn sources(library: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![crates().join(library).join("src")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(crates())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources of {library}");
    found.sort();
    found
}

/// The sources that contain any of `words` outside comments.
fn users(libraries: &[&str], words: &[&str]) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let uses = |line: &str| words.iter().any(|word| line.contains(word));
    let sources = libraries.iter().flat_map(|library| sources(library));
    let using = sources.filter(|(_, text)| text.lines().filter(code).any(uses));
    using.map(|(name, _)| name).collect()
}

#[test]
fn disk_is_the_only_door_to_the_file_system() {
    let libraries = [
        "kv-api",
        "pager",
        "btree",
        "txn",
        "strata",
        "conformance",
        "crash-kit",
    ];
    let words = [
        "std::fs",
        "fs::File",
        "fs::read",
        "fs::write",
        "File::open(",
        "File::create(",
        "fs::OpenOptions",
        "{fs",
        "std::os::unix::fs",
        "memmap2",
        " nix::",
        " libc",
    ];
    assert_eq!(users(&libraries, &words), [""; 0]);
    assert!(
        !users(&["disk"], &words).is_empty(),
        "the words are those of a door"
    );
}

#[test]
fn only_commits_creations_and_copies_sync() {
    let words = ["sync_data", "sync_all", "sync_directory"];
    let syncing = users(&["kv-api", "pager", "btree", "txn"], &words);
    // The pager passes the word on and the names make one durable for their callers.
    let expected = [
        "pager/src/pager.rs",
        "txn/src/backup.rs",
        "txn/src/commit.rs",
        "txn/src/names.rs",
        "txn/src/open.rs",
    ];
    assert_eq!(syncing, expected);
    let naming = users(&["txn"], &["sync_parent"]);
    let expected = [
        "txn/src/backup.rs",
        "txn/src/commit.rs",
        "txn/src/names.rs",
        "txn/src/open.rs",
    ];
    assert_eq!(naming, expected);
}
