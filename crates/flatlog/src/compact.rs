//! Giving space back: live records of old segments are written anew, and the segments go.
//!
//! The new segments take the place of the old ones in the order of replay, so nothing changes in
//! what counts for more than what. In order:
//!
//! 1. the log is synced, so that a record that a newer one has replaced is not the last one that a
//!    power cut would leave;
//! 2. what is live in a version of that moment is written beside, durably;
//! 3. with the lead: entries that still name the old places are given the new ones, `meta.state`
//!    is switched, and the new version published;
//! 4. the old files are removed. Snapshots that read them keep them open.
//!
//! A tombstone is dropped where nothing stands before it in the order of replay: then no older
//! record of its key can come back.

use std::ops::Range;
use std::sync::Arc;

use kv_api::{Error, Result};

use crate::db::Db;
use crate::ids::{SegmentId, SpaceId};
use crate::log::batch::Op;
use crate::log::covered::Covered;
use crate::log::failed::Failed;
use crate::log::record::Kind;
use crate::log::scan::Frames;
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment};
use crate::log::table::SegmentTable;
use crate::log::writer::Log;
use crate::names;
use crate::place::Place;
use crate::reader::Source;
use crate::rewrite::Rewriter;
use crate::root::Root;
use crate::shared::Shared;
use crate::state_file::SegmentEntry;

/// A record that was written anew.
struct Move {
    space: SpaceId,
    /// The key's place in the buffer that goes with the list.
    key_start: usize,
    key_len: usize,
    from: Place,
    to: Place,
    kind: Kind,
}

/// What a rewrite made.
#[derive(Default)]
struct Rewritten {
    moves: Vec<Move>,
    keys: Vec<u8>,
    segments: Vec<(Arc<Segment>, SegmentEntry)>,
}

impl Rewritten {
    fn moved(&mut self, kind: Kind, space: SpaceId, key: &[u8], from: Place, to: Place) {
        self.moves.push(Move {
            space,
            key_start: self.keys.len(),
            key_len: key.len(),
            from,
            to,
            kind,
        });
        self.keys.extend_from_slice(key);
    }

    /// Brings the moves into the order of their keys: then the index, which nobody can write to
    /// while they are made, is gone through from one end to the other.
    fn sort(&mut self) {
        let keys = &self.keys;
        let of = |moved: &Move| (moved.space, moved.key(keys));
        self.moves
            .sort_unstable_by(|left, right| of(left).cmp(&of(right)));
    }
}

impl Move {
    fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let end = self.key_start + self.key_len;
        keys.get(self.key_start..end).unwrap_or_default()
    }
}

impl Db {
    /// Writes all live pairs anew, in key order, and gives everything else back: afterwards the
    /// log is as long as the pairs and some bytes for each. Readers and writers go on, but for the
    /// moment in which the index learns the new places. O(live bytes).
    pub fn compact(&self) -> Result<()> {
        let _one_at_a_time = self.shared.compacting();
        let (root, victims) = self.shared.lead(|log, root| {
            let new = roll_if_used(log, root)?;
            log.sync()?;
            let active = log.active.id();
            let root = new.map_or_else(|| Arc::clone(root), Arc::new);
            let victims = segments_before(&root, active);
            Ok(((Arc::clone(&root), victims), Some(Root::clone(&root))))
        })?;
        if victims.is_empty() {
            return Ok(());
        }
        let rewritten = rewrite_in_key_order(&self.shared, &root)?;
        finish(&self.shared, &victims, rewritten)
    }
}

/// Compacts the sealed segment with the most dead bytes, if more than `dead_percent` of it are, and
/// with it the segments beside it of which that is true, too. Answers whether it did; it gives up
/// where `goes_on` says no, and nothing has changed.
pub(crate) fn compact_worst(
    shared: &Shared,
    dead_percent: u32,
    goes_on: &dyn Fn() -> bool,
) -> Result<bool> {
    let _one_at_a_time = shared.compacting();
    let (root, active) = shared.lead(|log, root| {
        if worst(root, log.active.id(), dead_percent).is_some() {
            log.sync()?;
        }
        Ok(((Arc::clone(root), log.active.id()), None))
    })?;
    let Some(run) = worst(&root, active, dead_percent) else {
        return Ok(false);
    };
    let is_first = run.start == 0;
    let victims = root.segments.order().get(run).unwrap_or_default().to_vec();
    let mut rewriter = rewriter(shared, &root);
    let mut done = Rewritten::default();
    for victim in &victims {
        if !goes_on() {
            return Ok(false);
        }
        rewrite_segment(&root, victim, is_first, &mut rewriter, &mut done)?;
    }
    done.segments = rewriter.finish()?;
    finish(shared, &victims, done)?;
    Ok(true)
}

