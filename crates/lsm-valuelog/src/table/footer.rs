//! The end of a table: where its parts are, so that a table can be read without its manifest.

use crate::crypt::envelope::Envelope;
use crate::id::FileId;
use crate::wire::{Put, Read, low_u32};

/// "strata, sorted table".
const MAGIC: u64 = u64::from_le_bytes(*b"strtSSTb");

/// The version of tables that this engine writes and reads.
const VERSION: u32 = 1;

/// Bytes of a footer.
pub(crate) const FOOTER_BYTES: usize = 144;

/// Bytes behind a block: how it is compressed, and, unless it is sealed, a checksum of all that.
pub(crate) const METHOD_BYTES: usize = 1;
pub(crate) const CHECKSUM_BYTES: usize = 4;

/// A part of a table with its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub offset: u64,
    pub len: u64,
    pub checksum: u32,
}

impl Part {
    pub fn checksum_of(bytes: &[u8]) -> u32 {
        low_u32(xxhash_rust::xxh3::xxh3_64(bytes))
    }
}

/// Where the parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub id: FileId,
    pub index: Part,
    pub filter: Part,
    pub meta: Part,
    /// The key that all parts and blocks are sealed under.
    pub envelope: Envelope,
}

impl Footer {
    pub fn put(&self, to: &mut Vec<u8>) {
        let start = to.len();
        for part in [self.index, self.filter, self.meta] {
            to.put_u64(part.offset);
            // Parts are far below 4 GiB; a table that big is cut before.
            to.put_u32(low_u32(part.len));
            to.put_u32(part.checksum);
        }
        to.put_u64(self.id.0);
        to.put_u32(VERSION);
        to.put_u64(MAGIC);
        self.envelope.put(to);
        let checksum = Part::checksum_of(to.get(start..).unwrap_or_default());
        to.put_u32(checksum);
        to.put_u32(0);
    }

    /// The footer, or what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Footer, &'static str> {
        Footer::decode(bytes).unwrap_or(Err("the footer is cut short"))
    }

    fn decode(bytes: &[u8]) -> Option<Result<Footer, &'static str>> {
        let mut read = Read::new(bytes);
        let mut parts = [Part::default(); 3];
        for part in &mut parts {
            *part = Part {
                offset: read.u64()?,
                len: u64::from(read.u32()?),
                checksum: read.u32()?,
            };
        }
        let [index, filter, meta] = parts;
        let id = FileId(read.u64()?);
        let (version, magic) = (read.u32()?, read.u64()?);
        let envelope = Envelope::read(&mut read)?;
        let covered = bytes.get(..bytes.len() - read.left())?;
        let (checksum, end) = (read.u32()?, read.u32()?);
        if magic != MAGIC {
            return Some(Err("this is no table"));
        }
        if checksum != Part::checksum_of(covered) || end != 0 {
            return Some(Err("the footer's checksum does not hold"));
        }
        if version != VERSION {
            return Some(Err("the table is of a later version"));
        }
        Some(Ok(Footer {
            id,
            index,
            filter,
            meta,
            envelope,
        }))
    }
}
