//! The table of failures in `docs/durability.md`, a test for each row.

use crash_kit::{Action, Call, Fault};
use kv_api::{Durability, Outcome};
use txn::{ErrorKind, FreelistStorage};

use super::stage::{
    ALL, EINTR, EIO, FULL, Refusal, Stage, after_power_cut, count, keys, open, options, put,
    put_with,
};
use super::subject::PATH;

/// So much that the file must grow.
const GROWING: usize = 40_000;
/// So little that it need not.
const FITTING: usize = 2_000;

fn nth(call: Call, nth: u64, errno: i32) -> Fault {
    Fault::once(call, nth, Action::Fail(errno))
}

/// How many writes a commit that fits makes; the last one is the meta's.
fn writes_per_commit() -> u64 {
    let stage = Stage::new();
    count(&stage.disk, Call::Write, || {
        put(&stage.db, "refused").unwrap()
    })
}

// Refusals for space.

#[test]
fn a_file_that_has_no_room_to_grow_refuses_the_commit_and_the_handle_lives() {
    for errno in FULL {
        let fault = nth(Call::SetLen, 1, errno);
        Stage::new().refuses(GROWING, &[fault], Refusal::NO_SPACE);
    }
}

#[test]
fn a_page_write_without_room_refuses_the_commit_and_the_handle_lives() {
    for errno in FULL {
        for bytes in [FITTING, GROWING] {
            Stage::new().refuses(bytes, &[nth(Call::Write, 1, errno)], Refusal::NO_SPACE);
        }
    }
}

#[test]
fn a_page_write_that_falls_short_for_want_of_room_refuses_the_commit_and_the_handle_lives() {
    for kept in [1, 512, 1_500] {
        let short = Fault::once(Call::Write, 1, Action::Short(kept));
        // Each fault counts every write, struck by the other or not.
        let full = nth(Call::Write, 2, FULL[0]);
        Stage::new().refuses(FITTING, &[short, full], Refusal::NO_SPACE);
    }
}

#[test]
fn a_size_limit_refuses_the_commit_and_the_handle_lives() {
    let Stage { disk, db } = Stage::new();
    drop(db);
    let db = options(&disk).file_bytes_max(40_000).open(PATH).unwrap();
    Stage { disk, db }.refuses(GROWING, &[], Refusal::NO_SPACE);
}

#[test]
fn a_large_commit_that_finds_no_room_half_way_refuses_and_the_handle_lives() {
    // Images go out at every 8 MiB, while the tree is still being written.
    let stage = Stage::new();
    stage.disk.arm(nth(Call::Write, 2, FULL[0]));
    let mut tx = stage.db.begin().unwrap();
    let mut bucket = tx.bucket("bucket").unwrap();
    for number in 0..20_u8 {
        bucket.put([b'x', number], vec![number; 1 << 20]).unwrap();
    }
    let error = tx.commit().unwrap_err();
    assert_eq!(
        (error.outcome(), error.kind()),
        (Outcome::NotCommitted, ErrorKind::NoSpace)
    );
    put(&stage.db, "next").unwrap();
    assert_eq!(keys(&after_power_cut(&stage.disk)), ["acked", "next"]);
}

// Failures that pass.

#[test]
fn a_mapping_that_fails_refuses_the_commit_and_the_handle_lives() {
    for errno in [EIO, 12] {
        Stage::new().refuses(GROWING, &[nth(Call::Map, 1, errno)], Refusal::PASSING);
    }
}

#[test]
fn a_short_or_interrupted_write_is_completed_and_never_seen() {
    for action in [Action::Short(7), Action::Short(512)] {
        let stage = Stage::new();
        stage.disk.arm(Fault::from(Call::Write, 1, action));
        put(&stage.db, "whole").unwrap();
        assert_eq!(keys(&after_power_cut(&stage.disk)), ["acked", "whole"]);
    }
    for number in 1..=writes_per_commit() {
        let stage = Stage::new();
        stage.disk.arm(nth(Call::Write, number, EINTR));
        put(&stage.db, "whole").unwrap();
        assert_eq!(keys(&after_power_cut(&stage.disk)), ["acked", "whole"]);
    }
}