/// Bytes of a segment that are neither live nor known to be needed.
fn dead_bytes(segment: &Segment) -> u64 {
    let used = u64::from(segment.readable().saturating_sub(SEGMENT_HEADER_BYTES));
    used.saturating_sub(segment.live_bytes())
        .saturating_sub(segment.kept_bytes())
}

/// The places of the segment with the most dead bytes and of those beside it that have many.
fn worst(root: &Root, active: SegmentId, dead_percent: u32) -> Option<Range<usize>> {
    let order = root.segments.order();
    let is_bad = |index: usize| {
        order
            .get(index)
            .filter(|segment| segment.id() != active)
            .is_some_and(|segment| {
                let used = u64::from(segment.readable());
                dead_bytes(segment) * 100 > used * u64::from(dead_percent)
            })
    };
    let dead_at = |index: &usize| order.get(*index).map(|segment| dead_bytes(segment));
    let worst = (0..order.len())
        .filter(|index| is_bad(*index))
        .max_by_key(dead_at)?;
    let start = (0..worst).rev().take_while(|index| is_bad(*index)).last();
    let end = (worst..order.len())
        .take_while(|index| is_bad(*index))
        .last();
    Some(start.unwrap_or(worst)..end.map_or(worst, |end| end) + 1)
}

/// Ends the active segment if it holds anything; answers the version with the new one.
fn roll_if_used(log: &mut Log, root: &Arc<Root>) -> Result<Option<Root>, Failed> {
    if log.end == SEGMENT_HEADER_BYTES {
        return Ok(None);
    }
    let segment = log.roll(0)?;
    let mut new = Root::clone(root);
    if new.segments.find(segment.id()).is_none() {
        crate::commit::add_segment(&mut new, &segment);
    }
    Ok(Some(new))
}

fn segments_before(root: &Root, active: SegmentId) -> Vec<Arc<Segment>> {
    let order = root.segments.order().iter();
    order
        .filter(|segment| segment.id() != active)
        .cloned()
        .collect()
}

fn rewriter(shared: &Shared, root: &Root) -> Rewriter {
    Rewriter::new(
        Arc::clone(&shared.options.disk),
        root.lease.directory.clone(),
        shared.rules.clone(),
        shared.store,
        Arc::clone(&shared.next_segment),
    )
}

fn rewrite_in_key_order(shared: &Shared, root: &Root) -> Result<Rewritten> {
    let mut rewriter = rewriter(shared, root);
    let mut done = Rewritten::default();
    for (name, named) in root.names.iter() {
        let to = rewriter.push(Kind::CreateSpace, named.id, named.commit_index, name, &[])?;
        done.moved(Kind::CreateSpace, named.id, name, named.place, to);
    }
    let source = Source::of(root);
    for (space, _) in root.spaces() {
        let mut walk = source.walk(space);
        let mut entry = walk.first();
        while let Some((key, item)) = entry {
            let value = source.value(&item, space, key)?;
            let to = rewriter.push(Kind::Put, space, item.commit_index, key, &value)?;
            done.moved(Kind::Put, space, key, item.place, to);
            entry = walk.next();
        }
    }
    done.segments = rewriter.finish()?;
    Ok(done)
}

fn rewrite_segment(
    root: &Root,
    victim: &Segment,
    is_first: bool,
    rewriter: &mut Rewriter,
    done: &mut Rewritten,
) -> Result<()> {
    let begin = Covered::nothing_of(victim.id());
    let file = Arc::clone(&victim.file);
    let mut frames = Frames::new(file, victim.seal, begin.at, begin.head_sum)?;
    while let Some(frame) = frames.next()? {
        for op in &frame.ops {
            let offset = frame.body_start + op.record_start;
            let from = Place::new(victim.id(), offset, op.header_len, op.len);
            let key = op.key(&frame.body);
            let is_tombstone = matches!(op.kind, Kind::Delete | Kind::DropSpace);
            let stays = match is_tombstone {
                true => !is_first,
                false => is_live(root, op, key, from),
            };
            if !stays {
                continue;
            }
            let value_start = (op.key_start + op.key_len) as usize;
            let value_end = (op.record_start + op.len) as usize;
            let value = frame.body.get(value_start..value_end).unwrap_or_default();
            let to = rewriter.push(op.kind, op.space, op.commit_index, key, value)?;
            if !is_tombstone {
                done.moved(op.kind, op.space, key, from, to);
            }
        }
    }
    if frames.at != victim.readable() {
        return Err(victim.damaged(frames.at, "a damaged commit in a finished part of the log"));
    }
    Ok(())
}

