//! The buckets a write transaction has opened, each a tree being changed.
//!
//! Invariants:
//! * a bucket is opened at most once: `children` of its parent names it;
//! * an opened bucket's entry in its parent is out of date until [`Buckets::settle`] and
//!   [`Buckets::write`] have run, and only then;
//! * the top bucket is never inside another and never inline;
//! * once a change has met a page it could not read, `spoiled` says so and nothing is written: the
//!   change may have been made in part.

mod placing;
mod release;
mod settling;

use std::collections::BTreeMap;
use std::sync::Arc;

use pager::{PageId, PageSource};

use crate::bucket::{
    BUCKET_FLAGS, BucketHeader, EntryKind, bucket_in_inline_bucket, entry_kind, inline_elements,
    inline_value,
};
use crate::bucket_tree::BucketTree;
use crate::counts::TreeCounts;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::layout::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::node::Node;

use crate::tree::Tree;
use crate::tree_ref::TreeRef;

/// An opened bucket, for as long as its transaction lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(u32);

#[derive(Clone, Debug)]
struct Bucket {
    parent: Option<BucketId>,
    name: Vec<u8>,
    sequence: u64,
    tree: BucketTree,
    children: BTreeMap<Vec<u8>, BucketId>,
    /// The entry in the parent must be written although the tree did not change.
    entry_changed: bool,
    inline: bool,
}

/// The buckets a write transaction has opened. Cloning makes a point to come back to, and is cheap
/// while few nodes are in memory and after [`Buckets::place_puts`].
#[derive(Clone, Debug)]
pub struct Buckets {
    list: Vec<Option<Bucket>>,
    /// Runs of buckets that were deleted.
    orphans: Vec<(PageId, u64)>,
    spoiled: Option<Arc<pager::Error>>,
}

impl Buckets {
    /// The top bucket.
    pub const TOP: BucketId = BucketId(0);

    /// The buckets below the top bucket at page `root`.
    pub fn new(root: PageId, sequence: u64) -> Buckets {
        let top = Bucket {
            parent: None,
            name: Vec::new(),
            sequence,
            tree: BucketTree::new(Tree::at_page(root)),
            children: BTreeMap::new(),
            entry_changed: false,
            inline: false,
        };
        Buckets {
            list: vec![Some(top)],
            orphans: Vec::new(),
            spoiled: None,
        }
    }

    /// Refuses to go on after a change that failed half-way.
    ///
    /// # Errors
    ///
    /// That change's own.
    pub fn refuse_spoiled(&self) -> Result<()> {
        match &self.spoiled {
            Some(error) => Err(error.again().into()),
            None => Ok(()),
        }
    }

    /// Remembers a change that damage stopped.
    fn or_spoil<T>(&mut self, changed: Result<T>) -> Result<T> {
        if let Err(Error::Page(error)) = &changed {
            self.spoiled.get_or_insert_with(|| Arc::new(error.again()));
        }
        changed
    }

    /// Makes nodes of puts that have not been looked at, which clones then share.
    pub fn place_puts<S: PageSource>(&mut self, source: &S) {
        for bucket in self.list.iter_mut().flatten() {
            bucket.tree.change(source.page_bytes());
        }
    }

    fn bucket(&self, id: BucketId) -> Result<&Bucket> {
        let bucket = self.list.get(id.0 as usize).and_then(Option::as_ref);
        bucket.ok_or(Error::NotFound("bucket"))
    }

    fn bucket_mut(&mut self, id: BucketId) -> Result<&mut Bucket> {
        let bucket = self.list.get_mut(id.0 as usize).and_then(Option::as_mut);
        bucket.ok_or(Error::NotFound("bucket"))
    }

    fn add(&mut self, bucket: Bucket) -> Result<BucketId> {
        let id = u32::try_from(self.list.len())
            .map_err(|_| Error::Invalid("a transaction that opens 2^32 buckets"))?;
        self.list.push(Some(bucket));
        Ok(BucketId(id))
    }

