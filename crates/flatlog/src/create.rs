//! A store that comes into being: its directory, its first segment, and then the state that names
//! it.

use std::path::Path;

use disk::{Disk, OpenOptions};
use kv_api::{Error, Place, Result};

use crate::ids::SegmentId;
use crate::log::segment::SEGMENT_HEADER_BYTES;
use crate::log::writer::{LogRules, create_segment};
use crate::names;
use crate::options::Options;
use crate::state_file::StateFile;

pub(crate) fn make_directory(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let making = |error| Error::io("making the store's directory", error);
    match disk.create_directory(directory) {
        Ok(()) => {
            let parent = directory.parent().unwrap_or(Path::new(""));
            disk.sync_directory(parent).map_err(making)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(making(error)),
    }
}

/// Makes an empty store: its segment first, then the state that names it.
pub(crate) fn create(options: &Options, directory: &Path, rules: &LogRules) -> Result<StateFile> {
    let disk = &*options.disk;
    refuse_orphans(disk, directory)?;
    // The directory may be what an earlier process made and did not make durable.
    let parent = directory.parent().unwrap_or(Path::new(""));
    disk.sync_directory(parent)
        .map_err(|error| Error::io("making the store's directory", error))?;
    let id = SegmentId(1);
    let store = options
        .store_id
        .unwrap_or_else(|| fresh_store_id(directory));
    let segment = create_segment(disk, directory, rules, store, id, 0)?;
    let state = StateFile {
        store,
        sequence: 1,
        clean: true,
        last_commit_index: 0,
        next_segment: 2,
        next_space: 1,
        next_checkpoint: 1,
        checkpoint: None,
        segments: vec![segment.fresh_entry()],
    };
    state.write_beside(disk, directory)?;
    StateFile::switch(disk, directory)?;
    Ok(state)
}

/// A directory without `meta.state` holds nothing yet, or what somebody needs to look at.
fn refuse_orphans(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let looking = |error| Error::io("reading the store's directory", error);
    for name in disk.list(directory).map_err(looking)? {
        let name = name.to_string_lossy().into_owned();
        if !names::is_removable(&name) || name == names::STATE_NEW {
            continue;
        }
        let file = disk
            .open(&directory.join(&name), &OpenOptions::READ)
            .map_err(looking)?;
        if file.len().map_err(looking)? > u64::from(SEGMENT_HEADER_BYTES) {
            let what = format!("meta.state is missing, and {name} holds data");
            return Err(Error::corrupt(Place::Store, what));
        }
    }
    Ok(())
}

/// Tells stores apart; nothing secret.
fn fresh_store_id(directory: &Path) -> [u8; 16] {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut id = [0; 16];
    for (half, part) in id.chunks_exact_mut(8).zip(0_u8..) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(directory.as_os_str().as_encoded_bytes());
        hasher.write_u8(part);
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    id
}
