//! A file's bytes for reading: mapped, or read one piece at a time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use disk::{File, MapOptions, View, read_exact_at};

use crate::slice::Slice;

/// Lengths above this are held against the file's before memory is asked for.
const CHECKED_BYTES: usize = 64 << 10;

/// Where bytes are lent from.
#[derive(Debug)]
pub(crate) enum Source {
    Mapped(Arc<dyn View>),
    Read(Arc<dyn File>),
}

impl Source {
    /// A source over the first `len` bytes of a table or of a value-log file.
    pub fn new(file: Arc<dyn File>, len: u64, is_mapped: bool) -> io::Result<Source> {
        if !is_mapped {
            return Ok(Source::Read(file));
        }
        let options = MapOptions {
            len,
            ..MapOptions::default()
        };
        #[allow(
            unsafe_code,
            reason = "the one place where this engine maps, with the proof beside it"
        )]
        // SAFETY: a table is written whole and synced before it is opened here, and its file is
        // only ever removed, which leaves its bytes to those who have it mapped. A value-log file
        // only grows: ranges are asked for by pointers and recorded lengths, which are made after
        // the bytes were written, and bytes once written are never written again nor cut off.
        // Recovery, which does write a tail again, does so before the file is opened here. Other
        // processes are kept out by the store's lock.
        let view = unsafe { file.map(&options) }?;
        Ok(Source::Mapped(view))
    }

    /// Lends `len` bytes at `offset`.
    pub fn slice(&self, offset: u64, len: usize) -> io::Result<Slice<'_>> {
        match self {
            Source::Mapped(view) => view.bytes(offset, len).map(Slice::lent),
            Source::Read(file) => {
                // A length that was read is believed as far as there is a file for it.
                let end = offset.checked_add(len as u64);
                if len > CHECKED_BYTES && end.is_none_or(|end| end > file.len().unwrap_or(0)) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let mut bytes = Vec::new();
                bytes
                    .try_reserve_exact(len)
                    .map_err(|_| io::ErrorKind::OutOfMemory)?;
                bytes.resize(len, 0);
                read_exact_at(&**file, &mut bytes, offset)?;
                Ok(Slice::shared(Bytes::from(bytes)))
            }
        }
    }
}
