//! Shared read-only mappings: the only unsafe code of the bolt engine.
//!
//! Invariants:
//! * the map is kept as a raw pointer and a length; no slice over all of it ever exists, because
//!   parts of it (metas, free pages) change while other parts are borrowed;
//! * every slice lent lies inside the map and is borrowed from `self`, so it cannot outlive it.

#![allow(
    unsafe_code,
    reason = "mapping is where the contract with the outside world is"
)]

use std::io;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::machine::os_memory_bytes;
use crate::{MapOptions, View};

/// A shared read-only mapping of the beginning of a file.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
}

impl Mapping {
    /// Maps the first `options.len` bytes of `file`, which may be more than it has.
    ///
    /// # Safety
    ///
    /// For as long as the mapping lives, the caller must not ask for bytes past the end of the
    /// file, the file must not be cut below a range asked for, and no range may be written to
    /// while a slice of it is borrowed.
    pub(crate) unsafe fn new(file: &std::fs::File, options: &MapOptions) -> io::Result<Mapping> {
        let len = usize::try_from(options.len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut how = MmapOptions::new();
        how.len(len);
        if options.populate {
            how.populate();
        }
        let map = how.map_raw_read_only(file)?;
        // A file that memory cannot hold is read page by page: reading around every miss would push
        // out what is needed. Any other is read ahead: it will all be there soon, and a cold scan
        // or a first read after a restart is thirty times faster. Refusal costs speed only.
        let file_bytes = file.metadata()?.len();
        if os_memory_bytes().is_some_and(|memory| file_bytes > memory / 2) {
            let _ = map.advise(Advice::Random);
        }
        lock_in_memory(&map, options.lock_bytes)?;
        Ok(Mapping { map })
    }
}

fn lock_in_memory(map: &MmapRaw, bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(map.len());
    let Some(start) = std::ptr::NonNull::new(map.as_mut_ptr().cast::<std::ffi::c_void>()) else {
        return Ok(());
    };
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: `start..start + bytes` lies inside the map, which is alive, and locking memory
    // neither reads nor writes it. Unmapping unlocks.
    unsafe { nix::sys::mman::mlock(start, bytes) }?;
    Ok(())
}

impl View for Mapping {
    fn len(&self) -> u64 {
        self.map.len() as u64
    }

    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.map.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: `start <= end <= len` of one live mapping, so pointer and length stay inside
        // it; the slice borrows `self`, which unmaps only when dropped; u8 has no alignment and
        // no invalid values. That the file reaches this far and that nobody writes here while
        // the slice lives is what the maker of the mapping promised.
        Ok(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(start), len) })
    }

    fn prefetch(&self, offset: u64, len: usize) {
        let Some(start) = usize::try_from(offset).ok() else {
            return;
        };
        let end = start.saturating_add(len).min(self.map.len());
        for line in (start..end).step_by(CACHE_LINE_BYTES) {
            // SAFETY: `line < end <= len` of one live mapping. Prefetching neither reads nor
            // writes: where the page is not there, or the file ends before it, nothing happens.
            unsafe { prefetch_line(self.map.as_ptr().add(line)) };
        }
    }

    fn follows_writes(&self) -> bool {
        true
    }
}

/// Bytes that come into a cache together.
const CACHE_LINE_BYTES: usize = 64;

/// Has the processor fetch `bytes`, which will be read in a moment. A hint that waits for nothing.
#[inline(always)]
pub fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(CACHE_LINE_BYTES) {
        // SAFETY: the line lies inside the slice.
        unsafe { prefetch_line(line.as_ptr()) };
    }
}

/// # Safety
///
/// `line` lies inside one allocation or mapping.
#[inline]
unsafe fn prefetch_line(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every processor of this architecture has the instruction, and it faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_said_to_be_asked_for_soon_may_lie_anywhere() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 5000]).unwrap();
        let options = MapOptions {
            len: 1 << 20,
            ..MapOptions::default()
        };
        // SAFETY: nobody writes to the file, which has no name, and only what it holds is asked for.
        let map = unsafe { Mapping::new(&file, &options) }.unwrap();
        let far = [0, 4999, 5000, 1 << 19, (1 << 20) - 1, 1 << 20, u64::MAX];
        for offset in far {
            for len in [0, 1, 200, 5000] {
                map.prefetch(offset, len);
            }
        }
        assert_eq!(map.bytes(0, 5000).unwrap(), [7; 5000]);
    }
}
