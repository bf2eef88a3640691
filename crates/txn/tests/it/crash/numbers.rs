//! A sync between a transaction's beginning, when it takes its number, and its commit.

use crash_kit::{Action, Call, Fault, Survivors};
use kv_api::{Durability, Outcome};
use txn::Transaction;

use super::stage::{EIO, Stage, count, keys, open, put_with};

/// A transaction whose number belongs to the slot that holds the durable meta by now.
fn overtaken(stage: &Stage) -> Transaction {
    put_with(&stage.db, "deferred", 100, Durability::Deferred).unwrap();
    let mut tx = stage.db.begin().unwrap();
    tx.bucket("bucket").unwrap().put("late", "value").unwrap();
    stage.db.sync().unwrap();
    tx
}

#[test]
fn a_torn_meta_never_takes_the_place_of_the_durable_one() {
    let stage = Stage::new();
    let tx = overtaken(&stage);
    let writes = count(&stage.disk, Call::Write, || tx.commit().unwrap());
    assert_eq!(keys(&stage.db), ["acked", "deferred", "late"]);
    for struck in 1..=writes {
        let stage = Stage::new();
        let tx = overtaken(&stage);
        // Forty bytes of it, the magic and some more, and then no further.
        let torn = Fault::once(Call::Write, struck, Action::Short(40));
        let ended = Fault::once(Call::Write, struck + 1, Action::Fail(EIO));
        stage.arm(&[torn, ended]);
        let refused = tx.commit().unwrap_err();
        stage.disk.disarm();
        for survivors in [Survivors::Synced, Survivors::Everything] {
            let shown = keys(&open(&stage.disk.after_crash(survivors)));
            assert_eq!(shown, ["acked", "deferred"], "write {struck}: {refused}");
        }
        let last = struck == writes;
        assert_eq!(refused.outcome() == Outcome::InDoubt, last, "{refused}");
    }
}
