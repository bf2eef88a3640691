//! The index, written out, so that opening reads it instead of the whole log.
//!
//! It is written beside, synced, and named by `meta.state` only then. It covers the log up to a
//! place that is durable; what follows is replayed. Keys are told by what they add to the one
//! before. It names segments, so whoever takes a segment away takes the checkpoint with it. It says
//! whose it is and which, so that no other one is taken for it.

use std::io::{self, Read, Write};
use std::sync::Arc;

use disk::{Create, File, OpenOptions, read_up_to_at, write_all_at};
use kv_api::{Error, Result};

use crate::blocks::{BlockReader, BlockWriter, Shape};
use crate::ids::{SegmentId, SpaceId};
use crate::lease::Lease;
use crate::loading::{Loading, checkpoint_damaged};
use crate::log::batch::Op;
use crate::log::covered::Covered;
use crate::log::record::{KEY_BYTES_MAX, Kind};
use crate::log::watcher::Watcher;
use crate::names;
use crate::place::Place;
use crate::reader::Source;
use crate::root::Root;
use crate::stored_values::{StoredValues, take_values, write_values};
use crate::stream::take_prefixed;
use crate::value_index::ValueWatcher;
use crate::varint::{self, take, take_array, take_u32};

const SHAPE: Shape = Shape {
    magic: *b"FlatIndx",
    version: 2,
    name: "index checkpoint",
};

const SPACE: u8 = 1;
const KEY: u8 = 2;
const END: u8 = 3;

