//! Spaces as small ids: where the bucket behind each is found without another descent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use btree::{BucketId, Elements, TreeRef};
use kv_api::{Error, Result};
use pager::{PageId, PageSource, PageView};

use crate::error::{from_pager, from_tree};

/// A stamp that no other reader of this process has.
pub(crate) fn fresh_stamp() -> u64 {
    // From 1, because 0 stands for the default space, which belongs to everyone.
    static STAMP: AtomicU64 = AtomicU64::new(1);
    STAMP.fetch_add(1, Ordering::Relaxed)
}

/// Where a space's bucket is found without another descent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Its tree begins at this page of the base version.
    Root(PageId),
    /// It lives inside this element of a leaf of the base version.
    Inline(PageId, usize),
    /// The transaction has opened it.
    Opened(BucketId),
    /// It was dropped.
    Gone,
}

/// Above this, a leaf's number does not fit a space's id beside the place on it.
const INLINE_LEAF_MAX: u64 = 1 << 46;

impl Place {
    /// The place of the bucket that `element` names.
    pub fn of(elements: Elements<'_>, index: usize) -> Result<Place> {
        let value = elements.value(index).map_err(from_pager)?;
        let header = btree::BucketHeader::decode(value).map_err(from_tree)?;
        Ok(if header.is_inline() {
            Place::Inline(elements.id(), index)
        } else {
            Place::Root(header.root)
        })
    }

    /// As a space's id: roots are even, inline places odd.
    pub fn id(self) -> Result<u64> {
        match self {
            Place::Root(root) if root.0 < 1 << 62 => Ok(root.0 << 1),
            Place::Inline(leaf, index) if leaf.0 < INLINE_LEAF_MAX && index <= 0xFFFF => {
                Ok(leaf.0 << 17 | (index as u64) << 1 | 1)
            }
            _ => Err(Error::corrupt(
                kv_api::Place::Store,
                "a bucket at an impossible place",
            )),
        }
    }

    /// The place with this id.
    pub fn from_id(id: u64) -> Place {
        if id & 1 == 0 {
            return Place::Root(PageId(id >> 1));
        }
        let index = usize::try_from(id >> 1 & 0xFFFF).unwrap_or(usize::MAX);
        Place::Inline(PageId(id >> 17), index)
    }

    /// The tree there, in the version that `pages` are of.
    pub fn tree(self, pages: &PageView) -> Result<TreeRef<'_, PageView>> {
        match self {
            Place::Root(root) => Ok(TreeRef::at_page(pages, root)),
            Place::Inline(leaf, index) => {
                let page = pages.page(leaf).map_err(from_pager)?;
                let value = Elements::of(page).and_then(|elements| elements.value(index));
                let value = value.map_err(from_pager)?;
                TreeRef::of_bucket(pages, value)
                    .map(|(_, tree)| tree)
                    .map_err(from_tree)
            }
            Place::Opened(_) | Place::Gone => Err(Error::NotFound { what: "space" }),
        }
    }
}

/// The spaces a transaction has resolved. Ids are never given twice.
#[derive(Debug, Default)]
pub(crate) struct SpaceTable {
    places: Vec<Place>,
    by_name: BTreeMap<Vec<u8>, usize>,
}

impl SpaceTable {
    /// Notes where `name` is and answers its id.
    pub fn set(&mut self, name: &[u8], place: Place) -> u64 {
        let index = match self.by_name.get(name) {
            Some(index) => {
                if let Some(known) = self.places.get_mut(*index) {
                    *known = place;
                }
                *index
            }
            None => {
                self.places.push(place);
                self.by_name.insert(name.to_vec(), self.places.len() - 1);
                self.places.len() - 1
            }
        };
        index as u64
    }

    /// Where the space with this id is.
    pub fn place(&self, id: u64) -> Place {
        let place = usize::try_from(id)
            .ok()
            .and_then(|index| self.places.get(index));
        place.copied().unwrap_or(Place::Gone)
    }

    /// The name of the space with this id, if it is still known.
    pub fn name_of(&self, id: u64) -> Option<&[u8]> {
        let known = self.by_name.iter().find(|(_, index)| **index as u64 == id);
        known.map(|(name, _)| name.as_slice())
    }

    /// Notes that the bucket behind the space called `name`, if one was resolved, has been opened:
    /// from now on only what was opened is up to date.
    pub fn note_opened(&mut self, name: &[u8], id: BucketId) {
        if self.by_name.contains_key(name) {
            self.set(name, Place::Opened(id));
        }
    }

    /// Makes the space called `name` stale.
    pub fn drop_name(&mut self, name: &[u8]) {
        if let Some(index) = self.by_name.remove(name)
            && let Some(place) = self.places.get_mut(index)
        {
            *place = Place::Gone;
        }
    }

    /// Makes every space given out so far stale.
    pub fn forget(&mut self) {
        self.by_name.clear();
        self.places.fill(Place::Gone);
    }
}
