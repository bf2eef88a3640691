//! Large values of a bulk load: files of the value log that nobody else appends to, and that no
//! manifest names before the load ends.

use std::sync::Arc;

use kv_api::{Error, Result};

use crate::id::{FileId, Sequence};
use crate::log::commit::begin_values;
use crate::log::wal::LogWriter;
use crate::pointer::{Pointer, value_checksum};
use crate::shared::Shared;
use crate::values::{ValueFile, values_name};
use crate::version::ValueFileState;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A file that is whole.
pub(crate) type Done = (ValueFileState, Arc<ValueFile>);

/// Values on their way into files of their own.
pub(crate) struct BulkValues<'a> {
    shared: &'a Shared,
    open: Option<(LogWriter, u64)>,
    /// Every file begun; removed when this is dropped.
    begun: Vec<FileId>,
    done: Vec<Done>,
}

impl<'a> BulkValues<'a> {
    pub fn new(shared: &'a Shared) -> BulkValues<'a> {
        BulkValues {
            shared,
            open: None,
            begun: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Adds a value and answers where it is.
    pub fn add(&mut self, value: &[u8], sequence: Sequence) -> Result<Pointer> {
        let bytes = value.len() as u64;
        let limit = self.shared.options.value_file_bytes;
        if self
            .open
            .as_ref()
            .is_some_and(|(log, _)| log.end().saturating_add(bytes) > limit)
        {
            self.end_file()?;
        }
        let (mut log, value_bytes) = match self.open.take() {
            Some(open) => open,
            None => {
                let id = self.shared.new_file_id();
                self.begun.push(id);
                (self.shared.make_values_file(id)?, 0)
            }
        };
        let mut offset = 0;
        let values = std::iter::once(value);
        log.append(sequence, Sequence(0), begin_values, values, |place| {
            offset = place;
        });
        let pointer = Pointer {
            file: log.id,
            offset,
            len: bytes,
            checksum: value_checksum(value),
        };
        let written = if log.buffered_bytes() >= WRITE_BYTES {
            log.write_out()
        } else {
            Ok(())
        };
        self.open = Some((log, value_bytes + bytes));
        written.map_err(|error| Error::io("writing values", error))?;
        Ok(pointer)
    }

    /// Makes the open file durable and opens it for reading.
    fn end_file(&mut self) -> Result<()> {
        let Some((mut log, value_bytes)) = self.open.take() else {
            return Ok(());
        };
        log.write_out()
            .and_then(|()| log.sync())
            .map_err(|error| Error::io("syncing values", error))?;
        let state = ValueFileState {
            physical: log.id,
            len: log.offset,
            value_bytes,
            is_sealed: true,
        };
        let reading = &self.shared.reading;
        let file = ValueFile::open(reading, (log.id, log.id), log.offset, Box::default())?;
        self.done.push((state, Arc::new(file)));
        Ok(())
    }

    /// Ends the last file; answers all of them, which are durable and still removed unless
    /// [`keep`](BulkValues::keep) says that they are named.
    pub fn finish(&mut self) -> Result<Vec<Done>> {
        self.end_file()?;
        Ok(std::mem::take(&mut self.done))
    }

    /// The files have names, or may have: they stay.
    pub fn keep(&mut self) {
        self.begun.clear();
    }
}

impl Drop for BulkValues<'_> {
    fn drop(&mut self) {
        for id in &self.begun {
            self.shared.reading.discard(&values_name(*id));
        }
    }
}
