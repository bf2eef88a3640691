//! The one write transaction: changes on their way.
//!
//! A change is encoded as its log record at once and nothing else happens, so that a large load is
//! a row of copies. Only when the transaction reads what it may have changed, a version of its own
//! is built beside: the newest one, what is queued before it, and its own changes; from then on
//! each further change goes there, too. Names of spaces are followed by themselves.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use kv_api::{Bytes, Durability, Error, KeyRange, Range, Reader, Result, Space};

use crate::apply::{Changes, apply};
use crate::commit::{Submission, commit};
use crate::cursor::Cursor;
use crate::ids::{SegmentId, SpaceId};
use crate::limits::{refuse_key, too_large};
use crate::log::batch::{Batch, Op};
use crate::log::record::{KEY_BYTES_MAX, Kind};
use crate::reader::{OWN, Source, fresh_stamp, space_id};
use crate::root::Root;
use crate::shared::Shared;
use crate::slice::Slice;
use crate::space_names::SpaceNames;
use crate::turn::{Base, Turn};

/// The write transaction. Dropping it rolls back.
pub struct Transaction {
    batch: Batch,
    /// Whether its index was asked for: then it is committed even without changes.
    numbered: bool,
    base: Base,
    next_space: u32,
    dropped: Vec<SpaceId>,
    stamp: u64,
    names: OnceCell<SpaceNames>,
    view: OnceCell<View>,
    turn: Turn,
}

/// The version a transaction reads.
struct View {
    root: Root,
    unwritten: Vec<Arc<Batch>>,
}

