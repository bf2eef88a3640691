//! One version of everything: buckets by path, each with its pairs.
//!
//! Invariants:
//! 1. the root, at the empty path, is always there and is the default space;
//! 2. where a bucket is, all buckets on the way to it are;
//! 3. an id is given once: a space dropped and made again has another.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kv_api::{Error, Result, Space};

pub(super) type Pairs = BTreeMap<Bytes, Bytes>;
pub(super) type Path = Vec<Bytes>;

#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) id: u64,
    pub(super) sequence: u64,
    pub(super) pairs: Arc<Pairs>,
}

#[derive(Clone)]
pub(super) struct Version {
    pub(super) buckets: BTreeMap<Path, Bucket>,
    /// The index of the newest commit.
    pub(super) last_index: u64,
    /// Which commit wrote a pair, by bucket and key; kept for pairs that are gone, too.
    pub(super) indexes: Arc<BTreeMap<(u64, Bytes), u64>>,
    /// When pairs are gone, by bucket and key; none where they last.
    pub(super) expires: Arc<BTreeMap<(u64, Bytes), u64>>,
    id_next: u64,
}

pub(super) fn path_of(names: &[&[u8]]) -> Path {
    names
        .iter()
        .map(|name| Bytes::copy_from_slice(name))
        .collect()
}

impl Version {
    pub(super) fn empty() -> Version {
        let root = Bucket {
            id: Space::DEFAULT.id(),
            sequence: 0,
            pairs: Arc::default(),
        };
        Version {
            buckets: BTreeMap::from([(Path::new(), root)]),
            last_index: 0,
            indexes: Arc::default(),
            expires: Arc::default(),
            id_next: 0,
        }
    }

    /// The same without the pairs that are gone at `now`.
    pub(super) fn as_of(self: Arc<Version>, now: u64) -> Arc<Version> {
        if self.expires.values().all(|time| *time > now) {
            return self;
        }
        let mut version = Version::clone(&self);
        for bucket in version.buckets.values_mut() {
            let id = bucket.id;
            let is_gone = |key: &Bytes| {
                let time = self.expires.get(&(id, key.clone()));
                time.is_some_and(|time| *time <= now)
            };
            Arc::make_mut(&mut bucket.pairs).retain(|key, _| !is_gone(key));
        }
        Arc::new(version)
    }

    /// The bucket behind `space`, for a reader with this stamp.
    pub(super) fn bucket(&self, space: Space, stamp: u64) -> Result<&Bucket> {
        check_owner(space, stamp)?;
        self.buckets
            .values()
            .find(|bucket| bucket.id == space.id())
            .ok_or(Error::NotFound { what: "space" })
    }

    /// The pairs of `space`, to be changed.
    pub(super) fn pairs_mut(&mut self, space: Space, stamp: u64) -> Result<&mut Pairs> {
        check_owner(space, stamp)?;
        self.buckets
            .values_mut()
            .find(|bucket| bucket.id == space.id())
            .map(|bucket| Arc::make_mut(&mut bucket.pairs))
            .ok_or(Error::NotFound { what: "space" })
    }

    /// The bucket at `path`, made if it is not there. Its parent must be.
    pub(super) fn bucket_at_or_new(&mut self, path: Path) -> &mut Bucket {
        let id = self.id_next;
        self.id_next += 1;
        self.buckets.entry(path).or_insert_with(|| Bucket {
            id,
            sequence: 0,
            pairs: Arc::default(),
        })
    }

    /// Removes the bucket at `path` and those inside it; answers whether there was one.
    pub(super) fn remove_bucket(&mut self, path: &[Bytes]) -> bool {
        let count_before = self.buckets.len();
        self.buckets.retain(|other, _| !other.starts_with(path));
        self.buckets.len() < count_before
    }

    /// The buckets right inside the one at `path`, by name.
    pub(super) fn children<'a>(
        &'a self,
        path: &'a [Bytes],
    ) -> impl Iterator<Item = (&'a Bytes, &'a Bucket)> {
        self.buckets.iter().filter_map(move |(other, bucket)| {
            let (name, parent) = other.split_last()?;
            (parent == path).then_some((name, bucket))
        })
    }
}

fn check_owner(space: Space, stamp: u64) -> Result<()> {
    if space.is_default() || space.owner() == stamp {
        return Ok(());
    }
    Err(Error::ForeignSpace)
}
