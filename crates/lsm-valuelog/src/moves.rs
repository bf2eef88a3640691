//! Files that collection makes: living values one behind the other, then where each was first
//! written to and is now, then where that table begins.

use std::sync::Arc;

use disk::{File, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Error, Result};

use crate::crypt::cipher::Sealer;
use crate::crypt::envelope::FileKind;
use crate::error::damage;
use crate::id::FileId;
use crate::table::footer::Part;
use crate::table::reader::Reading;
use crate::values::{HEADER_BYTES, header, open_header, values_name};
use crate::version::ValueFileState;
use crate::wire::{Put, Read, to_usize};

/// Old and new places of values, by old place.
pub(crate) type Moves = Box<[(u64, u64)]>;

/// Offset, length and checksum of the table.
const FOOTER_BYTES: usize = 20;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// A file of moved values being written.
pub(crate) struct MovedFile {
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
    moves: Vec<(u64, u64)>,
    sealer: Option<Sealer>,
}

impl MovedFile {
    /// Begins the file with number `physical`.
    pub fn create(reading: &Reading, physical: FileId) -> Result<MovedFile> {
        let (sealer, envelope) = reading.new_file_key(FileKind::Values, physical)?;
        let path = reading.directory.join(values_name(physical));
        let file = reading.disk.open(&path, &OpenOptions::NEW);
        let file = file.map_err(|error| Error::io("making a value-log file", error))?;
        Ok(MovedFile {
            file,
            buffer: header(FileKind::Values, physical, &envelope),
            written: 0,
            moves: Vec::new(),
            sealer,
        })
    }

    fn place(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write_out(&mut self) -> Result<()> {
        write_all_at(&*self.file, &self.buffer, self.written)
            .map_err(|error| Error::io("moving values", error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Appends a part, sealed if the file is encrypted.
    fn put(&mut self, bytes: &[u8]) {
        let place = self.place();
        match &self.sealer {
            Some(sealer) => sealer.seal(&mut self.buffer, place, bytes),
            None => self.buffer.extend_from_slice(bytes),
        }
    }

    /// Adds the value that was first written to `old`.
    pub fn add(&mut self, old: u64, value: &[u8]) -> Result<()> {
        self.moves.push((old, self.place()));
        self.put(value);
        if self.buffer.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    /// Ends the file and makes its bytes durable; answers its length and the moves.
    pub fn finish(mut self) -> Result<(u64, Moves)> {
        self.moves.sort_unstable();
        let mut table = Vec::with_capacity(16 * self.moves.len());
        for (old, new) in &self.moves {
            table.put_u64(*old);
            table.put_u64(*new);
        }
        let (offset, start) = (self.place(), self.buffer.len());
        self.put(&table);
        let stored = self.buffer.get(start..).unwrap_or_default();
        let (len, checksum) = (stored.len() as u64, Part::checksum_of(stored));
        self.buffer.put_u64(offset);
        self.buffer.put_u64(len);
        self.buffer.put_u32(checksum);
        self.write_out()?;
        self.file
            .sync_all()
            .map_err(|error| Error::io("syncing moved values", error))?;
        Ok((self.written, self.moves.into()))
    }
}

/// Bytes of a whole file beside its values, of which there are so many, if every part of it takes
/// `extra` bytes more.
pub(crate) fn bytes_beside(values: u64, extra: u64) -> u64 {
    HEADER_BYTES as u64 + values * (16 + extra) + extra + FOOTER_BYTES as u64
}

/// The moves of the file behind `id`; none if collection did not make it.
pub(crate) fn read(reading: &Reading, id: FileId, state: &ValueFileState) -> Result<Moves> {
    if id == state.physical {
        return Ok(Box::default());
    }
    let name = values_name(state.physical);
    let failed = |error| Error::io("reading where values were moved", error);
    let malformed = || damage(&name, state.len, "the table of moved values is damaged");
    let path = reading.directory.join(&name);
    let file = reading
        .disk
        .open(&path, &OpenOptions::READ)
        .map_err(failed)?;
    let end = state.len.checked_sub(FOOTER_BYTES as u64);
    let end = end.ok_or_else(malformed)?;
    if file.len().map_err(failed)? != state.len {
        return Err(malformed());
    }
    let mut footer = [0; FOOTER_BYTES];
    read_exact_at(&*file, &mut footer, end).map_err(failed)?;
    let mut from = Read::new(&footer);
    let (Some(offset), Some(len), Some(checksum)) = (from.u64(), from.u64(), from.u32()) else {
        return Err(malformed());
    };
    if offset < HEADER_BYTES as u64 || offset.checked_add(len) != Some(end) {
        return Err(malformed());
    }
    let mut table = vec![0; to_usize(len)];
    read_exact_at(&*file, &mut table, offset).map_err(failed)?;
    if Part::checksum_of(&table) != checksum {
        return Err(malformed());
    }
    let keys = reading.keys.as_deref();
    let opener = open_header(&*file, &name, FileKind::Values, state.physical, keys)?;
    if let Some(opener) = opener {
        table = opener.open(offset, &table).ok_or_else(malformed)?;
    }
    let mut from = Read::new(&table);
    let mut moves = Vec::with_capacity(table.len() / 16);
    while let (Some(old), Some(new)) = (from.u64(), from.u64()) {
        moves.push((old, new));
    }
    Ok(moves.into())
}