impl Transaction {
    /// Begins once the turn is free; at once or not at all if `tries`. The caller may ask for an
    /// index.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        tries: bool,
        asked: Option<u64>,
    ) -> Result<Option<Transaction>> {
        let Some((turn, base)) = Turn::take(shared, tries)? else {
            return Ok(None);
        };
        let mut batch = Batch::new(shared.salt);
        batch.commit_index = base.last_index.saturating_add(1);
        let mut transaction = Transaction {
            batch,
            numbered: false,
            base,
            next_space: base.next_space,
            dropped: Vec::new(),
            stamp: fresh_stamp(),
            names: OnceCell::new(),
            view: OnceCell::new(),
            turn,
        };
        if let Some(index) = asked {
            transaction.set_commit_index(index)?;
        }
        Ok(Some(transaction))
    }

    /// Commits with this index, even without changes: the index of the Raft entry that is applied.
    ///
    /// # Errors
    ///
    /// `AlreadyApplied` if the last index is this one or higher: the entry is in the store.
    pub fn set_commit_index(&mut self, commit_index: u64) -> Result<()> {
        let last = self.base.last_index;
        if commit_index <= last {
            return Err(Error::AlreadyApplied {
                index: commit_index,
                last,
            });
        }
        self.numbered = true;
        self.batch.set_commit_index(commit_index);
        // It shows the changes so far under the index they had.
        self.view = OnceCell::new();
        Ok(())
    }

    /// The index this transaction commits with.
    pub fn commit_index(&self) -> u64 {
        self.batch.commit_index
    }

    /// Sets the value of `key` in the default space.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_at(SpaceId::DEFAULT, key.as_ref(), value.as_ref())
    }

    /// Sets the value of `key` in `space`, which this transaction resolved.
    pub fn put_in(
        &mut self,
        space: Space,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        let id = self.living(space)?;
        self.put_at(id, key.as_ref(), value.as_ref())
    }

    /// Removes `key` from the default space; its absence is no error.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.delete_at(SpaceId::DEFAULT, key.as_ref())
    }

    /// Removes every pair of the default space whose key is in `keys`: one record for each.
    pub fn delete_range(&mut self, keys: impl Into<KeyRange>) -> Result<()> {
        kv_api::Transaction::delete_range(self, Space::DEFAULT, keys)
    }

    /// The value of `key` in the default space, this transaction's own writes included.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice<'_>>> {
        self.source()?.get(SpaceId::DEFAULT, key.as_ref())
    }

    /// The pairs of the default space whose keys are in `keys`, from either end.
    pub fn range(&self, keys: impl Into<KeyRange>) -> Result<Range<Cursor<'_>>> {
        Reader::range(self, Space::DEFAULT, keys)
    }

    /// Makes the changes visible and durable; answers the commit index.
    ///
    /// # Errors
    ///
    /// See [`commit_with`](Transaction::commit_with).
    pub fn commit(self) -> Result<u64> {
        self.commit_with(Durability::Sync)
    }

    /// Makes the changes visible with the promise of `durability`; answers the commit index.
    ///
    /// # Errors
    ///
    /// The error's `outcome()` says whether the commit is known not to have happened. `InDoubt`
    /// and `Poisoned` end all writing through this handle; `NoSpace` does not. `Unsupported` behind
    /// the last index that there is, 2^64-1: only a restore leads on from there.
    pub fn commit_with(self, durability: Durability) -> Result<u64> {
        let Transaction {
            mut batch,
            numbered,
            base,
            next_space,
            view,
            mut turn,
            ..
        } = self;
        // It shares what the commit will change: without it, that is changed in place.
        drop(view);
        if batch.ops.is_empty() && !numbered {
            let shared = Arc::clone(&turn.shared);
            drop(turn);
            let index = base.last_index;
            return match durability {
                Durability::Sync => crate::commit::sync(&shared).map(|()| index),
                _ => Ok(index),
            };
        }
        batch.durability = durability;
        let index = batch.commit_index;
        turn.hand_over();
        let submission = Submission {
            batch,
            next_space,
            refusals: base.refusals,
        };
        commit(&turn.shared, submission).map(|()| index)
    }

    fn id_of(&self, space: Space) -> Result<SpaceId> {
        space_id(space, || self.stamp)
    }

    /// The id of a space that is to be written to.
    fn living(&self, space: Space) -> Result<SpaceId> {
        let id = self.id_of(space)?;
        if self.dropped.contains(&id) {
            return Err(Error::NotFound { what: "space" });
        }
        Ok(id)
    }

    fn view(&self) -> Result<&View> {
        if let Some(view) = self.view.get() {
            return Ok(view);
        }
        let view = self.build_view()?;
        Ok(self.view.get_or_init(|| view))
    }

    /// The newest version, its values readable if asked for, and what is on its way to the next.
    fn newest(&self, readable: bool) -> Result<(Arc<Root>, Vec<Arc<Batch>>)> {
        let mut state = self.turn.shared.lock();
        if readable {
            state.make_readable();
        }
        let root = state.root.clone().ok_or(Error::Closed)?;
        let mut unwritten = state.in_flight.clone();
        unwritten.extend(state.queue.iter().map(|queued| Arc::clone(&queued.batch)));
        let was_refused = state.refusals != self.base.refusals;
        if let Some(refusal) = state.refusal.clone().filter(|_| was_refused) {
            return Err(refusal);
        }
        Ok((root, unwritten))
    }

    fn names(&self) -> Result<&SpaceNames> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let (root, unwritten) = self.newest(false)?;
        let mut names = SpaceNames::new(&root.names);
        for batch in unwritten.iter().map(|batch| &**batch).chain([&self.batch]) {
            let follow = |op| names.follow(op, &batch.body);
            batch.ops.iter().for_each(follow);
        }
        Ok(self.names.get_or_init(|| names))
    }

    fn build_view(&self) -> Result<View> {
        let (root, unwritten) = self.newest(true)?;
        let mut root = Root::clone(&root);
        for (batch, number) in unwritten.iter().zip(SegmentId::UNWRITTEN..OWN.0) {
            let changes = unwritten_changes(&batch.ops, &batch.body, SegmentId(number));
            apply(&mut root, changes, false, None);
        }
        let own = unwritten_changes(&self.batch.ops, &self.batch.body, OWN);
        apply(&mut root, own, false, None);
        Ok(View { root, unwritten })
    }

    fn source(&self) -> Result<Source<'_>> {
        let view = self.view()?;
        Ok(Source {
            root: &view.root,
            unwritten: &view.unwritten,
            own: &self.batch.body,
        })
    }

    fn push(&mut self, kind: Kind, space: SpaceId, key: &[u8], value: &[u8]) -> Result<()> {
        let op = self.batch.push(kind, space, 0, key, value)?;
        if let Some(names) = self.names.get_mut() {
            names.follow(&op, &self.batch.body);
        }
        if let Some(view) = self.view.get_mut() {
            let ops = [op];
            let changes = unwritten_changes(&ops, &self.batch.body, OWN);
            apply(&mut view.root, changes, false, None);
        }
        Ok(())
    }

    fn put_at(&mut self, space: SpaceId, key: &[u8], value: &[u8]) -> Result<()> {
        refuse_key(key, "key")?;
        if u32::try_from(value.len()).is_err() {
            return Err(too_large("value", value.len(), u64::from(u32::MAX)));
        }
        self.push(Kind::Put, space, key, value)
    }

    fn delete_at(&mut self, space: SpaceId, key: &[u8]) -> Result<()> {
        let known = self.view.get().map(|view| &view.root);
        let absent = known.is_some_and(|root| {
            root.space(space)
                .is_none_or(|space| space.get(key).is_none())
        });
        if absent || key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Ok(());
        }
        self.push(Kind::Delete, space, key, &[])
    }
}

