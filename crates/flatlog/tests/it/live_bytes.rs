//! Live bytes where spaces come and go and transactions read.

use flatlog::{Db, Options};
use kv_api::{Reader as _, Transaction as _};

use crate::support::{assert_sound, fresh};

/// Live bytes of each segment.
fn live(db: &Db) -> Vec<u64> {
    let segments = db.statistics().unwrap().segments;
    segments.iter().map(|segment| segment.live_bytes).collect()
}

/// Sum, kind, space, key length, name.
const NAMED: u64 = 4 + 1 + 1 + 1 + 4;
/// The same with a length of the value, and with key and value.
const PAIR: u64 = 4 + 1 + 1 + 1 + 1 + 3 + 10;

#[test]
fn a_space_that_goes_takes_its_own_live_bytes_with_it_and_no_others() {
    let (_directory, path) = fresh();
    let open = || Options::new().background(false).open(&path).unwrap();
    let db = open();
    assert_eq!(live(&db), [0]);
    db.update(|tx| tx.create_space(b"gone").map(drop)).unwrap();
    assert_eq!(live(&db), [NAMED]);
    let fill = |tx: &mut flatlog::Transaction, name: &[u8], count: u32| {
        let space = tx.create_space(name)?;
        (0..count).try_for_each(|n| tx.put_in(space, (100 + n).to_string(), [7; 10]))
    };
    db.update(|tx| fill(tx, b"gone", 40)).unwrap();
    db.update(|tx| fill(tx, b"kept", 30)).unwrap();
    assert_eq!(live(&db), [2 * NAMED + 70 * PAIR]);
    db.update(|tx| tx.drop_space(b"gone").map(drop)).unwrap();
    let left = NAMED + 30 * PAIR;
    assert_eq!(live(&db), [left]);
    drop(db);
    let db = open();
    assert_eq!(live(&db), [left], "played again");
    db.checkpoint().unwrap();
    drop(db);
    let db = open();
    assert_eq!(db.recovery().replayed_commits, 0);
    assert_eq!(live(&db), [left], "from a checkpoint");
    db.compact().unwrap();
    assert_eq!(live(&db), [left, 0]);
    db.update(|tx| tx.drop_space(b"kept").map(drop)).unwrap();
    assert_eq!(live(&db), [0, 0]);
    assert_sound(&db);
}

#[test]
fn a_transaction_that_reads_what_it_writes_counts_once_if_it_commits_and_never_if_not() {
    let (_directory, path) = fresh();
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| (0..50).try_for_each(|n| tx.put((100 + n).to_string(), [7; 10])))
        .unwrap();
    // Without a space of its own.
    let each = PAIR - 1;
    assert_eq!(live(&db), [50 * each]);
    for commits in [false, true] {
        let mut tx = db.begin().unwrap();
        assert!(tx.get("100").unwrap().is_some());
        tx.put("100", [8; 10]).unwrap();
        tx.delete("101").unwrap();
        tx.put("500", [8; 10]).unwrap();
        let space = tx.create_space(b"gone").unwrap();
        tx.put_in(space, "100", [8; 10]).unwrap();
        assert_eq!(tx.space_names().unwrap().len(), 1);
        tx.drop_space(b"gone").unwrap();
        tx.delete_range(&b"110"[..]..&b"120"[..]).unwrap();
        assert!(tx.get("500").unwrap().is_some());
        if commits {
            tx.commit().unwrap();
        }
        let left = if commits { 40 } else { 50 };
        assert_eq!(live(&db), [left * each], "{commits}");
    }
    assert_sound(&db);
}
