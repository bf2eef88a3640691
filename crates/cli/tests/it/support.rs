//! Running the program and reading what it printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.args(args).stdin(Stdio::null());
    command
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            // A signal, as a panic that aborts would send, has no code.
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub fn run(args: &[&str]) -> Run {
    let run = Run::from(command(args).output().unwrap());
    assert!(!run.err.contains("panicked"), "{args:?}: {}", run.err);
    run
}

/// Runs what must succeed and answers its output.
pub fn ok(args: &[&str]) -> String {
    let run = run(args);
    assert_eq!(run.code, 0, "{args:?}: {}", run.err);
    run.out
}

/// Every line of what must succeed, as JSON.
pub fn json(args: &[&str]) -> Vec<serde_json::Value> {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let out = ok(&args);
    out.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

pub fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(name).to_str().unwrap().to_owned()
}

pub const FIXTURES: [&str; 8] = [
    "etcd-member.db",
    "etcd-snapshot.db",
    "nested.db",
    "nofreelistsync.db",
    "page16k.db",
    "page1k.db",
    "page8k.db",
    "plain.db",
];

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}