#[test]
fn a_failed_read_is_that_readers_error_and_no_one_elses() {
    let Stage { disk, db } = Stage::new();
    drop(db);
    let db = options(&disk).open_untrusted(PATH).unwrap();
    disk.arm(nth(Call::Read, 1, EIO));
    let read = |db: &txn::Db| db.view(|tx| Ok(tx.bucket("bucket")?.get("acked")?.is_some()));
    assert_eq!(read(&db).unwrap_err().kind(), ErrorKind::Io);
    assert!(read(&db).unwrap());
}

// Failures that stop the handle.

#[test]
fn a_failed_page_write_refuses_the_commit_and_stops_the_handle() {
    for bytes in [FITTING, GROWING] {
        Stage::new().refuses(bytes, &[nth(Call::Write, 1, EIO)], Refusal::STOPPED);
    }
}

#[test]
fn a_growth_that_fails_but_for_space_refuses_the_commit_and_stops_the_handle() {
    Stage::new().refuses(GROWING, &[nth(Call::SetLen, 1, EIO)], Refusal::STOPPED);
}

#[test]
fn a_failed_sync_of_the_length_refuses_the_commit_and_stops_the_handle() {
    for errno in ALL {
        Stage::new().refuses(GROWING, &[nth(Call::SyncAll, 1, errno)], Refusal::STOPPED);
    }
}

#[test]
fn a_failed_sync_of_the_pages_refuses_the_commit_and_stops_the_handle() {
    for errno in ALL {
        for action in [Action::Fail(errno), Action::FailAndRevert(errno)] {
            for bytes in [FITTING, GROWING] {
                let fault = Fault::once(Call::SyncData, 1, action);
                Stage::new().refuses(bytes, &[fault], Refusal::STOPPED);
            }
        }
    }
}

