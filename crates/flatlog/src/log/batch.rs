//! What one commit does, encoded as it will stand in the log.

use kv_api::{Durability, Error, Result};

use crate::ids::SpaceId;
use crate::log::frame::HEAD_BYTES;
use crate::log::record::{self, Kind, Record, SumOfSums};

/// Bytes of records in one commit, at most: its frame lies in one segment, and offsets there are
/// 32 bits wide.
const BODY_BYTES_MAX: u64 = (u32::MAX - (1 << 20)) as u64;

/// One change, and where its record and its key lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) space: SpaceId,
    pub(crate) kind: Kind,
    /// Where the key begins in the buffer that goes with the list of changes.
    pub(crate) key_start: u32,
    pub(crate) key_len: u32,
    /// Where the record begins, counted from where the list's records begin in the segment.
    pub(crate) record_start: u32,
    pub(crate) header_len: u32,
    pub(crate) len: u32,
    pub(crate) commit_index: u64,
}

impl Op {
    /// The key, in the buffer that goes with this change.
    #[inline]
    pub(crate) fn key<'a>(&self, keys: &'a [u8]) -> &'a [u8] {
        let start = self.key_start as usize;
        keys.get(start..start + self.key_len as usize)
            .unwrap_or_default()
    }

    /// The change that a record read at `record_start` makes, its key lying at `key_start`.
    pub(crate) fn of(record: &Record<'_>, record_start: u32, key_start: u32, index: u64) -> Op {
        Op {
            space: record.space,
            kind: record.kind,
            key_start,
            key_len: u32::try_from(record.key.len()).unwrap_or(u32::MAX),
            record_start,
            header_len: record.header_len,
            len: record.len,
            commit_index: index.wrapping_add_signed(record.index_step),
        }
    }
}

/// The changes of one commit.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The salt of the store's sums.
    salt: u32,
    /// The records, one behind the other.
    pub(crate) body: Vec<u8>,
    pub(crate) ops: Vec<Op>,
    pub(crate) records_sum: SumOfSums,
    pub(crate) commit_index: u64,
    pub(crate) durability: Durability,
}

impl Batch {
    pub(crate) fn new(salt: u32) -> Batch {
        Batch {
            salt,
            body: Vec::new(),
            ops: Vec::new(),
            records_sum: SumOfSums::default(),
            commit_index: 0,
            durability: Durability::Sync,
        }
    }

    /// Gives all changes another commit index. They are a transaction's: none has a step of its own.
    pub(crate) fn set_commit_index(&mut self, commit_index: u64) {
        self.commit_index = commit_index;
        for op in &mut self.ops {
            op.commit_index = commit_index;
        }
    }

    /// Bytes in the log.
    pub(crate) fn frame_bytes(&self) -> u64 {
        u64::from(HEAD_BYTES) + self.body.len() as u64
    }

    /// Adds a record; answers the change it makes.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        space: SpaceId,
        index_step: i64,
        key: &[u8],
        value: &[u8],
    ) -> Result<Op> {
        let bytes = self.body.len() as u64 + key.len() as u64 + value.len() as u64 + 64;
        if bytes > BODY_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "transaction",
                bytes,
                bytes_max: BODY_BYTES_MAX,
            });
        }
        let start = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        let written = record::push(
            &mut self.body,
            self.salt,
            kind,
            space,
            index_step,
            key,
            value,
        );
        self.records_sum.add(written.sum);
        let op = Op {
            space,
            kind,
            key_start: start + written.header_len,
            key_len: u32::try_from(key.len()).unwrap_or(u32::MAX),
            record_start: start,
            header_len: written.header_len,
            len: written.len,
            commit_index: self.commit_index.wrapping_add_signed(index_step),
        };
        self.ops.push(op);
        Ok(op)
    }

    /// Forgets the records, but not the memory for them.
    pub(crate) fn clear(&mut self) {
        self.body.clear();
        self.ops.clear();
        self.records_sum = SumOfSums::default();
    }
}
