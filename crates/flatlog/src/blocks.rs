//! A sequence of summed blocks: the shape of checkpoints and of snapshot streams.
//!
//! ```text
//! magic [8] | version u32 | { length u32 | crc32 u32 | payload }*
//! ```
//!
//! Each sum is begun with the block's number, so blocks cannot change places. A block's length is
//! believed only as far as bytes follow it.

use std::io::{self, Read, Write};

use kv_api::{Error, Place, Result};

/// A block is finished once it is this long.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes read at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// What a sequence is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    /// What it is called in errors.
    pub(crate) name: &'static str,
}

fn sum_of(number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Writes blocks.
pub(crate) struct BlockWriter<'a> {
    to: &'a mut dyn Write,
    shape: Shape,
    /// The block on its way: entries are added here, then [`end_entry`](BlockWriter::end_entry).
    pub(crate) block: Vec<u8>,
    number: u64,
    /// Bytes written so far.
    pub(crate) bytes: u64,
}

impl<'a> BlockWriter<'a> {
    pub(crate) fn new(to: &'a mut dyn Write, shape: Shape) -> Result<BlockWriter<'a>> {
        let mut writer = BlockWriter {
            to,
            shape,
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            number: 0,
            bytes: 0,
        };
        writer.write(&shape.magic)?;
        writer.write(&shape.version.to_le_bytes())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let written = self.to.write_all(bytes);
        written.map_err(|error| Error::io(self.shape.name, error))
    }

    /// An entry is whole: the block may end here. Answers whether it did.
    pub(crate) fn end_entry(&mut self) -> Result<bool> {
        let ends = self.block.len() >= BLOCK_BYTES;
        if ends {
            self.end_block()?;
        }
        Ok(ends)
    }

    /// Ends the block, unless it is empty.
    pub(crate) fn end_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let len = u32::try_from(block.len()).map_err(|_| Error::TooLarge {
            what: "block",
            bytes: block.len() as u64,
            bytes_max: u32::MAX.into(),
        })?;
        self.write(&len.to_le_bytes())?;
        self.write(&sum_of(self.number, &block).to_le_bytes())?;
        self.write(&block)?;
        self.number += 1;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    /// Ends everything.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.end_block()?;
        let flushed = self.to.flush();
        flushed.map_err(|error| Error::io(self.shape.name, error))?;
        Ok(self.bytes)
    }
}

/// Reads blocks.
pub(crate) struct BlockReader<'a> {
    from: &'a mut dyn Read,
    shape: Shape,
    number: u64,
    pub(crate) bytes: u64,
}

impl<'a> BlockReader<'a> {
    pub(crate) fn new(from: &'a mut dyn Read, shape: Shape) -> Result<BlockReader<'a>> {
        let mut reader = BlockReader {
            from,
            shape,
            number: 0,
            bytes: 0,
        };
        if reader.array::<8>()? != shape.magic {
            return Err(reader.damaged("the beginning is not its own"));
        }
        if u32::from_le_bytes(reader.array()?) != shape.version {
            return Err(Error::Unsupported {
                what: "a checkpoint or snapshot stream of another version",
            });
        }
        Ok(reader)
    }

    /// Damage where reading stands.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        let place = Place::Offset {
            file: self.shape.name.into(),
            offset: self.bytes,
        };
        Error::corrupt(place, what)
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            _ => Error::io(self.shape.name, error),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        let read = self.from.read_exact(&mut bytes);
        read.map_err(|error| self.failed(error))?;
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// The next block's payload.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>> {
        let len = u64::from(u32::from_le_bytes(self.array()?));
        let sum = u32::from_le_bytes(self.array()?);
        let mut payload = Vec::new();
        while (payload.len() as u64) < len {
            let piece = (len - payload.len() as u64).min(PIECE_BYTES);
            let before = payload.len();
            let read = Read::take(&mut *self.from, piece).read_to_end(&mut payload);
            read.map_err(|error| self.failed(error))?;
            if payload.len() == before {
                return Err(self.damaged("it ends too early"));
            }
        }
        if sum_of(self.number, &payload) != sum {
            return Err(self.damaged("a block does not match its sum"));
        }
        self.bytes += len;
        self.number += 1;
        Ok(payload)
    }
}
