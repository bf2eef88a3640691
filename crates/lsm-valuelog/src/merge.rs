//! Many sorted sources walked as one.
//!
//! Order is by key, then newest first; of equals, the earlier source comes first.

use std::cmp::Ordering;
use std::sync::Arc;

use kv_api::Result;

use crate::entry::{Entry, Kind};
use crate::id::Sequence;
use crate::memtable::Memtable;
use crate::skiplist::{NodeRef, Skiplist};
use crate::slice::Slice;
use crate::table::cursor::RunCursor;
use crate::table::reader::Table;
use crate::write_set::{Sorted, WriteSet};

/// A sorted source.
pub(crate) enum Child<'a> {
    Memory(&'a Skiplist, Option<NodeRef<'a>>),
    Run(RunCursor<'a>),
    /// A transaction's own changes, newer than everything.
    Own(Sorted<'a>, Option<usize>),
}

impl<'a> Child<'a> {
    pub fn memory(memtable: &'a Memtable) -> Child<'a> {
        Child::Memory(memtable.list(), None)
    }

    pub fn run(tables: &'a [Arc<Table>]) -> Child<'a> {
        Child::Run(RunCursor::new(tables))
    }

    /// The same for whoever goes through it once, from end to end.
    pub fn run_in_passing(tables: &'a [Arc<Table>]) -> Child<'a> {
        Child::Run(RunCursor::in_passing(tables))
    }

    pub fn own(writes: &'a WriteSet) -> Child<'a> {
        Child::Own(writes.sorted(), None)
    }

    fn first(&mut self) -> Result<()> {
        match self {
            Child::Memory(list, node) => *node = list.first(),
            Child::Run(run) => run.first()?,
            Child::Own(_, at) => *at = Some(0),
        }
        Ok(())
    }

    fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        match self {
            Child::Memory(list, node) => *node = list.seek(key, sequence),
            Child::Run(run) => run.seek(key, sequence)?,
            Child::Own(sorted, at) => {
                let lower = sorted.lower_bound(key);
                // A change of one's own is newer than every version but the newest asked for.
                let passes = sequence != Sequence(u64::MAX)
                    && sorted.get(lower).is_some_and(|change| change.key == key);
                *at = Some(lower + usize::from(passes));
            }
        }
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        match self {
            Child::Memory(list, node) => *node = list.seek_before(key, sequence),
            Child::Run(run) => run.seek_before(key, sequence)?,
            Child::Own(..) => {
                self.seek(key, sequence)?;
                self.prev()?;
            }
        }
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        match self {
            Child::Memory(_, node) => *node = node.and_then(NodeRef::next),
            Child::Run(run) => run.next()?,
            Child::Own(_, at) => *at = at.map(|at| at + 1),
        }
        Ok(())
    }

    /// Goes behind the current key, or at least behind the current record.
    #[inline]
    fn next_key(&mut self) -> Result<()> {
        match self {
            Child::Memory(_, node) => *node = node.and_then(NodeRef::next_key),
            _ => self.next()?,
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<()> {
        match self {
            Child::Memory(_, node) => *node = node.and_then(NodeRef::prev),
            Child::Run(run) => run.prev()?,
            Child::Own(_, at) => *at = at.and_then(|at| at.checked_sub(1)),
        }
        Ok(())
    }

    #[inline]
    pub fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Child::Memory(_, node) => node.map(|node| node.entry()),
            Child::Run(run) => run.entry(),
            Child::Own(sorted, at) => {
                let change = sorted.get((*at)?)?;
                Some(Entry {
                    key: change.key,
                    sequence: Sequence(u64::MAX),
                    kind: if change.value.is_some() {
                        Kind::Put
                    } else {
                        Kind::Delete
                    },
                    extra: change.extra,
                    value: change.value.unwrap_or_default(),
                })
            }
        }
    }

    /// Key and value, lent by the source.
    #[inline]
    pub fn lend(&self) -> Option<(Slice<'a>, Slice<'a>)> {
        match self {
            Child::Memory(_, node) => {
                let entry = (*node)?.entry();
                Some((Slice::lent(entry.key), Slice::lent(entry.value)))
            }
            Child::Run(run) => run.lend(),
            Child::Own(sorted, at) => {
                let change = sorted.get((*at)?)?;
                let value = change.value.unwrap_or_default();
                Some((Slice::lent(change.key), Slice::lent(value)))
            }
        }
    }
}

fn order(a: &Entry<'_>, b: &Entry<'_>) -> Ordering {
    a.key.cmp(b.key).then(b.sequence.cmp(&a.sequence))
}

/// Many sources as one.
pub(crate) struct Merge<'a> {
    children: Vec<Child<'a>>,
    top: Option<usize>,
    /// The best of the others: as long as the top stays before it, nobody else need be asked.
    second: Option<usize>,
    is_backward: bool,
}

impl<'a> Merge<'a> {
    pub fn new(children: Vec<Child<'a>>) -> Merge<'a> {
        Merge {
            children,
            top: None,
            second: None,
            is_backward: false,
        }
    }

    /// The source whose turn it is.
    #[inline]
    pub fn top(&self) -> Option<&Child<'a>> {
        self.children.get(self.top?)
    }

    #[inline]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.top()?.entry()
    }

    /// The place of that source among those that were given.
    pub fn source(&self) -> Option<usize> {
        self.top
    }

    /// Whether `a` comes before `b` on the way we go. A source at its end comes last.
    fn is_before(&self, a: usize, b: usize) -> bool {
        let entry = |at: usize| self.children.get(at).and_then(Child::entry);
        match (entry(a), entry(b)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(one), Some(other)) => {
                let order = order(&one, &other);
                if self.is_backward {
                    order == Ordering::Greater
                } else {
                    order == Ordering::Less || (order == Ordering::Equal && a < b)
                }
            }
        }
    }

    /// Finds the source whose turn it is, and the one after it.
    fn choose(&mut self) {
        let (mut top, mut second) = (None, None);
        for at in 0..self.children.len() {
            if self.children.get(at).and_then(Child::entry).is_none() {
                continue;
            }
            match (top, second) {
                (None, _) => top = Some(at),
                (Some(best), _) if self.is_before(at, best) => (top, second) = (Some(at), top),
                (_, None) => second = Some(at),
                (_, Some(next)) if self.is_before(at, next) => second = Some(at),
                _ => {}
            }
        }
        (self.top, self.second) = (top, second);
    }

    fn each(&mut self, mut go: impl FnMut(&mut Child<'a>) -> Result<()>) -> Result<()> {
        self.children.iter_mut().try_for_each(&mut go)?;
        self.choose();
        Ok(())
    }

    pub fn first(&mut self) -> Result<()> {
        self.is_backward = false;
        self.each(Child::first)
    }

    /// Comes to the first record at or after `key` at `sequence`, to go forward from there.
    pub fn seek(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.is_backward = false;
        self.each(|child| child.seek(key, sequence))
    }

    /// Comes to the last record before `key` at `sequence`, to go backward from there.
    pub fn seek_before(&mut self, key: &[u8], sequence: Sequence) -> Result<()> {
        self.is_backward = true;
        self.each(|child| child.seek_before(key, sequence))
    }

    /// Goes on by one record, the way the last seek said.
    #[inline]
    pub fn advance(&mut self) -> Result<()> {
        let is_backward = self.is_backward;
        self.move_top(|child| {
            if is_backward {
                child.prev()
            } else {
                child.next()
            }
        })
    }

    /// Goes forward past older records of the current key: all that the source whose turn it is
    /// can pass by at once, but one at least.
    #[inline]
    pub fn advance_key(&mut self) -> Result<()> {
        debug_assert!(!self.is_backward);
        self.move_top(Child::next_key)
    }

    /// Takes the source whose turn it is to the record of the current key that is visible as of
    /// `sequence`, or behind the key.
    pub fn pass_newer(&mut self, sequence: Sequence) -> Result<()> {
        debug_assert!(!self.is_backward);
        let Some(key) = self.entry().map(|entry| entry.key.to_vec()) else {
            return Ok(());
        };
        self.move_top(|child| child.seek(&key, sequence))
    }

    #[inline]
    fn move_top(&mut self, go: impl FnOnce(&mut Child<'a>) -> Result<()>) -> Result<()> {
        let Some(top) = self.top else {
            return Ok(());
        };
        if let Some(child) = self.children.get_mut(top) {
            go(child)?;
        }
        match self.second {
            Some(second) if !self.is_before(top, second) => self.choose(),
            None if self.top().and_then(Child::entry).is_none() => self.top = None,
            _ => {}
        }
        Ok(())
    }
}
