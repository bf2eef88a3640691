//! Snapshots as streams, and taking a store's whole state from one.

use std::io::{Read, Write};
use std::sync::Arc;

use kv_api::capability::Progress;
use kv_api::{Error, Result};

use crate::apply::{Changes, apply};
use crate::db::Db;
use crate::ids::{SegmentId, SpaceId};
use crate::log::batch::Op;
use crate::log::failed::Failed;
use crate::log::record::{KEY_BYTES_MAX, Kind};
use crate::log::segment::Segment;
use crate::log::table::SegmentTable;
use crate::log::watcher::Watcher;
use crate::log::writer::Log;
use crate::place::Place;
use crate::rewrite::Rewriter;
use crate::root::Root;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::state_file::SegmentEntry;
use crate::stream::{self, Entry, StreamHeader};
use crate::value_index::ValueWatcher;

impl Snapshot {
    /// Writes this version to `to` as a compact, summed stream of all pairs of all spaces with
    /// their commit indexes; answers the number of bytes. Writers go on meanwhile. `report` is
    /// told how far it is, about every 64 KiB, and answers whether to go on.
    ///
    /// # Errors
    ///
    /// `Io` where `to` fails or `report` answers `false`; `Corrupt` where a record does not match
    /// its sum.
    pub fn write_to(
        &self,
        to: &mut dyn Write,
        mut report: impl FnMut(Progress) -> bool,
    ) -> Result<u64> {
        stream::write(self.root(), to, &mut report)
    }
}

impl Db {
    /// Writes the newest version to `to`: see [`Snapshot::write_to`].
    pub fn snapshot_to(
        &self,
        to: &mut dyn Write,
        report: impl FnMut(Progress) -> bool,
    ) -> Result<u64> {
        self.snapshot()?.write_to(to, report)
    }

    /// Replaces everything by what `from` holds, commit indexes included. It is built beside and
    /// put in place with one rename: interrupted anywhere, cancelled by `report`, or fed a broken
    /// stream, the store is what it was. Snapshots taken before stay what they are. Waits for the
    /// write transaction; none begins meanwhile.
    pub fn restore(
        &self,
        from: &mut dyn Read,
        mut report: impl FnMut(Progress) -> bool,
    ) -> Result<()> {
        // A transaction without changes is the turn.
        let turn = self.begin()?;
        let built = build(&self.shared, from, &mut report)?;
        self.shared.wait_for_queue();
        let made = built.segments.iter();
        let made: Vec<Arc<Segment>> = made.map(|(segment, _)| Arc::clone(segment)).collect();
        let replaced = self.shared.lead(|log, root| switch(log, root, built));
        if matches!(replaced, Err(Error::NoSpace { .. })) {
            // Nothing names them, and a full disk needs their space.
            self.shared.remove_files(&made);
        }
        let removed = replaced?;
        let mut state = self.shared.lock();
        let last = state.root.as_ref().map_or(0, |root| root.last_commit_index);
        state.last_index = last;
        if let Some(log) = &state.log {
            state.next_space = log.next_space;
        }
        drop(state);
        drop(turn);
        self.shared.remove_files(&removed);
        tracing::info!(commit_index = last, "restored");
        Ok(())
    }
}

struct Built {
    header: StreamHeader,
    segments: Vec<(Arc<Segment>, SegmentEntry)>,
    keys: Vec<u8>,
    pairs: Vec<(SegmentId, Op)>,
}

