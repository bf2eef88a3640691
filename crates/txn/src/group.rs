//! Group commit by baton: the open transaction passes from waiter to waiter.
//!
//! Whoever finds no one at work begins a transaction and runs its closure. While others wait, it
//! hands the open transaction to the next instead of committing; the last commits for all. Each
//! closure runs once, on its own thread, so it may borrow; one that fails or panics is undone
//! alone, because it works behind a savepoint. There is no timer: a group is whoever came while
//! the group before was being committed, and whoever comes back from it at once.
//!
//! Invariant: every member of a group is told its outcome once, by the member that commits; if that
//! member dies before, dropping the baton tells that nothing was committed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use kv_api::{Durability, Result};

use crate::db::Db;
use crate::group_queue::{Baton, Teller, Turn};
use crate::transaction::{Transaction, run_handlers};

/// A savepoint copies the list of changed nodes, so a group that has changed many is closed.
const NODES_MAX: usize = 4096;

impl Db {
    /// Runs `write` once, in a transaction shared with the threads that call this at the same
    /// time, and returns when it is durable: one transaction number and one meta for all.
    ///
    /// An error or a panic undoes this closure's changes alone. Unlike with
    /// [`batch`](Db::batch), nothing waits for a timer and nothing runs twice, so `write` may
    /// borrow and have effects. It sees what earlier members of its group have written. Handlers
    /// given to [`Transaction::on_commit`] run on the thread of the member that commits for all.
    ///
    /// ```
    /// # fn main() -> txn::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let db = txn::Db::open(directory.path().join("my.db"))?;
    /// # db.update(|tx| tx.create_bucket("hits").map(drop))?;
    /// std::thread::scope(|scope| {
    ///     for page in ["home", "about", "news"] {
    ///         let db = &db;
    ///         scope.spawn(move || db.update_grouped(|tx| tx.bucket("hits")?.put(page, "1")));
    ///     }
    /// });
    /// # db.view(|tx| { assert_eq!(tx.bucket("hits")?.range(..).count(), 3); Ok(()) })
    /// # }
    /// ```
    pub fn update_grouped<T>(
        &self,
        write: impl FnOnce(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let group = &*self.group;
        let mut baton = match group.take_turn() {
            Turn::Baton(baton) => baton,
            Turn::Begin => {
                let ending = group.ending();
                let transaction = self.begin()?;
                std::mem::forget(ending);
                Box::new(Baton {
                    transaction,
                    members: 0,
                    teller: Teller::default(),
                })
            }
        };
        let savepoint = baton.transaction.savepoint();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let value = write(&mut baton.transaction)?;
            // Damage that this closure met and passed over must not fail the others.
            baton.transaction.refuse_spoiled().map(|()| value)
        }));
        if !matches!(ran, Ok(Ok(_))) {
            baton.transaction.return_to(savepoint);
            let others = baton.members;
            self.end_turn(baton, others);
            return match ran {
                Ok(failed) => failed,
                Err(panic) => resume_unwind(panic),
            };
        }
        let others = baton.members;
        baton.members += 1;
        let outcome = baton.teller.outcome();
        let committed = self.end_turn(baton, others);
        let told = outcome.wait();
        if !committed {
            group.returned();
        }
        told?;
        match ran {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Passes the baton on, or commits for all, of whom `others` wait; answers whether it
    /// committed.
    fn end_turn(&self, baton: Box<Baton>, others: usize) -> bool {
        let group = &*self.group;
        let full = baton.transaction.nodes_in_memory() > NODES_MAX;
        let kept = if full { Some(baton) } else { group.pass(baton) };
        let Some(baton) = kept else { return false };
        let ending = group.committing(others);
        let Baton {
            transaction,
            members,
            teller,
        } = *baton;
        let committed = if members == 0 {
            drop(transaction);
            Ok(Vec::new())
        } else {
            transaction.finish(Durability::Sync)
        };
        // Before the handlers run, because they may wait for a group of their own.
        drop(ending);
        let (result, handlers) = match committed {
            Ok(handlers) => (Ok(()), handlers),
            Err(error) => (Err(error), Vec::new()),
        };
        let ran = run_handlers(handlers);
        teller.tell(result);
        if let Err(panic) = ran {
            resume_unwind(panic);
        }
        true
    }
}
