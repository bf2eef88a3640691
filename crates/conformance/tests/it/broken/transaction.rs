//! Transactions with faults.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use conformance::{MemoryModel, MemorySnapshot, MemoryTransaction};
use kv_api::capability::NestedWriter;
use kv_api::{
    Bytes, Durability, Error, KeyRange, Range, Reader, Result, Space, Store, Transaction,
};

use super::fault::Fault;
use super::snapshot::{
    BrokenCursor, get_from, key_within, names_of, prefix_within, range_within, ranges_with_faults,
    refuse_in_narrow, space_within,
};
use super::store::Shared;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub struct BrokenTransaction {
    /// Absent once it was committed or rolled back.
    inner: Option<MemoryTransaction>,
    base: MemorySnapshot,
    shared: Arc<Shared>,
    fork: Option<MemoryModel>,
    /// Puts to the default space, in order.
    puts: Pairs,
    names: HashMap<u64, Vec<u8>>,
    dropped: HashMap<Vec<u8>, Pairs>,
    only_changes: bool,
}

impl BrokenTransaction {
    pub fn fault(&self) -> Fault {
        self.shared.fault
    }

    pub fn new(
        inner: MemoryTransaction,
        shared: Arc<Shared>,
        fork: Option<MemoryModel>,
    ) -> Result<BrokenTransaction> {
        Ok(BrokenTransaction {
            inner: Some(inner),
            base: shared.current().reopen().snapshot()?,
            shared,
            fork,
            puts: Vec::new(),
            names: HashMap::new(),
            dropped: HashMap::new(),
            only_changes: false,
        })
    }

    fn inner(&self) -> &MemoryTransaction {
        self.inner.as_ref().unwrap()
    }

    pub fn has_put(&self) -> bool {
        !self.puts.is_empty()
    }

    /// Lets the commit go by if nothing is put.
    pub fn number_only_changes(&mut self) {
        self.only_changes = true;
    }

    pub fn inner_mut(&mut self) -> &mut MemoryTransaction {
        self.inner.as_mut().unwrap()
    }

    fn within(&self, space: Space, key: &[u8]) -> (Space, Vec<u8>) {
        let fault = self.fault();
        (space_within(fault, space), key_within(fault, key))
    }

    fn pairs_in(&self, space: Space) -> Result<Pairs> {
        let range = self.inner().range(space, ..)?;
        range
            .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect()
    }

    /// Commits each put on its own, with time for readers in between.
    fn commit_torn(mut self) -> Result<()> {
        let inner = self.inner.take().unwrap();
        if self.puts.is_empty() {
            return inner.commit(Durability::Sync);
        }
        inner.rollback();
        let model = self.shared.current();
        for (key, value) in std::mem::take(&mut self.puts) {
            model.update(|tx| tx.put(Space::DEFAULT, &key, &value))?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for BrokenTransaction {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.fault() == Fault::RollbackLeaks
        {
            inner.commit(Durability::Sync).unwrap();
        }
    }
}

impl Reader for BrokenTransaction {
    type Slice<'a> = Bytes;
    type Cursor<'a> = BrokenCursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        self.inner().space(name)
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        names_of(self.fault(), self.inner())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        if self.fault() == Fault::OwnWritesAreNotRead && space.is_default() {
            return get_from(self.fault(), &self.base, space, key);
        }
        let found = get_from(self.fault(), self.inner(), space, key);
        match (&found, self.names.get(&space.id())) {
            (Err(Error::NotFound { .. }), Some(name))
                if self.fault() == Fault::StaleSpaceFindsItsSuccessor =>
            {
                match self.inner().space(name)? {
                    Some(successor) => get_from(self.fault(), self.inner(), successor, key),
                    None => Ok(None),
                }
            }
            _ => found,
        }
    }

    fn cursor(&self, space: Space) -> Result<BrokenCursor<'_>> {
        if self.fault() == Fault::CursorsAreBlindToOwnWrites && space.is_default() {
            return Ok(BrokenCursor::new(self.fault(), self.base.cursor(space)?));
        }
        let space = space_within(self.fault(), space);
        Ok(BrokenCursor::new(self.fault(), self.inner().cursor(space)?))
    }

    ranges_with_faults!();
}

