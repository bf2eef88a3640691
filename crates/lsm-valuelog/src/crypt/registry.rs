//! The file of data keys, sealed under the master key.
//!
//! Invariant: the file is always found whole under its name. A new one is written beside it,
//! synced and renamed; whoever uses what it says has first made its name durable.

use std::collections::BTreeMap;
use std::path::Path;

use disk::{Create, Disk, OpenOptions, write_all_at};
use kv_api::{Error, Result};
use zeroize::Zeroizing;

use crate::crypt::cipher::{KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use crate::crypt::master::MasterKey;
use crate::error::damage;
use crate::wire::{Put, Read, to_usize};

/// The registry's name in the store's directory.
pub(crate) const NAME: &str = "KEYS";
pub(crate) const NEW_NAME: &str = "KEYS.new";

/// "strata, keys".
const MAGIC: u64 = u64::from_le_bytes(*b"strtKEYS");
const VERSION: u32 = 1;

/// Magic, version, spare, length of the sealed body, nonce; then a checksum of the whole file.
const COVERED_BYTES: usize = 8 + 4 + 4 + 8 + NONCE_BYTES;
const HEADER_BYTES: usize = COVERED_BYTES + 4;

/// The longest registry that is believed: some ten thousand years of data keys.
const BODY_BYTES_MAX: u64 = 16 << 20;

/// Data keys that a registry holds at most: it is written whole for each, and must stay one that is
/// believed.
pub(crate) const KEYS_MAX: usize = 50_000;

/// A key that seals the keys of files.
#[derive(Clone)]
pub(crate) struct DataKey {
    /// When it was made, in seconds since 1970.
    pub created: u64,
    pub key: Zeroizing<[u8; KEY_BYTES]>,
}

/// What the registry says.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    pub keys: BTreeMap<u64, DataKey>,
    /// Whether the store had files before it was encrypted, so that some may be in clear.
    pub takes_plain: bool,
}

impl Registry {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(self.takes_plain));
        to.put_varint(self.keys.len() as u64);
        for (id, key) in &self.keys {
            to.put_varint(*id);
            to.put_varint(key.created);
            to.extend_from_slice(&*key.key);
        }
    }

    fn decode(bytes: &[u8]) -> Option<Registry> {
        let mut read = Read::new(bytes);
        let mut registry = Registry {
            takes_plain: read.u8()? != 0,
            ..Registry::default()
        };
        for _ in 0..read.varint()? {
            let (id, created) = (read.varint()?, read.varint()?);
            let key = Zeroizing::new(*read.take(KEY_BYTES)?.first_chunk()?);
            registry.keys.insert(id, DataKey { created, key });
        }
        read.is_empty().then_some(registry)
    }

    /// Reads the registry in `directory`; `None` if there is none.
    pub fn read(
        disk: &dyn Disk,
        directory: &Path,
        master: Option<&MasterKey>,
    ) -> Result<Option<Registry>> {
        let file = match disk.open(&directory.join(NAME), &OpenOptions::READ) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| Error::io("opening the key registry", error))?,
        };
        let failed = |error| Error::io("reading the key registry", error);
        let len = file.len().map_err(failed)?;
        if len > HEADER_BYTES as u64 + BODY_BYTES_MAX {
            return Err(damage(NAME, 0, "the key registry is too long"));
        }
        let mut bytes = vec![0; to_usize(len)];
        disk::read_exact_at(&*file, &mut bytes, 0).map_err(failed)?;
        let Some(master) = master else {
            return Err(Error::Invalid {
                what: "the store is encrypted and no encryption key was given",
            });
        };
        open(&bytes, master).map(Some)
    }

    /// Writes the registry, sealed under `master`, and has it take the place of what was there.
    /// What a failure leaves is the old registry or this one, whole.
    pub fn write(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        master: &MasterKey,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<()> {
        let mut body = Zeroizing::new(Vec::new());
        self.put(&mut body);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len() + TAG_BYTES);
        bytes.put_u64(MAGIC);
        bytes.put_u32(VERSION);
        bytes.put_u32(0);
        bytes.put_u64((body.len() + TAG_BYTES) as u64);
        bytes.extend_from_slice(&nonce);
        let tag = master.seal(nonce, &bytes, &mut body);
        let tag = tag.ok_or(Error::Invalid {
            what: "too many data keys",
        })?;
        let mut sum = crc32fast::Hasher::new();
        for part in [&bytes, &*body, &tag[..]] {
            sum.update(part);
        }
        bytes.put_u32(sum.finalize());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&tag);
        let failed = |error| Error::io("writing the key registry", error);
        let temporary = directory.join(NEW_NAME);
        let how = OpenOptions {
            create: Create::IfMissing,
            ..OpenOptions::READ_WRITE
        };
        let file = disk.open(&temporary, &how).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        write_all_at(&*file, &bytes, 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let named = disk.rename(&temporary, &directory.join(NAME));
        named.map_err(failed)?;
        disk.sync_directory(directory).map_err(failed)
    }
}

fn open(bytes: &[u8], master: &MasterKey) -> Result<Registry> {
    let wrong = |what: &str| damage(NAME, 0, what);
    let short = || wrong("the key registry is cut short");
    let mut read = Read::new(bytes);
    let magic = read.u64().ok_or_else(short)?;
    let (version, spare) = (read.u32().ok_or_else(short)?, read.u32().ok_or_else(short)?);
    let len = read.u64().ok_or_else(short)?;
    let nonce = read.take(NONCE_BYTES).and_then(|nonce| nonce.first_chunk());
    let nonce = *nonce.ok_or_else(short)?;
    let checksum = read.u32().ok_or_else(short)?;
    let header = bytes.get(..COVERED_BYTES).unwrap_or_default();
    let sealed = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if magic != MAGIC {
        return Err(wrong("this is no key registry of an lsm store"));
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(sealed);
    if sum.finalize() != checksum || spare != 0 || sealed.len() as u64 != len {
        return Err(wrong("the key registry's checksum does not hold"));
    }
    if version != VERSION {
        return Err(Error::Unsupported {
            what: "the key registry is of a later version",
        });
    }
    let (body, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or_else(short)?;
    let mut body = Zeroizing::new(body.to_vec());
    if !master.open(nonce, header, &mut body, *tag) {
        // The checksum holds, so these are the bytes that were written: the key is not.
        return Err(Error::Invalid {
            what: "the encryption key is not this store's",
        });
    }
    Registry::decode(&body).ok_or_else(|| wrong("the key registry is malformed"))
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("keys", &self.keys.keys())
            .field("takes_plain", &self.takes_plain)
            .finish()
    }
}
