//! Building the index from the log: changes are gathered and merged in large sorted batches.

use std::sync::Arc;

use kv_api::Result;

use crate::apply::{Changes, apply};
use crate::log::batch::Op;
use crate::log::covered::Covered;
use crate::log::record::Kind;
use crate::log::scan::{Frame, Frames};
use crate::log::segment::Segment;
use crate::log::watcher::Watcher;
use crate::root::Root;

/// Changes gathered before they are merged.
const OPS_MAX: usize = 1 << 20;
/// Bytes of keys gathered before they are merged.
const KEYS_BYTES_MAX: usize = 1 << 28;

/// An index on its way.
pub(crate) struct Replay<'a> {
    pub(crate) root: &'a mut Root,
    pub(crate) watcher: Option<&'a mut dyn Watcher>,
    /// The first id that no space has had, as far as the log tells.
    pub(crate) next_space: u32,
    pub(crate) commits: u64,
    ops: Vec<Op>,
    keys: Vec<u8>,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(root: &'a mut Root, watcher: Option<&'a mut dyn Watcher>) -> Self {
        Replay {
            root,
            watcher,
            next_space: 1,
            commits: 0,
            ops: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Reads a segment's frames from a place on. The segment must be in the root's table.
    pub(crate) fn segment(&mut self, segment: &Segment, from: Covered) -> Result<Covered> {
        let file = Arc::clone(&segment.file);
        let mut frames = Frames::new(file, segment.seal, from.at, from.head_sum)?;
        while let Some(frame) = frames.next()? {
            self.frame(segment, &frame);
        }
        self.flush(segment);
        Ok(Covered {
            segment: segment.id(),
            at: frames.at,
            head_sum: frames.head_sum,
        })
    }

    fn frame(&mut self, segment: &Segment, frame: &Frame) {
        self.commits += 1;
        let last = self.root.last_commit_index.max(frame.head.commit_index);
        self.root.last_commit_index = last;
        let keys_more: usize = frame.ops.iter().map(|op| op.key_len as usize).sum();
        let full = self.ops.len() + frame.ops.len() > OPS_MAX
            || self.keys.len() + keys_more > KEYS_BYTES_MAX;
        if full {
            self.flush(segment);
        }
        for op in &frame.ops {
            if op.kind == Kind::CreateSpace {
                self.next_space = self.next_space.max(op.space.0.saturating_add(1));
            }
            let key_start = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
            self.keys.extend_from_slice(op.key(&frame.body));
            self.ops.push(Op {
                key_start,
                record_start: frame.body_start + op.record_start,
                ..*op
            });
        }
    }

    fn flush(&mut self, segment: &Segment) {
        let changes = Changes {
            ops: &self.ops,
            keys: &self.keys,
            segment: segment.id(),
            base: 0,
        };
        apply(self.root, changes, true, self.watcher.as_deref_mut());
        self.ops.clear();
        self.keys.clear();
    }
}