/// Writes what the stream holds into segments that nothing names.
fn build(
    shared: &Shared,
    from: &mut dyn Read,
    report: &mut dyn FnMut(Progress) -> bool,
) -> Result<Built> {
    let directory = shared.current()?.lease.directory.clone();
    let mut rewriter = Rewriter::new(
        Arc::clone(&shared.options.disk),
        directory,
        shared.rules.clone(),
        shared.store,
        Arc::clone(&shared.next_segment),
    );
    let (mut keys, mut pairs) = (Vec::new(), Vec::new());
    let header = stream::read(from, report, &mut |entry| {
        let (kind, space, commit_index, key, value) = match entry {
            Entry::Space {
                id,
                name,
                commit_index,
            } => (Kind::CreateSpace, id, commit_index, name, &[][..]),
            Entry::Pair {
                space,
                commit_index,
                key,
                value,
            } => (Kind::Put, space, commit_index, key, value),
        };
        let is_bad = key.is_empty()
            || key.len() > KEY_BYTES_MAX
            || (kind == Kind::CreateSpace && space == SpaceId::DEFAULT);
        if is_bad {
            return Err(Error::corrupt(
                kv_api::Place::Store,
                "a snapshot stream with a key or a name that no store has",
            ));
        }
        let place = rewriter.push(kind, space, commit_index, key, value)?;
        pairs.push((
            place.segment(),
            op_at(place, kind, space, commit_index, &keys, key)?,
        ));
        keys.extend_from_slice(key);
        Ok(())
    })?;
    let segments = rewriter.finish()?;
    Ok(Built {
        header,
        segments,
        keys,
        pairs,
    })
}

fn op_at(
    place: Place,
    kind: Kind,
    space: SpaceId,
    commit_index: u64,
    keys: &[u8],
    key: &[u8],
) -> Result<Op> {
    let too_many = |_| Error::Unsupported {
        what: "a restore of more than 4 GiB of keys",
    };
    Ok(Op {
        space,
        kind,
        key_start: u32::try_from(keys.len()).map_err(too_many)?,
        key_len: u32::try_from(key.len()).map_err(too_many)?,
        record_start: place.offset,
        header_len: place.header_len(),
        len: place.len,
        commit_index,
    })
}

/// Names the new segments and a fresh active one in place of all others. Answers the old ones.
fn switch(
    log: &mut Log,
    root: &Arc<Root>,
    built: Built,
) -> Result<(Vec<Arc<Segment>>, Option<Root>), Failed> {
    log.flush()?;
    let active = log.create_segment(0).map_err(Failed::by_kind)?;
    let old = root.segments.order().to_vec();
    let mut state = log.state.clone();
    state.clean = false;
    state.checkpoint = None;
    state.last_commit_index = built.header.last_commit_index;
    state.segments = built.segments.iter().map(|(_, entry)| *entry).collect();
    state.segments.push(active.fresh_entry());
    let next_space = log.next_space;
    log.next_space = next_space.max(built.header.next_space);
    if let Err(failed) = log.replace_state(state) {
        log.next_space = next_space;
        if !failed.poisons {
            // Best effort. Where the switch may have happened, the file must stay.
            let _ = log.disk.remove(&active.path);
        }
        // Where the name may have changed, the store is the old one or the new one, whole.
        return Err(Failed {
            in_doubt: failed.poisons,
            ..failed
        });
    }
    log.begin_at(Arc::clone(&active));
    log.since_checkpoint = log.bytes_to_replay();
    if let Some(waker) = &log.waker {
        // A checkpoint may be worth it.
        waker.wake();
    }
    let mut order: Vec<Arc<Segment>> = built
        .segments
        .into_iter()
        .map(|(segment, _)| segment)
        .collect();
    order.push(active);
    let mut new = Root::new(Arc::new(SegmentTable::new(order)), Arc::clone(&root.lease));
    // Ids and commit indexes begin anew; snapshots of before keep the index they have.
    if log.watcher.is_some() {
        let mut watcher = ValueWatcher::new();
        new.values = Some(watcher.view());
        log.watcher = Some(Box::new(watcher));
    }
    let ops: Vec<Op> = built.pairs.iter().map(|(_, op)| *op).collect();
    let mut rest = ops.as_slice();
    for run in built.pairs.chunk_by(|left, right| left.0 == right.0) {
        let Some((segment, _)) = run.first() else {
            continue;
        };
        let (here, behind) = rest.split_at_checked(run.len()).unwrap_or((rest, &[]));
        rest = behind;
        let changes = Changes {
            ops: here,
            keys: &built.keys,
            segment: *segment,
            base: 0,
        };
        apply(&mut new, changes, true, log.watcher.as_deref_mut());
    }
    new.last_commit_index = built.header.last_commit_index;
    Ok((old, Some(new)))
}
