//! The one way in which changes enter an index: commits, replay and restore all come through here.

use std::sync::Arc;

use crate::ids::{KeyId, SegmentId, SpaceId};
use crate::index::{Edit, Item, Observer, SpaceIndex, Walk};
use crate::log::batch::Op;
use crate::log::record::Kind;
use crate::log::segment::Segment;
use crate::log::watcher::{Happening, Watcher};
use crate::place::Place;
use crate::root::{Named, Root};

/// A list of changes and where their records are.
#[derive(Clone, Copy)]
pub(crate) struct Changes<'a> {
    pub(crate) ops: &'a [Op],
    /// The buffer that the changes' keys lie in.
    pub(crate) keys: &'a [u8],
    pub(crate) segment: SegmentId,
    /// Where the records begin in the segment.
    pub(crate) base: u32,
}

impl Changes<'_> {
    fn item(&self, op: &Op) -> Item {
        Item {
            place: Place::new(
                self.segment,
                self.base + op.record_start,
                op.header_len,
                op.len,
            ),
            commit_index: op.commit_index,
            key_id: KeyId(0),
        }
    }
}

/// Makes `changes` in `root`, in their order. Live bytes are counted where `counts`; a version
/// that is never published must not count.
pub(crate) fn apply(
    root: &mut Root,
    changes: Changes<'_>,
    counts: bool,
    mut watcher: Option<&mut dyn Watcher>,
) {
    let is_pair = |op: &Op| matches!(op.kind, Kind::Put | Kind::Delete);
    let segments = Arc::clone(&root.segments);
    let commit_index = changes.ops.iter().map(|op| op.commit_index).max();
    let mut ops = changes.ops;
    while let Some(first) = ops.first() {
        let mut tally = Tally {
            counts,
            at: Happening {
                segments: &segments,
                space: first.space,
                commit_index: commit_index.unwrap_or(0),
            },
            watcher: watcher.as_deref_mut(),
        };
        if is_pair(first) {
            let count = ops.iter().take_while(|op| is_pair(op)).count();
            let (pairs, rest) = ops.split_at_checked(count).unwrap_or((ops, &[]));
            apply_pairs(
                root,
                Changes {
                    ops: pairs,
                    ..changes
                },
                &mut tally,
            );
            ops = rest;
            continue;
        }
        let item = changes.item(first);
        match first.kind {
            Kind::CreateSpace => {
                let named = Named {
                    id: first.space,
                    place: item.place,
                    commit_index: item.commit_index,
                };
                tally.gain(&item);
                if let Some(old) = root.create_space(first.key(changes.keys), named) {
                    tally.lose_bytes(old.place);
                }
            }
            _ => {
                if let Some((named, space)) = root.drop_space(first.space) {
                    tally.lose_bytes(named.place);
                    lose_all(&space, &mut tally);
                }
            }
        }
        ops = ops.get(1..).unwrap_or_default();
    }
    if let Some(watcher) = watcher {
        root.values = Some(watcher.view());
    }
}

/// Names a space that is not there yet.
pub(crate) fn load_space(root: &mut Root, name: &[u8], named: Named) {
    if let Some(segment) = root.segments.find(named.place.segment()) {
        segment.add_live(named.place.len);
    }
    root.create_space(name, named);
}

fn lose_all(space: &SpaceIndex, tally: &mut Tally<'_>) {
    let mut walk = Walk::new(Some(space));
    let mut entry = walk.first();
    while let Some((key, item)) = entry {
        tally.delete(key, Some(&item));
        entry = walk.next();
    }
}