/// Writes to a file from its beginning.
struct FileWriter<'a> {
    file: &'a dyn File,
    at: u64,
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file from its beginning.
struct FileReader<'a> {
    file: &'a dyn File,
    at: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_up_to_at(self.file, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Writes the checkpoint `number` of `root`, which must be durable up to `covered`. Durable with
/// its name when this returns.
pub(crate) fn write(root: &Root, covered: Covered, number: u32) -> Result<()> {
    let (disk, directory) = (&*root.lease.disk, &*root.lease.directory);
    let writing = |error| Error::io("writing a checkpoint", error);
    let how = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    let path = directory.join(names::checkpoint(number));
    let file = disk.open(&path, &how).map_err(writing)?;
    let written = write_file(root, covered, number, &*file)
        .and_then(|()| disk.sync_directory(directory).map_err(writing));
    if written.is_err() {
        // Nothing names it, and a full disk needs its space. Best effort: the next opening removes
        // it, too.
        let _ = disk.remove(&path);
    }
    written
}

fn write_file(root: &Root, covered: Covered, number: u32, file: &dyn File) -> Result<()> {
    let writing = |error| Error::io("writing a checkpoint", error);
    file.set_len(0).map_err(writing)?;
    let mut to = FileWriter { file, at: 0 };
    write_entries(root, covered, number, &mut to)?;
    file.sync_all().map_err(writing)
}

fn write_entries(root: &Root, covered: Covered, number: u32, to: &mut dyn Write) -> Result<()> {
    let mut writer = BlockWriter::new(to, SHAPE)?;
    let block = &mut writer.block;
    block.extend_from_slice(&store_of(root));
    varint::push(block, number.into());
    varint::push(block, covered.segment.0.into());
    varint::push(block, covered.at.into());
    varint::push(block, covered.head_sum.into());
    varint::push(block, root.last_commit_index);
    for (name, named) in root.names.iter() {
        let block = &mut writer.block;
        block.push(SPACE);
        varint::push(block, named.id.0.into());
        push_place(block, named.place, named.commit_index);
        varint::push(block, name.len() as u64);
        block.extend_from_slice(name);
        writer.end_entry()?;
    }
    let mut keys = 0;
    // The rows are counted, from 1: these numbers become the keys' ids when it is read.
    let mut ids = Vec::new();
    for (id, _) in root.spaces() {
        let mut walk = Source::of(root).walk(id);
        let mut before: &[u8] = &[];
        let mut entry = walk.first();
        while let Some((key, item)) = entry {
            let shared = before.iter().zip(key).take_while(|(l, r)| l == r).count();
            let block = &mut writer.block;
            block.push(KEY);
            varint::push(block, id.0.into());
            push_place(block, item.place, item.commit_index);
            varint::push(block, shared as u64);
            let added = key.get(shared..).unwrap_or_default();
            varint::push(block, added.len() as u64);
            block.extend_from_slice(added);
            keys += 1;
            ids.push(item.key_id);
            // A block is read on its own.
            before = if writer.end_entry()? { &[] } else { key };
            entry = walk.next();
        }
    }
    if let Some(values) = &root.values {
        write_values(
            &values.index.tokens,
            &ids,
            root.last_commit_index,
            &mut writer,
        )?;
    }
    writer.block.push(END);
    varint::push(&mut writer.block, keys);
    writer.finish().map(drop)
}

/// The id of the store.
fn store_of(root: &Root) -> [u8; 16] {
    let first = root.segments.order().first();
    first.map_or([0; 16], |segment| segment.seal.store)
}

fn push_place(to: &mut Vec<u8>, place: Place, commit_index: u64) {
    varint::push(to, place.segment().0.into());
    varint::push(to, place.offset.into());
    varint::push(to, place.header_len().into());
    varint::push(to, place.len.into());
    varint::push(to, commit_index);
}

fn take_place(rest: &mut &[u8]) -> Option<(Place, u64)> {
    let segment = take_u32(rest).map(SegmentId);
    let segment = segment.filter(|segment| !segment.is_unwritten())?;
    let offset = take_u32(rest)?;
    let header_len = take_u32(rest).filter(|len| *len < 64)?;
    let len = take_u32(rest)?;
    let place = Place::new(segment, offset, header_len, len);
    Some((place, take(rest)?))
}

/// Fills `root`, which has its segments and nothing else, from checkpoint `number`. Answers up to
/// where it covers the log.
pub(crate) fn read(
    root: &mut Root,
    number: u32,
    watcher: Option<&mut ValueWatcher>,
) -> Result<Covered> {
    let named = Named::of(root, number);
    let mut values = StoredValues::default();
    let kept = watcher.is_some().then_some(&mut values);
    let mut loading = Loading::new(root, number, watcher.is_some());
    let visit = &mut |op: Op, place, key: &[u8]| loading.entry(&op, place, key);
    let (covered, last) = read_entries(&named, visit, kept)?;
    let keys = loading.finish(covered)?;
    if let Some(watcher) = watcher {
        let known = values.read(keys.len());
        let known = known.map_err(|what| checkpoint_damaged(number, &what))?;
        *watcher = ValueWatcher::loaded(root, keys, known);
        root.values = Some(watcher.view());
    }
    root.last_commit_index = root.last_commit_index.max(last);
    Ok(covered)
}

/// Reads every block and entry of checkpoint `number`.
pub(crate) fn verify(root: &Root, number: u32) -> Result<()> {
    let mut values = StoredValues::default();
    let visit = &mut |_, _, _: &[u8]| Ok(());
    read_entries(&Named::of(root, number), visit, Some(&mut values))?;
    let verified = values.verify();
    verified.map_err(|what| checkpoint_damaged(number, &what))
}

type Visit<'a> = &'a mut dyn FnMut(Op, Place, &[u8]) -> Result<()>;

/// Which checkpoint, and where.
struct Named {
    lease: Arc<Lease>,
    store: [u8; 16],
    number: u32,
}

impl Named {
    fn of(root: &Root, number: u32) -> Named {
        Named {
            lease: Arc::clone(&root.lease),
            store: store_of(root),
            number,
        }
    }
}

fn read_entries(
    named: &Named,
    visit: Visit<'_>,
    mut values: Option<&mut StoredValues>,
) -> Result<(Covered, u64)> {
    let number = named.number;
    let reading = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => checkpoint_damaged(number, "the checkpoint is missing"),
        _ => Error::io("reading a checkpoint", error),
    };
    let path = named.lease.directory.join(names::checkpoint(number));
    let file = named.lease.disk.open(&path, &OpenOptions::READ);
    let file = file.map_err(reading)?;
    let len = file.len().map_err(reading)?;
    let mut from = FileReader {
        file: &*file,
        at: 0,
    };
    let mut reader = BlockReader::new(&mut from, SHAPE)?;
    let malformed = || checkpoint_damaged(number, "an entry is malformed");
    let mut header = None;
    let mut count = 0;
    loop {
        let block = reader.next()?;
        let mut rest = block.as_slice();
        if header.is_none() {
            let whose = (take_array(&mut rest), take_u32(&mut rest));
            if whose != (Some(named.store), Some(number)) {
                return Err(checkpoint_damaged(number, "this is another checkpoint"));
            }
            header = Some(take_header(&mut rest).ok_or_else(malformed)?);
        }
        let mut key = Vec::new();
        while !rest.is_empty() {
            let [tag] = take_array::<1>(&mut rest).ok_or_else(malformed)?;
            if tag == END {
                let whole =
                    take(&mut rest) == Some(count) && rest.is_empty() && reader.bytes == len;
                return header.filter(|_| whole).ok_or_else(malformed);
            }
            if StoredValues::has(tag) {
                let taken = take_values(tag, &mut rest, values.as_deref_mut());
                taken.ok_or_else(malformed)?;
                continue;
            }
            let (op, place) = take_entry(tag, &mut rest, &mut key).ok_or_else(malformed)?;
            count += u64::from(tag == KEY);
            visit(op, place, &key)?;
        }
    }
}

fn take_header(rest: &mut &[u8]) -> Option<(Covered, u64)> {
    let covered = Covered {
        segment: SegmentId(take_u32(rest)?),
        at: take_u32(rest)?,
        head_sum: take_u32(rest)?,
    };
    Some((covered, take(rest)?))
}

fn take_entry(tag: u8, rest: &mut &[u8], key: &mut Vec<u8>) -> Option<(Op, Place)> {
    let space = SpaceId(take_u32(rest)?);
    let (place, commit_index) = take_place(rest)?;
    let kind = match tag {
        SPACE => {
            key.clear();
            key.extend_from_slice(take_prefixed(rest)?);
            Kind::CreateSpace
        }
        KEY => {
            let shared = usize::try_from(take(rest)?).ok()?;
            let added = take_prefixed(rest)?;
            if shared > key.len() || shared + added.len() > KEY_BYTES_MAX {
                return None;
            }
            key.truncate(shared);
            key.extend_from_slice(added);
            Kind::Put
        }
        _ => return None,
    };
    let op = Op {
        space,
        kind,
        key_start: 0,
        key_len: u32::try_from(key.len()).ok()?,
        record_start: place.offset,
        header_len: place.header_len(),
        len: place.len,
        commit_index,
    };
    Some((op, place)).filter(|_| !key.is_empty())
}
