//! Mapping a segment: the one place where this engine vouches for bytes it did not copy.

#![allow(
    unsafe_code,
    reason = "a mapping's promise is given here and nowhere else"
)]

use std::io;
use std::sync::Arc;

use disk::{File, MapOptions, View};

/// Maps the whole of a segment, as long as it may become.
pub(crate) fn map(file: &dyn File, capacity_bytes: u64) -> io::Result<Arc<dyn View>> {
    let options = MapOptions {
        len: capacity_bytes,
        ..MapOptions::default()
    };
    // SAFETY: what `File::map` asks for is kept as follows.
    // * Nothing behind the end of the file is asked for: `Segment::bytes` lends below `readable`
    //   only, which is moved up after the write of those bytes has returned.
    // * The file is never cut below that: a segment is cut at its end, which `readable` never
    //   passes, when it is sealed or closed, and at opening, before it is mapped.
    // * No byte below `readable` is written again: the log only appends at its end, which is at or
    //   above `readable`; segments are new files, never used a second time, and removing one
    //   leaves the bytes to those who have it mapped. What recovery writes again (the same bytes)
    //   it writes before the segment is mapped by this handle, and another handle cannot have it
    //   mapped: every snapshot holds the lease with the lock on the store.
    // * Other processes are kept out by that lock. Those that ignore it break the promise as they
    //   would break the store.
    unsafe { file.map(&options) }
}
