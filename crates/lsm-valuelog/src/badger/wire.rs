//! What Badger's backups are made of: frames of a length and a protobuf message.

use std::io::Read;

use kv_api::{Error, Result};
use prost::Message;

use crate::error::damage;

/// What a backup is called in errors.
pub(crate) const NAME: &str = "Badger backup";

/// Bits of a pair's `meta` byte.
pub(crate) const DELETED: u8 = 1;
pub(crate) const DISCARDS_EARLIER: u8 = 4;

/// What keys of Badger's own begin with.
pub(crate) const RESERVED_PREFIX: &[u8] = b"!badger!";

/// The longest key that Badger takes.
pub(crate) const KEY_BYTES_MAX: usize = 65_000;

/// The longest frame that is believed. Badger ends a frame at about 100 MiB, but for one pair of
/// up to 1 GiB.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (256 << 20);

/// A version of a key. What is absent is empty or 0.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pair {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: kv_api::Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: kv_api::Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub user_meta: kv_api::Bytes,
    #[prost(uint64, tag = "4")]
    pub version: u64,
    #[prost(uint64, tag = "5")]
    pub expires_at: u64,
    #[prost(bytes = "bytes", tag = "6")]
    pub meta: kv_api::Bytes,
    #[prost(uint32, tag = "10")]
    pub stream_id: u32,
    #[prost(bool, tag = "11")]
    pub stream_done: bool,
}

/// What a frame holds.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pairs {
    #[prost(message, repeated, tag = "1")]
    pub pairs: Vec<Pair>,
}

/// A backup being read.
pub(crate) struct Frames<'a> {
    from: &'a mut dyn Read,
    pub offset: u64,
}

impl<'a> Frames<'a> {
    pub fn new(from: &'a mut dyn Read) -> Frames<'a> {
        Frames { from, offset: 0 }
    }

    /// Reads up to `len` bytes; memory grows as they come, so that a wrong length costs none.
    fn up_to(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let taken = self.from.take(len).read_to_end(&mut bytes);
        taken.map_err(|error| Error::io("reading a backup", error))?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }

    /// The next frame's pairs; none at the end, which the format does not mark.
    pub fn next(&mut self) -> Result<Option<Vec<Pair>>> {
        let start = self.offset;
        let header = self.up_to(8)?;
        if header.is_empty() {
            return Ok(None);
        }
        let cut = || damage(NAME, start, "the backup is cut short");
        let len = header
            .first_chunk()
            .copied()
            .map(u64::from_le_bytes)
            .ok_or_else(cut)?;
        if len > FRAME_BYTES_MAX {
            return Err(damage(
                NAME,
                start,
                "this is no backup of Badger's, or a damaged one",
            ));
        }
        let body = self.up_to(len)?;
        if body.len() as u64 != len {
            return Err(cut());
        }
        let pairs = Pairs::decode(kv_api::Bytes::from(body));
        let pairs = pairs.map_err(|error| {
            let what = format!("this is no backup of Badger's, or a damaged one: {error}");
            damage(NAME, start, what)
        })?;
        Ok(Some(pairs.pairs))
    }
}
