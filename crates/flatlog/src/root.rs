//! One version of the store: spaces, their indexes, and the segments these name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::SpaceId;
use crate::index::SpaceIndex;
use crate::lease::Lease;
use crate::log::table::SegmentTable;
use crate::place::Place;
use crate::value_view::ValueView;

/// A space's id and the record that gave it its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) id: SpaceId,
    pub(crate) place: Place,
    pub(crate) commit_index: u64,
}

/// One version. Cloning costs a few reference counts; a clone shares everything until it is
/// changed.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    default: SpaceIndex,
    others: Arc<BTreeMap<SpaceId, SpaceIndex>>,
    pub(crate) names: Arc<BTreeMap<Vec<u8>, Named>>,
    pub(crate) segments: Arc<SegmentTable>,
    pub(crate) last_commit_index: u64,
    /// What is known of the values, where the store keeps an index over them.
    pub(crate) values: Option<ValueView>,
    /// The lock on the store goes with the last version.
    pub(crate) lease: Arc<Lease>,
}

impl Root {
    pub(crate) fn new(segments: Arc<SegmentTable>, lease: Arc<Lease>) -> Root {
        Root {
            default: SpaceIndex::default(),
            others: Arc::default(),
            names: Arc::default(),
            segments,
            last_commit_index: 0,
            values: None,
            lease,
        }
    }

    /// Whether there is no other version, so that a change copies nothing.
    pub(crate) fn is_alone(this: &mut Arc<Root>) -> bool {
        // Every version has the lease.
        Arc::get_mut(this).is_some_and(|root| Arc::strong_count(&root.lease) == 1)
    }

    /// The index of a space; `None` where there is no such space.
    #[inline]
    pub(crate) fn space(&self, id: SpaceId) -> Option<&SpaceIndex> {
        if id == SpaceId::DEFAULT {
            return Some(&self.default);
        }
        self.others.get(&id)
    }

    pub(crate) fn space_mut(&mut self, id: SpaceId) -> Option<&mut SpaceIndex> {
        if id == SpaceId::DEFAULT {
            return Some(&mut self.default);
        }
        Arc::make_mut(&mut self.others).get_mut(&id)
    }

    /// All spaces, the default one first.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = (SpaceId, &SpaceIndex)> {
        let others = self.others.iter().map(|(id, space)| (*id, space));
        std::iter::once((SpaceId::DEFAULT, &self.default)).chain(others)
    }

    /// Names a space, which is new and empty; answers what had the name before.
    pub(crate) fn create_space(&mut self, name: &[u8], named: Named) -> Option<Named> {
        let others = Arc::make_mut(&mut self.others);
        others.insert(named.id, SpaceIndex::default());
        Arc::make_mut(&mut self.names).insert(name.to_vec(), named)
    }

    /// Takes a space away; answers its name's record and what it held.
    pub(crate) fn drop_space(&mut self, id: SpaceId) -> Option<(Named, SpaceIndex)> {
        let space = Arc::make_mut(&mut self.others).remove(&id)?;
        let name = self.names.iter().find(|(_, named)| named.id == id);
        let name = name.map(|(name, _)| name.clone())?;
        let named = Arc::make_mut(&mut self.names).remove(&name)?;
        Some((named, space))
    }
}
