//! What two processes do to each other: this test binary runs itself a second time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use txn::{Db, ErrorKind, Options};

use crate::support::{Scratch, assert_clean, assert_kind};

const ROLE: &str = "STRATA_TEST_ROLE";
const FILE: &str = "STRATA_TEST_FILE";

/// The second process. Does what its role says, says so, and waits until it is told to go on.
#[test]
#[ignore = "the second process of other tests"]
fn the_second_process() {
    let path = std::env::var(FILE).unwrap();
    let options = Options::new().lock_timeout(Duration::ZERO);
    let role = std::env::var(ROLE).unwrap();
    let db = options.read_only(role == "read").open(path).unwrap();
    match role.as_str() {
        "read" => assert!(db.snapshot().unwrap().bucket("data").is_ok()),
        "write" => {}
        "die" => {
            db.update(|tx| tx.create_bucket("last words").map(drop))
                .unwrap();
            let _open = db.begin().unwrap();
            std::process::abort();
        }
        other => panic!("no role {other}"),
    }
    std::io::stdout().write_all(b"\nready\n").unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn spawn(role: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "second_process::the_second_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(ROLE, role)
        .env(FILE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A second process that has the file open in this role.
fn second(role: &str, path: &Path) -> Child {
    let mut child = spawn(role, path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap() == "ready"),
        "the second process failed"
    );
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn used() -> Scratch {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("data")?.put("key", "value"))
        .unwrap();
    db.close().unwrap();
    scratch
}

#[test]
fn a_file_that_another_process_writes_is_locked_after_the_timeout() {
    let scratch = used();
    let child = second("write", &scratch.path);
    for read_only in [false, true] {
        let began = Instant::now();
        let options = Options::new().lock_timeout(Duration::from_millis(300));
        let refused = options.read_only(read_only).open(&scratch.path);
        assert_kind(refused, ErrorKind::Locked);
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(200), "{waited:?}");
    }
    // A refused opening gives up its claim: the next one asks the lock again.
    let once = Options::new()
        .lock_timeout(Duration::from_millis(50))
        .open(&scratch.path);
    match once {
        Err(kv_api::Error::Locked { waited_ms, path }) => {
            assert_eq!(path, scratch.path);
            assert!(waited_ms < 50, "one try");
        }
        other => panic!("{other:?}"),
    }
    end(child);
    drop(
        Options::new()
            .lock_timeout(Duration::from_secs(5))
            .open(&scratch.path)
            .unwrap(),
    );
}

#[test]
fn an_opening_waits_until_the_lock_is_free() {
    let scratch = used();
    let child = second("write", &scratch.path);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Db::open(&scratch.path));
        std::thread::sleep(Duration::from_millis(150));
        assert!(!waiting.is_finished());
        end(child);
        let db = waiting.join().unwrap().unwrap();
        assert_clean(&db);
    });
}

#[test]
fn processes_share_a_file_for_reading_and_keep_writers_out() {
    let scratch = used();
    let child = second("read", &scratch.path);
    let db = Options::new().read_only(true).open(&scratch.path).unwrap();
    assert!(db.snapshot().unwrap().bucket("data").is_ok());
    drop(db);
    let writer = Options::new()
        .lock_timeout(Duration::ZERO)
        .open(&scratch.path);
    assert_kind(writer, ErrorKind::Locked);
    end(child);
}

#[test]
fn a_snapshot_keeps_the_lock_that_its_closed_database_had() {
    let scratch = used();
    let db = scratch.open();
    let snapshot = db.snapshot().unwrap();
    db.close().unwrap();
    drop(db);
    let mut refused = spawn("write", &scratch.path);
    assert!(!refused.wait().unwrap().success());
    drop(snapshot);
    end(second("write", &scratch.path));
}

#[test]
fn a_commit_survives_the_death_of_its_process() {
    let scratch = used();
    let mut child = spawn("die", &scratch.path);
    assert!(!child.wait().unwrap().success());
    let db = scratch.open();
    assert!(db.snapshot().unwrap().bucket("last words").is_ok());
    assert_clean(&db);
}
