//! What stands in a file's header about its key: which data key seals it, and the sealed key.

use crate::crypt::cipher::{KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use crate::wire::{Put, Read};

/// Bytes of an envelope.
pub(crate) const ENVELOPE_BYTES: usize = 8 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// What kind of file a key was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest,
    WriteAhead,
    Values,
    Table,
}

impl FileKind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            FileKind::Manifest => 1,
            FileKind::WriteAhead => 2,
            FileKind::Values => 3,
            FileKind::Table => 4,
        }
    }
}

/// A file's key, sealed under a data key. All zeros where the file is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The data key; 0 for none.
    pub data_key: u64,
    pub nonce: [u8; NONCE_BYTES],
    pub key: [u8; KEY_BYTES],
    pub tag: [u8; TAG_BYTES],
}

impl Envelope {
    /// The envelope of a file that is not encrypted.
    pub const NONE: Envelope = Envelope {
        data_key: 0,
        nonce: [0; NONCE_BYTES],
        key: [0; KEY_BYTES],
        tag: [0; TAG_BYTES],
    };

    pub fn put(&self, to: &mut Vec<u8>) {
        to.put_u64(self.data_key);
        to.extend_from_slice(&self.nonce);
        to.extend_from_slice(&self.key);
        to.extend_from_slice(&self.tag);
    }

    pub fn read(from: &mut Read<'_>) -> Option<Envelope> {
        Some(Envelope {
            data_key: from.u64()?,
            nonce: *from.take(NONCE_BYTES)?.first_chunk()?,
            key: *from.take(KEY_BYTES)?.first_chunk()?,
            tag: *from.take(TAG_BYTES)?.first_chunk()?,
        })
    }
}