impl Transaction for BrokenTransaction {
    fn create_space(&mut self, name: &[u8]) -> Result<Space> {
        if self.fault() == Fault::Narrow && self.inner().get(Space::DEFAULT, name)?.is_some() {
            return Err(Error::Incompatible { what: "a pair" });
        }
        if self.fault() == Fault::CreatingASpaceEmptiesIt {
            self.inner_mut().drop_space(name)?;
        }
        let space = self.inner_mut().create_space(name)?;
        self.names.insert(space.id(), name.to_vec());
        if self.fault() == Fault::DroppedSpaceKeepsItsPairs {
            for (key, value) in self.dropped.remove(name).unwrap_or_default() {
                self.inner_mut().put(space, &key, &value)?;
            }
        }
        Ok(space)
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        if let Some(space) = self.inner().space(name)? {
            let pairs = self.pairs_in(space)?;
            self.dropped.insert(name.to_vec(), pairs);
        }
        let was_there = self.inner_mut().drop_space(name)?;
        Ok(was_there || self.fault() == Fault::DroppingAnswersAlwaysYes)
    }

    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        if self.fault() == Fault::Narrow {
            refuse_in_narrow(self.inner(), space, key)?;
        }
        if self.fault() == Fault::EmptyKeyIsIgnored && key.is_empty() {
            return Ok(());
        }
        if space.is_default() {
            self.puts.push((key.to_vec(), value.to_vec()));
        }
        let (space, key) = self.within(space, key);
        self.inner_mut().put(space, &key, value)
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        if self.fault() == Fault::Narrow {
            refuse_in_narrow(self.inner(), space, key)?;
        }
        if self.fault() == Fault::DeleteOfAbsentFails && self.get(space, key)?.is_none() {
            return Err(Error::NotFound { what: "key" });
        }
        let (space, key) = self.within(space, key);
        self.inner_mut().delete(space, &key)
    }

    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()> {
        let keys = match self.fault() {
            Fault::DeleteRangeMissesItsIncludedEnd | Fault::DeleteRangeTakesItsExcludedEnd => {
                range_within(self.fault(), keys.into())
            }
            _ => keys.into(),
        };
        if self.fault() == Fault::DeleteRangeDropsSpaces && space.is_default() {
            for name in self.inner().space_names()? {
                if keys.contains(&name) {
                    self.inner_mut().drop_space(&name)?;
                }
            }
        }
        let space = space_within(self.fault(), space);
        self.inner_mut().delete_range(space, keys)
    }

    fn insert_if_absent(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<bool> {
        let was_absent = self.compare_and_swap(space, key, None, Some(value))?;
        if self.fault() == Fault::InsertOverwrites {
            self.put(space, key, value)?;
        }
        Ok(was_absent)
    }

    fn compare_and_swap(
        &mut self,
        space: Space,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool> {
        let found = self.get(space, key)?;
        let holds = match self.fault() {
            Fault::SwapIgnoresWhatItExpects => true,
            Fault::SwapTakesEmptyForAbsent => {
                found.unwrap_or_default()[..] == *expected.unwrap_or_default()
            }
            _ => found.as_deref() == expected,
        };
        match new {
            _ if !holds => {}
            Some(value) => self.put(space, key, value)?,
            None => self.delete(space, key)?,
        }
        Ok(holds)
    }

    fn commit(mut self, durability: Durability) -> Result<()> {
        if self.fault() == Fault::CommitsAreTorn {
            return self.commit_torn();
        }
        if self.only_changes && self.puts.is_empty() {
            self.inner.take().unwrap().rollback();
            return Ok(());
        }
        if self.fault() == Fault::SnapshotsGoBack {
            self.shared.remember_as_previous();
        }
        self.inner.take().unwrap().commit(durability)?;
        match self.fork.take() {
            Some(_) if self.fault() == Fault::ReadsAreNotValidated => {
                let puts = std::mem::take(&mut self.puts);
                self.shared.current().update(|tx| {
                    let put =
                        |(key, value): &(Vec<u8>, Vec<u8>)| tx.put(Space::DEFAULT, key, value);
                    puts.iter().try_for_each(put)
                })?;
            }
            Some(fork) => self.shared.replace(fork),
            None => {}
        }
        self.shared.committed(durability);
        Ok(())
    }
}

impl NestedWriter for BrokenTransaction {
    fn create_bucket(&mut self, path: &[&[u8]]) -> Result<()> {
        self.inner_mut().create_bucket(path)
    }

    fn delete_bucket(&mut self, path: &[&[u8]]) -> Result<bool> {
        self.inner_mut().delete_bucket(path)
    }

    fn put_in(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()> {
        self.inner_mut().put_in(path, key, value)
    }

    fn set_sequence(&mut self, path: &[&[u8]], sequence: u64) -> Result<()> {
        if self.fault() == Fault::SequenceIsForgotten {
            return Ok(());
        }
        self.inner_mut().set_sequence(path, sequence)
    }
}