fn is_live(root: &Root, op: &Op, key: &[u8], place: Place) -> bool {
    if op.kind == Kind::CreateSpace {
        return root
            .names
            .get(key)
            .is_some_and(|named| named.place == place);
    }
    let item = root.space(op.space).and_then(|space| space.get(key));
    item.is_some_and(|item| item.place == place)
}

/// Puts what was rewritten in the place of the victims.
fn finish(shared: &Shared, victims: &[Arc<Segment>], mut rewritten: Rewritten) -> Result<()> {
    rewritten.sort();
    let made = rewritten.segments.iter();
    let made: Vec<Arc<Segment>> = made.map(|(segment, _)| Arc::clone(segment)).collect();
    let switched = shared.lead(|log, root| {
        let named = |victim: &Arc<Segment>| {
            log.state
                .segments
                .iter()
                .any(|entry| entry.id == victim.id())
        };
        if !victims.iter().all(named) {
            // Everything was restored from a snapshot meanwhile: this is all of the past.
            return Ok((None, None));
        }
        let mut new = Root::clone(root);
        replace_segments(&mut new, victims, &rewritten);
        relocate(&mut new, &rewritten);
        let mut state = log.state.clone();
        let old_checkpoint = state.checkpoint.take();
        let is_victim = |id: SegmentId| victims.iter().any(|victim| victim.id() == id);
        let at = state
            .segments
            .iter()
            .position(|entry| is_victim(entry.id))
            .unwrap_or(0);
        state.segments.retain(|entry| !is_victim(entry.id));
        let entries = rewritten.segments.iter().map(|(_, entry)| *entry);
        state.segments.splice(at..at, entries);
        state.last_commit_index = state.last_commit_index.max(root.last_commit_index);
        state.clean = false;
        log.replace_state(state)?;
        log.since_checkpoint = log.bytes_to_replay();
        Ok((Some(old_checkpoint), Some(new)))
    });
    if matches!(switched, Ok(None) | Err(Error::NoSpace { .. })) {
        // Nothing names them, and a full disk needs their space.
        shared.remove_files(&made);
    }
    let Some(old_checkpoint) = switched? else {
        return Ok(());
    };
    shared.remove_files(victims);
    if let (Some(number), Some(victim)) = (old_checkpoint, victims.first()) {
        let path = victim.path.with_file_name(names::checkpoint(number));
        // Best effort: the next opening removes what nothing names.
        let _ = shared.options.disk.remove(&path);
    }
    tracing::info!(
        segments = victims.len(),
        records = rewritten.moves.len(),
        "compacted"
    );
    Ok(())
}

fn replace_segments(root: &mut Root, victims: &[Arc<Segment>], rewritten: &Rewritten) {
    let is_victim =
        |segment: &Arc<Segment>| victims.iter().any(|victim| victim.id() == segment.id());
    let mut order = root.segments.order().to_vec();
    let at = order.iter().position(is_victim).unwrap_or(0);
    order.retain(|segment| !is_victim(segment));
    let segments = rewritten
        .segments
        .iter()
        .map(|(segment, _)| Arc::clone(segment));
    order.splice(at..at, segments);
    root.segments = Arc::new(SegmentTable::new(order));
    for (segment, entry) in &rewritten.segments {
        let to_here = rewritten
            .moves
            .iter()
            .filter(|moved| moved.to.segment() == segment.id());
        let moved: u64 = to_here.map(|moved| u64::from(moved.to.len)).sum();
        let used = u64::from(entry.len.saturating_sub(SEGMENT_HEADER_BYTES));
        segment.set_kept_bytes(used.saturating_sub(moved));
    }
}

/// Gives what is still where it was its new place.
fn relocate(root: &mut Root, rewritten: &Rewritten) {
    let segments = Arc::clone(&root.segments);
    for moved in &rewritten.moves {
        let key = moved.key(&rewritten.keys);
        let is_there = match moved.kind {
            Kind::CreateSpace => {
                let names = Arc::make_mut(&mut root.names);
                let named = names.get_mut(key).filter(|named| named.place == moved.from);
                named.map(|named| named.place = moved.to).is_some()
            }
            _ => root
                .space_mut(moved.space)
                .is_some_and(|space| space.relocate(key, moved.from, moved.to)),
        };
        if is_there && let Some(segment) = segments.find(moved.to.segment()) {
            segment.add_live(moved.to.len);
        }
    }
}
