//! The first lines of code that a newcomer sees.

use std::process::Command;

#[path = "../../examples/first_screen.rs"]
#[allow(dead_code, reason = "`main` is called by its path")]
mod example;

#[test]
fn the_readme_shows_the_example() {
    let (readme, example) = (
        include_str!("../../../../README.md"),
        include_str!("../../examples/first_screen.rs"),
    );
    let (_, lines) = example.split_once("\n\n").unwrap();
    let public = "/// Public for the test that runs it.\npub fn main";
    let lines = lines.replace(public, "fn main");
    assert!(readme.contains(&format!("```rust,no_run\n{lines}```")));
}

/// Run by the test below, in a directory of its own.
#[test]
#[ignore = "leaves a file where it runs"]
fn in_this_directory() {
    example::main().unwrap();
}

#[test]
fn the_example_runs_and_runs_again() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "first_screen::in_this_directory", "--ignored"])
            .current_dir(&directory)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success() && told.contains("1 passed"), "{told}");
    }
    assert!(directory.path().join("my.db").is_file());
}