fn apply_pairs(root: &mut Root, changes: Changes<'_>, tally: &mut Tally<'_>) {
    if let [op] = changes.ops {
        let edit = edit(&changes, op);
        if let Some(space) = root.space_mut(op.space) {
            space.apply(&[edit], tally);
        }
        return;
    }
    let order = sorted(&changes);
    let mut edits: Vec<Edit<'_>> = Vec::with_capacity(order.len());
    let mut of_space = None;
    for op in order {
        if of_space != Some(op.space) {
            finish(root, of_space, &mut edits, tally);
            of_space = Some(op.space);
        }
        let edit = edit(&changes, op);
        match edits.last_mut() {
            // Equal keys stand in the order of their changes: the last one counts.
            Some(last) if last.key == edit.key => *last = edit,
            _ => edits.push(edit),
        }
    }
    finish(root, of_space, &mut edits, tally);
}

fn finish(
    root: &mut Root,
    space: Option<SpaceId>,
    edits: &mut Vec<Edit<'_>>,
    tally: &mut Tally<'_>,
) {
    if let Some(id) = space
        && let Some(index) = root.space_mut(id)
    {
        tally.at.space = id;
        index.apply(edits, tally);
    }
    edits.clear();
}

fn edit<'a>(changes: &Changes<'a>, op: &Op) -> Edit<'a> {
    let key = op.key(changes.keys);
    match op.kind {
        Kind::Put => Edit::put(key, changes.item(op)),
        _ => Edit::delete(key),
    }
}

/// The changes by space and key, equal keys in their order. Most comparisons look at eight bytes
/// taken behind what all keys have in common.
fn sorted<'a>(changes: &Changes<'a>) -> Vec<&'a Op> {
    let (ops, keys) = (changes.ops, changes.keys);
    let first = ops.first().map(|op| op.key(keys)).unwrap_or_default();
    let prefix_len = ops.iter().fold(first.len(), |prefix_len, op| {
        let key = op.key(keys);
        let prefix = first.get(..prefix_len).unwrap_or_default();
        if key.starts_with(prefix) {
            return prefix_len;
        }
        prefix.iter().zip(key).take_while(|(l, r)| l == r).count()
    });
    let head = |op: &Op| {
        let rest = op.key(keys).get(prefix_len..).unwrap_or_default();
        let mut head = [0; 8];
        head.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(head)
    };
    let mut order: Vec<(SpaceId, u64, u32)> = (0_u32..)
        .zip(ops)
        .map(|(number, op)| (op.space, head(op), number))
        .collect();
    let key_of = |number: u32| ops.get(number as usize).map(|op| op.key(keys));
    order.sort_unstable_by(|left, right| {
        (left.0, left.1)
            .cmp(&(right.0, right.1))
            .then_with(|| key_of(left.2).cmp(&key_of(right.2)))
            .then(left.2.cmp(&right.2))
    });
    order
        .into_iter()
        .filter_map(move |(_, _, number)| ops.get(number as usize))
        .collect()
}

/// Counts the live bytes of segments and hands changes on.
struct Tally<'a> {
    counts: bool,
    at: Happening<'a>,
    watcher: Option<&'a mut dyn Watcher>,
}

impl Tally<'_> {
    fn gain(&self, item: &Item) {
        if let Some(segment) = self.segment(item.place) {
            segment.add_live(item.place.len);
        }
    }

    fn lose_bytes(&self, place: Place) {
        if let Some(segment) = self.segment(place) {
            segment.remove_live(place.len);
        }
    }

    fn segment(&self, place: Place) -> Option<&Segment> {
        let segments = self.counts.then_some(self.at.segments)?;
        segments.find(place.segment()).map(|segment| &**segment)
    }
}

impl Observer for Tally<'_> {
    fn put(&mut self, key: &[u8], old: Option<&Item>, new: &Item) -> KeyId {
        self.gain(new);
        if let Some(old) = old {
            self.lose_bytes(old.place);
        }
        match &mut self.watcher {
            Some(watcher) => watcher.put(&self.at, key, old, new),
            None => KeyId(0),
        }
    }

    fn delete(&mut self, key: &[u8], old: Option<&Item>) {
        let Some(old) = old else {
            return;
        };
        self.lose_bytes(old.place);
        if let Some(watcher) = &mut self.watcher {
            watcher.delete(&self.at, key, old);
        }
    }
}
