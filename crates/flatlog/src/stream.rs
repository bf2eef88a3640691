//! The snapshot stream: every live pair of one version, with its commit index.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use kv_api::capability::{Progress, ReportProgress};
use kv_api::{Error, Result};

use crate::blocks::{BlockReader, BlockWriter, Shape};
use crate::ids::SpaceId;
use crate::reader::Source;
use crate::root::Root;
use crate::varint::{self, take, take_array, take_bytes, take_u32};

const SHAPE: Shape = Shape {
    magic: *b"FlatSnap",
    version: 1,
    name: "snapshot stream",
};

const HEADER: u8 = 0;
const SPACE: u8 = 1;
const PAIR: u8 = 2;
const END: u8 = 3;

fn cancelled() -> Error {
    Error::io("snapshot stream", std::io::Error::other("cancelled"))
}

/// What a stream says before its pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHeader {
    pub(crate) last_commit_index: u64,
    pub(crate) next_space: u32,
    pub(crate) pairs_total: u64,
}

/// One thing in a stream.
pub(crate) enum Entry<'a> {
    Space {
        id: SpaceId,
        name: &'a [u8],
        commit_index: u64,
    },
    Pair {
        space: SpaceId,
        commit_index: u64,
        key: &'a [u8],
        value: &'a [u8],
    },
}

/// Writes `root` to `to`; answers the number of bytes.
pub(crate) fn write(root: &Root, to: &mut dyn Write, report: ReportProgress<'_>) -> Result<u64> {
    let mut writer = BlockWriter::new(to, SHAPE)?;
    let pairs_total = root.spaces().map(|(_, space)| space.len()).sum();
    let next_space = root
        .names
        .values()
        .map(|named| named.id.0 + 1)
        .max()
        .unwrap_or(1);
    let block = &mut writer.block;
    block.push(HEADER);
    varint::push(block, root.last_commit_index);
    varint::push(block, next_space.into());
    varint::push(block, pairs_total);
    for (name, named) in root.names.iter() {
        writer.block.push(SPACE);
        varint::push(&mut writer.block, named.id.0.into());
        varint::push(&mut writer.block, named.commit_index);
        push_bytes(&mut writer.block, name);
        writer.end_entry()?;
    }
    let mut pairs = 0;
    let source = Source::of(root);
    for (id, _) in root.spaces() {
        let mut walk = source.walk(id);
        let mut entry = walk.first();
        while let Some((key, item)) = entry {
            let value = source.value(&item, id, key)?;
            writer.block.push(PAIR);
            varint::push(&mut writer.block, id.0.into());
            varint::push(&mut writer.block, item.commit_index);
            push_bytes(&mut writer.block, key);
            push_bytes(&mut writer.block, &value);
            pairs += 1;
            let progress = Progress {
                pairs,
                pairs_total,
                bytes: writer.bytes,
            };
            if writer.end_entry()? && !report(progress) {
                return Err(cancelled());
            }
            entry = walk.next();
        }
    }
    writer.block.push(END);
    varint::push(&mut writer.block, pairs);
    let bytes = writer.finish()?;
    let done = Progress {
        pairs,
        pairs_total,
        bytes,
    };
    if report(done) {
        Ok(bytes)
    } else {
        Err(cancelled())
    }
}

fn push_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    varint::push(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Reads a stream to its end, giving everything to `visit`. Whatever `visit` was given counts only
/// if this answers `Ok`: then the stream was whole.
pub(crate) fn read(
    from: &mut dyn Read,
    report: ReportProgress<'_>,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<()>,
) -> Result<StreamHeader> {
    let mut reader = BlockReader::new(from, SHAPE)?;
    let mut header: Option<StreamHeader> = None;
    let mut order = Order::default();
    let mut pairs = 0;
    loop {
        let block = reader.next()?;
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let malformed = || reader.damaged("an entry is malformed");
            let [tag] = take_array::<1>(&mut rest).ok_or_else(malformed)?;
            if tag == END {
                let count = take(&mut rest).ok_or_else(malformed)?;
                let header = header.filter(|header| header.pairs_total == pairs && count == pairs);
                let header = header.filter(|_| rest.is_empty()).ok_or_else(malformed)?;
                let done = Progress {
                    pairs,
                    pairs_total: pairs,
                    bytes: reader.bytes,
                };
                return report(done).then_some(header).ok_or_else(cancelled);
            }
            let Some(header) = header else {
                let first = (tag == HEADER).then(|| take_header(&mut rest)).flatten();
                header = Some(first.ok_or_else(malformed)?);
                continue;
            };
            let entry = take_entry(tag, &mut rest).ok_or_else(malformed)?;
            if !order.follows(&entry, &header) {
                return Err(reader.damaged("an entry that no store has there"));
            }
            pairs += u64::from(matches!(entry, Entry::Pair { .. }));
            visit(entry)?;
        }
        let progress = Progress {
            pairs,
            pairs_total: header.map_or(0, |header| header.pairs_total),
            bytes: reader.bytes,
        };
        if !report(progress) {
            return Err(cancelled());
        }
    }
}

/// What a stream told so far, as far as it binds what comes.
#[derive(Default)]
struct Order {
    spaces: BTreeSet<SpaceId>,
    last_name: Vec<u8>,
    /// The space and the key of the last pair.
    last_pair: Option<(SpaceId, Vec<u8>)>,
}

impl Order {
    /// Whether `entry` may come next: spaces by name before all pairs, pairs by space and key, in
    /// spaces that there are, and nothing newer than the whole.
    fn follows(&mut self, entry: &Entry<'_>, header: &StreamHeader) -> bool {
        match *entry {
            Entry::Space {
                id,
                name,
                commit_index,
            } => {
                let is_next = self.last_pair.is_none() && self.last_name.as_slice() < name;
                self.last_name = name.to_vec();
                let is_known = id < SpaceId(header.next_space) && id != SpaceId::DEFAULT;
                let is_new = self.spaces.insert(id);
                is_next && is_known && is_new && commit_index <= header.last_commit_index
            }
            Entry::Pair {
                space,
                commit_index,
                key,
                ..
            } => {
                let is_there = space == SpaceId::DEFAULT || self.spaces.contains(&space);
                let last = &mut self.last_pair;
                let last = last.get_or_insert_with(|| (SpaceId::DEFAULT, Vec::new()));
                let is_next = (last.0, last.1.as_slice()) < (space, key);
                last.0 = space;
                last.1.clear();
                last.1.extend_from_slice(key);
                is_next && is_there && commit_index <= header.last_commit_index
            }
        }
    }
}

fn take_header(rest: &mut &[u8]) -> Option<StreamHeader> {
    Some(StreamHeader {
        last_commit_index: take(rest)?,
        next_space: take_u32(rest)?,
        pairs_total: take(rest)?,
    })
}

fn take_entry<'a>(tag: u8, rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let space = SpaceId(take_u32(rest)?);
    let commit_index = take(rest)?;
    match tag {
        SPACE => Some(Entry::Space {
            id: space,
            commit_index,
            name: take_prefixed(rest)?,
        }),
        PAIR => Some(Entry::Pair {
            space,
            commit_index,
            key: take_prefixed(rest)?,
            value: take_prefixed(rest)?,
        }),
        _ => None,
    }
}

/// Takes a length and as many bytes.
pub(crate) fn take_prefixed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take(rest)?).ok()?;
    take_bytes(rest, len)
}
