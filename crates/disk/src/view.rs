//! A window on a file's bytes that lends slices.

use std::fmt;
use std::io;

/// How to map a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapOptions {
    /// Bytes to map, from the beginning of the file.
    pub len: u64,
    /// Read the file ahead into the map at once (`MAP_POPULATE`).
    pub populate: bool,
    /// Keep the first so many bytes in memory (`mlock`); 0 for none.
    pub lock_bytes: u64,
}

/// A window on a file's bytes.
pub trait View: Send + Sync + fmt::Debug {
    /// Bytes that may be asked for.
    fn len(&self) -> u64;

    /// Whether nothing may be asked for.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends `len` bytes at `offset`. Asking past [`len`](View::len) is an `UnexpectedEof` error.
    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]>;

    /// Says that these bytes will be asked for in a moment, so that they may come into the
    /// processor's caches meanwhile. A hint: it waits for nothing, reads no file, and may do
    /// nothing at all. Bytes past [`len`](View::len) are passed over.
    fn prefetch(&self, offset: u64, len: usize) {
        let _ = (offset, len);
    }

    /// Whether bytes written after the view was made can be read through it. Where they cannot,
    /// a reader of newer bytes needs a newer view.
    fn follows_writes(&self) -> bool;
}
