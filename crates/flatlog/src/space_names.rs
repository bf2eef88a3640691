//! The names of spaces as a transaction knows them: those of a version, and what changed since.
//!
//! A transaction that only writes to a space of a name so needs no version of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::SpaceId;
use crate::log::batch::Op;
use crate::log::record::Kind;
use crate::root::Named;

/// Names of spaces.
pub(crate) struct SpaceNames {
    known: Arc<BTreeMap<Vec<u8>, Named>>,
    /// Where it is not what is known: the space of a name, or none.
    changed: BTreeMap<Vec<u8>, Option<SpaceId>>,
}

impl SpaceNames {
    /// Those of a version.
    pub(crate) fn new(known: &Arc<BTreeMap<Vec<u8>, Named>>) -> SpaceNames {
        SpaceNames {
            known: Arc::clone(known),
            changed: BTreeMap::new(),
        }
    }

    /// The space of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<SpaceId> {
        match self.changed.get(name) {
            Some(changed) => *changed,
            None => self.known.get(name).map(|named| named.id),
        }
    }

    /// Follows one change, whose name lies in `keys`.
    pub(crate) fn follow(&mut self, op: &Op, keys: &[u8]) {
        match op.kind {
            Kind::CreateSpace => {
                self.changed.insert(op.key(keys).to_vec(), Some(op.space));
            }
            Kind::DropSpace => {
                if let Some(name) = self.name_of(op.space) {
                    self.changed.insert(name, None);
                }
            }
            Kind::Put | Kind::Delete => {}
        }
    }

    fn name_of(&self, space: SpaceId) -> Option<Vec<u8>> {
        let changed = self.changed.iter().find(|(_, id)| **id == Some(space));
        let known = || {
            let mut known = self.known.iter();
            let named =
                known.find(|(name, named)| named.id == space && !self.changed.contains_key(*name));
            named.map(|(name, _)| name)
        };
        changed.map(|(name, _)| name).or_else(known).cloned()
    }
}