fn unwritten_changes<'a>(ops: &'a [Op], body: &'a [u8], segment: SegmentId) -> Changes<'a> {
    Changes {
        ops,
        keys: body,
        segment,
        base: 0,
    }
}

impl Reader for Transaction {
    type Slice<'a> = Slice<'a>;
    type Cursor<'a> = Cursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let found = self.names()?.find(name);
        Ok(found.map(|id| Space::new(id.0.into(), self.stamp)))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        Ok(self.source()?.space_names())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice<'_>>> {
        self.source()?.get(self.id_of(space)?, key)
    }

    fn cursor(&self, space: Space) -> Result<Cursor<'_>> {
        Ok(Cursor::new(self.source()?, self.id_of(space)?))
    }
}

impl kv_api::Transaction for Transaction {
    fn create_space(&mut self, name: &[u8]) -> Result<Space> {
        refuse_key(name, "name")?;
        if let Some(space) = Reader::space(self, name)? {
            return Ok(space);
        }
        let id = SpaceId(self.next_space);
        self.next_space = self.next_space.checked_add(1).ok_or(Error::Unsupported {
            what: "more spaces than a store can number",
        })?;
        self.push(Kind::CreateSpace, id, name, &[])?;
        Ok(Space::new(id.0.into(), self.stamp))
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        let Some(id) = self.names()?.find(name) else {
            return Ok(false);
        };
        self.push(Kind::DropSpace, id, &[], &[])?;
        self.dropped.push(id);
        Ok(true)
    }

    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        let id = self.living(space)?;
        self.put_at(id, key, value)
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        let id = self.living(space)?;
        self.delete_at(id, key)
    }

    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()> {
        let id = self.living(space)?;
        let mut doomed = Vec::new();
        let mut ends = Vec::new();
        let keys = keys.into();
        let mut walk = self.source()?.walk(id);
        let mut entry = match keys.start() {
            std::ops::Bound::Unbounded => walk.first(),
            std::ops::Bound::Included(start) | std::ops::Bound::Excluded(start) => walk.seek(start),
        };
        while let Some((key, _)) = entry.filter(|(key, _)| keys.is_at_or_before_end(key)) {
            if keys.contains(key) {
                doomed.extend_from_slice(key);
                ends.push(doomed.len());
            }
            entry = walk.next();
        }
        let mut start = 0;
        for end in ends {
            self.push(
                Kind::Delete,
                id,
                doomed.get(start..end).unwrap_or_default(),
                &[],
            )?;
            start = end;
        }
        Ok(())
    }

    fn commit(self, durability: Durability) -> Result<()> {
        self.commit_with(durability).map(drop)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("commit_index", &self.batch.commit_index)
            .finish_non_exhaustive()
    }
}
