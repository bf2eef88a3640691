//! Making a segment: how it is laid out, and its file.

use std::sync::Arc;

use disk::{Disk, OpenOptions, write_all_at};
use kv_api::{Error, Result};

use crate::ids::SegmentId;
use crate::log::cache::Cache;
use crate::log::frame::Seal;
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment, encode_header};
use crate::names;

/// How segments are laid out.
#[derive(Clone, Debug)]
pub(crate) struct LogRules {
    pub(crate) segment_bytes: u32,
    pub(crate) prewrite_bytes: u32,
    /// Reads go through this cache, without mappings.
    pub(crate) cache: Option<Arc<Cache>>,
}

/// Makes the file of a segment, durable with its name.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    directory: &std::path::Path,
    rules: &LogRules,
    store: [u8; 16],
    id: SegmentId,
    bytes: u64,
) -> Result<Arc<Segment>> {
    let making = |error| Error::io("making a segment", error);
    if id.is_unwritten() {
        return Err(Error::NoSpace {
            what: "every number of a segment was used".into(),
        });
    }
    let seal = Seal {
        store,
        segment: id,
        epoch: u64::from(id.0),
    };
    let path = directory.join(names::segment(id));
    // A file of this name is what a crash or a failure left before anything named it.
    let how = OpenOptions {
        create: disk::Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    let file = disk.open(&path, &how).map_err(making)?;
    let made = file
        .set_len(0)
        .and_then(|()| write_all_at(&*file, &encode_header(&seal), 0))
        .and_then(|()| file.sync_all())
        .and_then(|()| disk.sync_directory(directory));
    if let Err(error) = made {
        // Best effort: the next opening removes what nothing names.
        let _ = disk.remove(&path);
        return Err(making(error));
    }
    let needed = bytes.saturating_add(SEGMENT_HEADER_BYTES.into());
    let capacity = needed.max(rules.segment_bytes.into());
    let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
    let cache = rules.cache.as_ref();
    Segment::new(seal, path, file, SEGMENT_HEADER_BYTES, capacity, cache).map(Arc::new)
}