    /// The tree of bucket `id`, to read from.
    pub fn tree<'a, S: PageSource>(
        &'a self,
        source: &'a S,
        id: BucketId,
    ) -> Result<TreeRef<'a, S>> {
        Ok(self.bucket(id)?.tree.read(source))
    }

    /// The bucket inside `parent` that has been opened as `name`, if it has.
    pub fn opened(&self, parent: BucketId, name: &[u8]) -> Option<BucketId> {
        self.bucket(parent).ok()?.children.get(name).copied()
    }

    /// Nodes in memory, over all buckets.
    pub fn nodes_in_memory(&self) -> usize {
        self.list
            .iter()
            .flatten()
            .map(|bucket| bucket.tree.nodes_in_memory())
            .sum()
    }

    /// Whether anything would be written.
    pub fn is_modified(&self) -> bool {
        self.list
            .iter()
            .flatten()
            .any(|bucket| bucket.tree.is_modified() || bucket.entry_changed)
            || !self.orphans.is_empty()
            || self.spoiled.is_some()
    }

    /// What was counted, over all buckets.
    pub fn counts(&self) -> TreeCounts {
        self.list
            .iter()
            .flatten()
            .map(|bucket| bucket.tree.counts())
            .sum()
    }

    /// Opens the bucket called `name` inside `parent`.
    pub fn open<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<Option<BucketId>> {
        if let Some(id) = self.bucket(parent)?.children.get(name) {
            return Ok(Some(*id));
        }
        let Some(entry) = self.tree(source, parent)?.get(name)? else {
            return Ok(None);
        };
        if entry_kind(entry.flags) == EntryKind::Pair {
            return Ok(None);
        }
        let header = BucketHeader::decode(entry.value)?;
        let tree = if header.is_inline() {
            BucketTree::at_node(inline_node(entry.value)?)
        } else {
            BucketTree::new(Tree::at_page(header.root))
        };
        let inline = header.is_inline();
        self.adopt(parent, name, header.sequence, tree, inline)
            .map(Some)
    }

    fn adopt(
        &mut self,
        parent: BucketId,
        name: &[u8],
        sequence: u64,
        tree: BucketTree,
        inline: bool,
    ) -> Result<BucketId> {
        let id = self.add(Bucket {
            parent: Some(parent),
            name: name.to_vec(),
            sequence,
            tree,
            children: BTreeMap::new(),
            entry_changed: false,
            inline,
        })?;
        self.bucket_mut(parent)?.children.insert(name.to_vec(), id);
        Ok(id)
    }

    /// Makes a bucket called `name` inside `parent`.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty name, `TooLarge` for one longer than a key may be, `Exists` and
    /// `Incompatible` for a name taken by a bucket or a pair.
    pub fn create<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<BucketId> {
        let changed = self.create_unless_taken(source, parent, name);
        self.or_spoil(changed)
    }

    fn create_unless_taken<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<BucketId> {
        if name.is_empty() {
            return Err(Error::Invalid("bucket name required"));
        }
        check_len("bucket name", name.len(), KEY_BYTES_MAX)?;
        if let Some(entry) = self.tree(source, parent)?.get(name)? {
            return Err(match entry_kind(entry.flags) {
                EntryKind::Bucket => Error::Exists("bucket"),
                EntryKind::Pair => Error::Incompatible("a key has that name"),
            });
        }
        let value = inline_value(&Node::new(true), 0)?;
        self.put_bucket(source, parent, name, &value)?;
        let empty = BucketTree::at_node(Node::new(true));
        self.adopt(parent, name, 0, empty, true)
    }

    /// Sets the entry of the bucket called `name` inside `parent`.
    fn put_bucket<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let tree = self.bucket_mut(parent)?.tree.change(source.page_bytes());
        tree.put(source, name, value, BUCKET_FLAGS)
    }

    /// Removes the bucket called `name` inside `parent`, with every bucket in it.
    pub fn delete<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<()> {
        let changed = self.delete_if_bucket(source, parent, name);
        self.or_spoil(changed)
    }

    fn delete_if_bucket<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<()> {
        let Some(id) = self.open(source, parent, name)? else {
            return Err(self.not_a_bucket(source, parent, name)?);
        };
        self.release(source, id)?;
        let parent = self.bucket_mut(parent)?;
        parent.children.remove(name);
        parent
            .tree
            .change(source.page_bytes())
            .delete(source, name)?;
        Ok(())
    }

    fn not_a_bucket<S: PageSource>(
        &self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<Error> {
        Ok(match self.tree(source, parent)?.get(name)? {
            Some(_) => Error::Incompatible("the name is a key's"),
            None => Error::NotFound("bucket"),
        })
    }

    /// Moves the bucket called `name` from `from` into `to`, with all that was done to it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Exists`, `Incompatible` for names that are not as they must be, `Invalid` for
    /// moving a bucket to where it is, or into itself.
    pub fn rename<S: PageSource>(
        &mut self,
        source: &S,
        from: BucketId,
        name: &[u8],
        to: BucketId,
    ) -> Result<()> {
        let changed = self.rename_if_bucket(source, from, name, to);
        self.or_spoil(changed)
    }

    fn rename_if_bucket<S: PageSource>(
        &mut self,
        source: &S,
        from: BucketId,
        name: &[u8],
        to: BucketId,
    ) -> Result<()> {
        let Some(id) = self.open(source, from, name)? else {
            return Err(self.not_a_bucket(source, from, name)?);
        };
        if from == to {
            return Err(Error::Invalid("the source and target are the same bucket"));
        }
        let mut above = Some(to);
        while let Some(bucket) = above {
            if bucket == id {
                return Err(Error::Invalid("a bucket cannot be moved into itself"));
            }
            above = self.bucket(bucket)?.parent;
        }
        if let Some(entry) = self.tree(source, to)?.get(name)? {
            return Err(match entry_kind(entry.flags) {
                EntryKind::Bucket => Error::Exists("bucket"),
                EntryKind::Pair => Error::Incompatible("a key has that name"),
            });
        }
        let value = self
            .tree(source, from)?
            .get(name)?
            .map(|entry| entry.value.to_vec());
        let value = value.ok_or(Error::NotFound("bucket"))?;
        self.put_bucket(source, to, name, &value)?;
        self.bucket_mut(to)?.children.insert(name.to_vec(), id);
        let from = self.bucket_mut(from)?;
        from.children.remove(name);
        from.tree.change(source.page_bytes()).delete(source, name)?;
        self.bucket_mut(id)?.parent = Some(to);
        Ok(())
    }

    /// The entry of `key` in bucket `id`.
    pub fn get<'a, S: PageSource>(
        &'a self,
        source: &'a S,
        id: BucketId,
        key: &[u8],
    ) -> Result<Option<Entry<'a>>> {
        self.tree(source, id)?.get(key)
    }

    /// Puts a pair into bucket `id`.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty key, `TooLarge` for a key or value above its limit, `Incompatible`
    /// for a key that names a bucket.
    pub fn put<S: PageSource>(
        &mut self,
        source: &S,
        id: BucketId,
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let changed = self.put_if_fits(source, id, key, value);
        self.or_spoil(changed)
    }

    fn put_if_fits<S: PageSource>(
        &mut self,
        source: &S,
        id: BucketId,
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        if key.is_empty() {
            return Err(Error::Invalid("key required"));
        }
        check_len("key", key.len(), KEY_BYTES_MAX)?;
        check_len("value", value.len(), VALUE_BYTES_MAX)?;
        self.bucket_mut(id)?.tree.put_pair(source, key, value)
    }

    /// Removes a pair from bucket `id`; its absence is no error.
    ///
    /// # Errors
    ///
    /// `Incompatible` for a key that names a bucket.
    pub fn remove<S: PageSource>(&mut self, source: &S, id: BucketId, key: &[u8]) -> Result<bool> {
        let changed = self.remove_if_pair(source, id, key);
        self.or_spoil(changed)
    }

    fn remove_if_pair<S: PageSource>(
        &mut self,
        source: &S,
        id: BucketId,
        key: &[u8],
    ) -> Result<bool> {
        match self.get(source, id, key)? {
            Some(entry) if entry_kind(entry.flags) == EntryKind::Bucket => {
                Err(Error::Incompatible("the key names a bucket"))
            }
            Some(_) => {
                let tree = self.bucket_mut(id)?.tree.change(source.page_bytes());
                tree.remove(source, key)
            }
            None => Ok(false),
        }
    }

    /// The sequence number of bucket `id`.
    pub fn sequence(&self, id: BucketId) -> Result<u64> {
        Ok(self.bucket(id)?.sequence)
    }

    /// Sets the sequence number of bucket `id`.
    pub fn set_sequence(&mut self, id: BucketId, sequence: u64) -> Result<()> {
        let bucket = self.bucket_mut(id)?;
        bucket.sequence = sequence;
        bucket.entry_changed = true;
        Ok(())
    }
}

/// The node of a bucket that lives inside its entry's value.
fn inline_node(value: &[u8]) -> Result<Node> {
    let node = Node::read(inline_elements(value)?, None, false)?;
    if (0..node.count()).any(|index| entry_kind(node.flags(index)) == EntryKind::Bucket) {
        return Err(bucket_in_inline_bucket().into());
    }
    Ok(node)
}

fn check_len(what: &'static str, len: usize, len_max: usize) -> Result<()> {
    if len > len_max {
        return Err(Error::TooLarge {
            what,
            bytes: len as u64,
            bytes_max: len_max as u64,
        });
    }
    Ok(())
}
