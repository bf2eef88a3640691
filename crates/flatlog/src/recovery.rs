//! Finding the end of a log that was not closed, and making it certain.
//!
//! What is found behind the certain mark may be in the system's cache only, after a sync that
//! failed or the death of a process. So before anything relies on it, it is written again where it
//! stands and synced.

use std::path::Path;
use std::sync::Arc;

use disk::{Create, Disk, File, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Error, Place, Result};

use crate::log::frame::Seal;
use crate::log::scan::Frames;
use crate::log::segment::SEGMENT_HEADER_BYTES;
use crate::names;

/// Bytes copied at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// What opening cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Torn {
    /// The segment's file in the store's directory.
    pub segment: String,
    /// Where the log ended.
    pub offset: u64,
    /// Bytes cut off there, up to the last that was not zero.
    pub bytes: u64,
    /// The file they were kept in; none where the store was opened for reading only.
    pub kept_in: Option<String>,
}

/// What opening did beside reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the store had been closed.
    pub was_closed: bool,
    /// What was cut off from the end of the log.
    pub torn: Option<Torn>,
    /// Commits read from the log rather than from a checkpoint.
    pub replayed_commits: u64,
    /// Values read for the index over values, because no checkpoint told what they hold.
    pub values_read: u64,
}

/// Where the log of the active segment ends.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) end: u32,
    pub(crate) torn: Option<Torn>,
}

/// Finds the end of the log in the active segment.
///
/// # Errors
///
/// `Corrupt` if it ends before `certain`, or if a frame behind the end says that the log was
/// durable beyond it: no crash does that.
pub(crate) fn find_end(file: &Arc<dyn File>, seal: Seal, certain: u32) -> Result<Tail> {
    let mut frames = Frames::new(Arc::clone(file), seal, SEGMENT_HEADER_BYTES, 0)?;
    while frames.next()?.is_some() {}
    let damaged = |what: String| {
        let place = Place::Offset {
            file: names::segment(seal.segment),
            offset: frames.at.into(),
        };
        Err(Error::corrupt(place, what))
    };
    if frames.at < certain {
        return damaged(format!(
            "a damaged commit below {certain}, where all is durable"
        ));
    }
    if let Some(proof) = frames.find_proof_of_damage()? {
        return damaged(format!("a damaged commit before a later one, at {proof}"));
    }
    let torn = frames.end_of_remains()?.map(|end| Torn {
        segment: names::segment(seal.segment),
        offset: frames.at.into(),
        bytes: u64::from(end - frames.at),
        kept_in: None,
    });
    Ok(Tail {
        end: frames.at,
        torn,
    })
}

/// Keeps what will be cut off in a file of its own, durably.
pub(crate) fn keep_remains(
    disk: &dyn Disk,
    directory: &Path,
    file: &dyn File,
    seal: Seal,
    tail: &mut Tail,
) -> Result<()> {
    let Some(torn) = &mut tail.torn else {
        return Ok(());
    };
    let keeping = |error| Error::io("keeping what was torn", error);
    let name = names::torn(seal.segment, tail.end);
    let how = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    let kept = disk.open(&directory.join(&name), &how).map_err(keeping)?;
    kept.set_len(0).map_err(keeping)?;
    copy(file, torn.offset, torn.bytes, |bytes, at| {
        write_all_at(&*kept, bytes, at)
    })
    .map_err(keeping)?;
    kept.sync_all()
        .and_then(|()| disk.sync_directory(directory))
        .map_err(keeping)?;
    tracing::warn!(
        segment = torn.segment,
        offset = torn.offset,
        bytes = torn.bytes,
        "cut the log's torn end off"
    );
    torn.kept_in = Some(name);
    Ok(())
}

/// Makes the log certain up to its end, and the file end there. Not only the bytes may be in the
/// cache alone: a file that was cut before a sync that failed has its new length in the cache and
/// its old one on the disk, and no later sync need carry it there. So it is cut anew.
pub(crate) fn make_certain(file: &dyn File, certain: u32, end: u32) -> Result<()> {
    let again = |error| Error::io("making the log's end certain", error);
    copy(
        file,
        certain.into(),
        u64::from(end - certain),
        |bytes, at| write_all_at(file, bytes, u64::from(certain) + at),
    )
    .and_then(|()| file.set_len(u64::from(end) + 1))
    .and_then(|()| file.set_len(end.into()))
    .and_then(|()| file.sync_all())
    .map_err(again)
}

fn copy(
    from: &dyn File,
    start: u64,
    len: u64,
    mut write: impl FnMut(&[u8], u64) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut done = 0;
    while done < len {
        let part = usize::try_from(len - done)
            .unwrap_or(usize::MAX)
            .min(WINDOW_BYTES);
        let bytes = window.get_mut(..part).unwrap_or_default();
        read_exact_at(from, bytes, start + done)?;
        write(bytes, done)?;
        done += part as u64;
    }
    Ok(())
}
