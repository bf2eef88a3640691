//! Ascending numbers, each given once.
//!
//! Invariants:
//! * the stored number is above every number given out, and durable before one is;
//! * the lease is moved only once the commit that takes it has succeeded.

use std::sync::{Arc, Mutex};

use kv_api::{Durability, Error, Place, Reader, Result, Space};

use crate::db::Db;
use crate::error::locked;
use crate::shared::Shared;
use crate::transaction::Transaction;

/// Numbers from `next` to `end` may be given out without asking the store.
#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    next: u64,
    end: u64,
}

/// Ascending numbers from 0 on, of which none is given twice, whoever asks and whatever fails: not
/// by several of these on one key, and not after a crash. There are gaps: what a lease has left
/// when it is lost is skipped.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
/// let orders = db.number_sequence(b"next order", 100)?;
/// assert_eq!((orders.next()?, orders.next()?), (0, 1));
/// orders.release()?;
/// assert_eq!(db.number_sequence(b"next order", 100)?.next()?, 2);
/// # Ok(())
/// # }
/// ```
pub struct NumberSequence {
    shared: Arc<Shared>,
    key: Vec<u8>,
    bandwidth: u64,
    lease: Mutex<Lease>,
}

impl Db {
    /// The numbers that are counted under `key` of the default space, where the store keeps the
    /// end of the last lease as eight bytes, highest first. They are leased `bandwidth` at a time,
    /// with a synced commit each.
    ///
    /// # Errors
    ///
    /// `Invalid` for the empty key and for a bandwidth of 0.
    pub fn number_sequence(&self, key: &[u8], bandwidth: u64) -> Result<NumberSequence> {
        let wrong = |what| Err(Error::Invalid { what });
        if key.is_empty() {
            return wrong("the empty key");
        }
        if bandwidth == 0 {
            return wrong("a bandwidth of 0");
        }
        let sequence = NumberSequence {
            shared: Arc::clone(&self.shared),
            key: key.to_vec(),
            bandwidth,
            lease: Mutex::default(),
        };
        *locked(&sequence.lease) = sequence.take_lease()?;
        Ok(sequence)
    }
}

fn stored(tx: &Transaction, key: &[u8]) -> Result<u64> {
    let Some(value) = tx.get(Space::DEFAULT, key)? else {
        return Ok(0);
    };
    let bytes = <[u8; 8]>::try_from(&*value);
    let damaged = |_| Error::corrupt(Place::Store, "a sequence of numbers is malformed");
    bytes.map(u64::from_be_bytes).map_err(damaged)
}

impl NumberSequence {
    /// Runs `write` until it meets no conflict; what it answers counts only once it is committed.
    fn update<T>(&self, mut write: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        loop {
            self.shared.refuse_closed()?;
            self.shared.refuse_poisoned()?;
            let mut tx = Transaction::begin(&self.shared);
            let answer = write(&mut tx)?;
            match kv_api::Transaction::commit(tx, Durability::Sync) {
                Err(Error::Conflict) => {}
                done => return done.map(|()| answer),
            }
        }
    }

    fn take_lease(&self) -> Result<Lease> {
        self.update(|tx| {
            let next = stored(tx, &self.key)?;
            let end = next.checked_add(self.bandwidth).ok_or(Error::NoSpace {
                what: "numbers: the last one was given".to_owned(),
            })?;
            kv_api::Transaction::put(tx, Space::DEFAULT, &self.key, &end.to_be_bytes())?;
            Ok(Lease { next, end })
        })
    }

    /// The next number.
    pub fn next(&self) -> Result<u64> {
        let mut lease = locked(&self.lease);
        if lease.next >= lease.end {
            *lease = self.take_lease()?;
        }
        let number = lease.next;
        lease.next += 1;
        Ok(number)
    }

    /// Gives back what is left of the lease, if nobody has leased more since. Numbers may be
    /// taken again afterwards.
    pub fn release(&self) -> Result<()> {
        let mut lease = locked(&self.lease);
        let Lease { next, end } = *lease;
        if next < end {
            self.update(|tx| {
                if stored(tx, &self.key)? == end {
                    kv_api::Transaction::put(tx, Space::DEFAULT, &self.key, &next.to_be_bytes())?;
                }
                Ok(())
            })?;
        }
        *lease = Lease::default();
        Ok(())
    }
}

impl std::fmt::Debug for NumberSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NumberSequence")
            .field("lease", &*locked(&self.lease))
            .finish_non_exhaustive()
    }
}
