//! Commits that nobody waits for.

use std::sync::Arc;
use std::thread::JoinHandle;

use kv_api::{Durability, Error, Result};

use crate::commit_queue::{Commit, Tell};
use crate::counters::Counters;
use crate::id::Sequence;
use crate::shared::Shared;
use crate::transaction::Transaction;

/// Calls its function exactly once: when it is told, or that the store was closed when it is lost.
struct Promise<F: FnOnce(Result<Sequence>)>(Option<F>);

impl<F: FnOnce(Result<Sequence>)> Promise<F> {
    fn keep(mut self, outcome: Result<Sequence>) {
        if let Some(tell) = self.0.take() {
            tell(outcome);
        }
    }
}

impl<F: FnOnce(Result<Sequence>)> Drop for Promise<F> {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(Error::Closed));
        }
    }
}

impl Transaction {
    /// Commits without waiting: returns as soon as the commit has its place in the order of
    /// commits, and has `then` called once it has ended, with its version or with what kept it
    /// from committing. By then it is as durable as asked for, and visible.
    ///
    /// `then` is called exactly once, whatever happens: also for a conflict, after a failed write,
    /// and where the store is closed or dropped, which waits for all commits on their way and for
    /// their callbacks. All callbacks of a store are called by one thread of its own, one after
    /// the other, in the order of the commits; one that takes long holds up those behind it, and
    /// no commit. It may use the store, which is open unless a callback has closed it, and commit. One that panics is counted in
    /// [`background_failures`](crate::Metrics::background_failures) and ends nothing else. A
    /// transaction that changes nothing takes no place in the order.
    ///
    /// Whoever commits so is held back like everyone where the store is behind with its work, and
    /// besides while 1,024 commits, or as many bytes as a memtable takes, are on their way or
    /// their callbacks have not come back. A commit that gets no place, because the store is
    /// closed, poisoned or read only, has `then` called before this returns.
    ///
    /// [`set_commit_index`](kv_api::capability::SetCommitIndex::set_commit_index) chooses a version
    /// before.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use std::sync::mpsc::channel;
    /// use kv_api::{Durability, Space, Store, Transaction};
    ///
    /// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
    /// let (sender, ended) = channel();
    /// for number in 0..100_u8 {
    ///     let mut tx = db.begin()?;
    ///     tx.put(Space::DEFAULT, &[number], b"one of many on their way")?;
    ///     let sender = sender.clone();
    ///     tx.commit_then(Durability::Sync, move |outcome| {
    ///         sender.send(outcome.map(|version| (number, version))).ok();
    ///     });
    /// }
    /// drop(sender);
    /// for (wanted, outcome) in (0..100).zip(ended) {
    ///     assert_eq!(outcome?.0, wanted, "in the order of the commits");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit_then(
        mut self,
        durability: Durability,
        then: impl FnOnce(Result<Sequence>) + Send + 'static,
    ) {
        let commit = self.take_commit(durability);
        let shared = Arc::clone(self.shared());
        let told = move |outcome| {
            // What it read need not be remembered any longer.
            drop(self);
            then(outcome);
        };
        shared.commit_later(commit, told);
    }
}

impl Shared {
    fn commit_later(
        self: &Arc<Shared>,
        commit: Commit,
        then: impl FnOnce(Result<Sequence>) + Send + 'static,
    ) {
        let bytes = commit.writes.bytes();
        if let Err(error) = self.admit_later(bytes) {
            return then(Err(error));
        }
        let shared = Arc::clone(self);
        if commit.writes.is_empty() {
            let call = move || then(shared.commit(commit));
            return self.callbacks.tell(bytes, Box::new(call));
        }
        let promise = Promise(Some(move |outcome| {
            let call = move || then(outcome);
            shared.callbacks.tell(bytes, Box::new(call));
        }));
        let tell: Tell = Box::new(move |outcome| promise.keep(outcome));
        self.queue.put(Box::new(commit), tell);
    }

    /// A place for a commit of so many bytes that nobody waits for.
    fn admit_later(self: &Arc<Shared>, bytes: u64) -> Result<()> {
        self.refuse_closed()?;
        self.refuse_read_only()?;
        self.refuse_poisoned()?;
        self.callbacks.start(|| self.callback_threads())?;
        self.stall()?;
        let bytes_max = self.options.memtable_bytes as u64;
        self.callbacks.take_in(bytes, bytes_max)
    }

    /// Puts a commit of changes in the line and returns. `tell` is called once, when it has ended,
    /// by whoever wrote it, so it must be quick; not at all where there was no place for the commit.
    pub fn commit_for_batch(
        self: &Arc<Shared>,
        commit: Commit,
        tell: impl FnOnce(Result<Sequence>) + Send + 'static,
    ) -> Result<()> {
        let bytes = commit.writes.bytes();
        self.admit_later(bytes)?;
        let shared = Arc::clone(self);
        let promise = Promise(Some(move |outcome| {
            tell(outcome);
            shared.callbacks.release(bytes);
        }));
        let tell: Tell = Box::new(move |outcome| promise.keep(outcome));
        self.queue.put(Box::new(commit), tell);
        Ok(())
    }

    /// The thread that writes what nobody waits for, and the one that tells of it.
    fn callback_threads(self: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>> {
        let spawn = |name: &str, run: fn(&Shared)| {
            let shared = Arc::clone(self);
            let builder = std::thread::Builder::new().name(name.to_owned());
            let spawned = builder.spawn(move || run(&shared));
            spawned.map_err(|error| Error::io("making a thread", error))
        };
        let writer = spawn("lsm-commit", Shared::write_for_others)?;
        // Without the other one it ends with the store, and whoever asks next makes another.
        Ok(vec![
            writer,
            spawn("lsm-callback", Shared::tell_until_over)?,
        ])
    }

    fn write_for_others(&self) {
        let after = || {
            if !self.options.background {
                // A failure is told there, and is none of the commits'.
                self.tidy_now();
            }
        };
        self.queue
            .lead_for_others(|group| self.commit_group(group), after);
    }

    fn tell_until_over(&self) {
        self.callbacks.call_until_over(|| {
            Counters::add(&self.counters.background_failures, 1);
            tracing::error!("a commit's callback panicked");
        });
    }

    /// Waits for commits that nobody waits for, and takes no more of them.
    pub fn end_later_commits(&self) {
        self.callbacks.close();
    }

    /// Ends the threads of commits that nobody waits for, once all was told.
    pub fn end_callbacks(&self) {
        self.queue.end();
        self.callbacks.end();
    }
}