#[test]
fn a_large_commit_whose_growth_cannot_be_synced_half_way_stops_the_handle() {
    let stage = Stage::new();
    stage.disk.arm(nth(Call::SyncAll, 1, FULL[0]));
    let mut tx = stage.db.begin().unwrap();
    let mut bucket = tx.bucket("bucket").unwrap();
    for number in 0..10_u8 {
        bucket.put([b'x', number], vec![number; 1 << 20]).unwrap();
    }
    let error = tx.commit().unwrap_err();
    assert_eq!(
        (error.outcome(), error.kind()),
        (Outcome::NotCommitted, ErrorKind::Io)
    );
    assert_eq!(stage.db.begin().unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn a_failed_write_of_the_meta_leaves_the_commit_in_doubt_and_stops_the_handle() {
    // Interrupted writes are tried again, so they are not among these.
    for errno in [EIO].into_iter().chain(FULL) {
        let fault = nth(Call::Write, writes_per_commit(), errno);
        Stage::new().refuses(FITTING, &[fault], Refusal::IN_DOUBT);
    }
}

#[test]
fn a_failed_sync_of_the_meta_leaves_the_commit_in_doubt_and_stops_the_handle() {
    for errno in ALL {
        for action in [Action::Fail(errno), Action::FailAndRevert(errno)] {
            let fault = Fault::once(Call::SyncData, 2, action);
            Stage::new().refuses(FITTING, &[fault], Refusal::IN_DOUBT);
        }
    }
}

#[test]
fn reopening_decides_what_was_in_doubt_and_sync_makes_the_decision_durable() {
    for (action, decided) in [
        (Action::Fail(EIO), vec!["acked", "doubtful"]),
        (Action::FailAndRevert(EIO), vec!["acked"]),
    ] {
        let Stage { disk, db } = Stage::new();
        disk.arm(Fault::once(Call::SyncData, 2, action));
        assert_eq!(
            put(&db, "doubtful").unwrap_err().outcome(),
            Outcome::InDoubt
        );
        drop(db);
        let db = open(&disk);
        assert_eq!(keys(&db), decided);
        // What was shown stood in the cache alone until now.
        assert_eq!(keys(&after_power_cut(&disk)), ["acked"]);
        db.sync().unwrap();
        assert_eq!(keys(&after_power_cut(&disk)), decided);
    }
}

#[test]
fn a_failure_before_the_first_write_after_opening_refuses_the_commit_and_stops_the_handle() {
    for errno in ALL {
        for call in [Call::SyncAll, Call::SyncDirectory] {
            Stage::reopened().refuses(FITTING, &[nth(call, 1, errno)], Refusal::STOPPED);
        }
    }
    for errno in [EIO].into_iter().chain(FULL) {
        let meta = nth(Call::Write, 1, errno);
        Stage::reopened().refuses(FITTING, &[meta], Refusal::STOPPED);
    }
}

// Deferred commits, sync and close.

#[test]
fn deferred_commits_whose_sync_fails_stay_visible_and_a_power_cut_takes_them_whole() {
    for (number, outcome) in [(1, Outcome::NotCommitted), (2, Outcome::InDoubt)] {
        let Stage { disk, db } = Stage::new();
        for key in ["d1", "d2"] {
            put_with(&db, key, FITTING, Durability::Deferred).unwrap();
        }
        disk.arm(nth(Call::SyncData, number, EIO));
        assert_eq!(db.sync().unwrap_err().outcome(), outcome);
        assert_eq!(keys(&db), ["acked", "d1", "d2"]);
        assert_eq!(db.begin().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(keys(&after_power_cut(&disk)), ["acked"]);
    }
}

#[test]
fn a_failed_deferred_commit_leaves_the_deferred_ones_before_it() {
    let Stage { disk, db } = Stage::new();
    put_with(&db, "d1", FITTING, Durability::Deferred).unwrap();
    disk.arm(nth(Call::Write, 1, FULL[0]));
    let refused = put_with(&db, "d2", FITTING, Durability::Deferred);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoSpace);
    put_with(&db, "d3", FITTING, Durability::Deferred).unwrap();
    assert_eq!(keys(&after_power_cut(&disk)), ["acked"]);
    db.sync().unwrap();
    assert_eq!(keys(&after_power_cut(&disk)), ["acked", "d1", "d3"]);
}

#[test]
fn a_close_that_fails_says_so_and_lets_go_of_the_file() {
    for number in [1, 2] {
        let Stage { disk, db } = Stage::new();
        put_with(&db, "deferred", FITTING, Durability::Deferred).unwrap();
        disk.arm(nth(Call::SyncData, number, EIO));
        assert!(db.close().is_err());
        assert_eq!(db.begin().unwrap_err().kind(), ErrorKind::Closed);
        let shown = keys(&open(&disk));
        assert!(shown == ["acked"] || (number == 2 && shown == ["acked", "deferred"]));
    }
}

#[test]
fn a_close_without_room_for_the_list_of_free_pages_is_no_failure() {
    let Stage { disk, db } = Stage::new();
    put_with(&db, "deferred", FITTING, Durability::Deferred).unwrap();
    db.sync().unwrap();
    assert_eq!(
        db.info().unwrap().freelist_page,
        None,
        "there is a list to store"
    );
    disk.arm(nth(Call::Write, 1, FULL[0]));
    db.close().unwrap();
    assert_eq!(keys(&after_power_cut(&disk)), ["acked", "deferred"]);
}

#[test]
fn a_close_that_committed_nothing_touches_nothing() {
    let Stage { disk, db } = Stage::reopened();
    let changes = count(&disk, Call::AnyChange, || db.close().unwrap());
    assert_eq!(changes, 0);
    let db = options(&disk)
        .freelist(FreelistStorage::Always)
        .open(PATH)
        .unwrap();
    assert_eq!(keys(&db), ["acked"]);
}
