//! Counting anew what the value log holds, from its files alone.

use disk::OpenOptions;
use kv_api::{Error, Result};

use crate::crypt::cipher::UNIT_EXTRA_BYTES;
use crate::crypt::envelope::FileKind;
use crate::id::FileId;
use crate::log::commit::{is_values, staying_bytes};
use crate::log::record::Record;
use crate::log::scan::Scan;
use crate::moves;
use crate::shared::Shared;
use crate::values::{HEADER_BYTES, open_header, values_name};
use crate::version::ValueFileState;

impl Shared {
    /// Bytes of the values in a file that nothing is appended to any more, dead ones too; none for
    /// one that may grow, and where they cannot be told from what seals them.
    pub fn count_values(&self, id: FileId, state: &ValueFileState) -> Result<Option<u64>> {
        if !state.is_sealed {
            return Ok(None);
        }
        let name = values_name(state.physical);
        let failed = |error| Error::io("counting values", error);
        let path = self.reading.directory.join(&name);
        let file = self.reading.disk.open(&path, &OpenOptions::READ);
        let file = file.map_err(failed)?;
        let keys = self.reading.keys.as_deref();
        let opener = open_header(&*file, &name, FileKind::Values, state.physical, keys)?;
        if id != state.physical {
            let moved = moves::read(&self.reading, id, state)?.len() as u64;
            let extra = opener.map_or(0, |_| UNIT_EXTRA_BYTES as u64);
            return Ok(state.len.checked_sub(moves::bytes_beside(moved, extra)));
        }
        let mut scan = Scan::new(file, id, HEADER_BYTES as u64, None)?;
        let mut bytes = 0;
        loop {
            while let Some((_, offset, record)) = scan.next()? {
                let record = Record::open(record, offset, opener.as_ref());
                let record = record.ok_or_else(|| {
                    crate::error::damage(&name, offset, "a record is not what was sealed")
                })?;
                if opener.is_some() && is_values(&record) {
                    // How many seals stand between them, only what points at them tells.
                    return Ok(None);
                }
                bytes += staying_bytes(&record);
            }
            // Every opening that appends begins a row of frames of its own.
            if !scan.begins_anew()? {
                break;
            }
        }
        Ok(Some(bytes))
    }
}
