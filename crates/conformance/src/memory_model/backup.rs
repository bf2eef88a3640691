//! A version written out and read back: lengths as `u64`, then bytes, bucket by bucket; with them
//! the commit indexes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use kv_api::capability::Backup;
use kv_api::{Error, Place, Result};

use super::version::{Pairs, Path, Version};
use super::{MemoryModel, Writers};

impl Backup for MemoryModel {
    fn backup(&self, to: &mut dyn Write) -> Result<u64> {
        self.check_open()?;
        let bytes = encode(&self.newest());
        to.write_all(&bytes)
            .map_err(|error| Error::io("writing the backup", error))?;
        Ok(bytes.len() as u64)
    }
}

impl MemoryModel {
    /// A store that holds what [`Backup::backup`] wrote.
    pub fn from_backup(bytes: &[u8], writers: Writers) -> Result<MemoryModel> {
        Ok(MemoryModel::holding(decode(bytes)?, writers))
    }
}

pub(super) fn encode(version: &Version) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, version.last_index);
    for (path, bucket) in &version.buckets {
        put_number(&mut out, path.len() as u64);
        path.iter().for_each(|name| put_bytes(&mut out, name));
        put_number(&mut out, bucket.sequence);
        put_number(&mut out, bucket.pairs.len() as u64);
        for (key, value) in bucket.pairs.iter() {
            put_bytes(&mut out, key);
            put_bytes(&mut out, value);
            let index = version.indexes.get(&(bucket.id, key.clone()));
            put_number(&mut out, index.copied().unwrap_or(0));
        }
    }
    out
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn decode(mut bytes: &[u8]) -> Result<Version> {
    let mut version = Version::empty();
    version.last_index = take_number(&mut bytes)?;
    let mut indexes = BTreeMap::new();
    while !bytes.is_empty() {
        let depth = take_number(&mut bytes)?;
        let path = (0..depth)
            .map(|_| take_bytes(&mut bytes))
            .collect::<Result<Path>>()?;
        let sequence = take_number(&mut bytes)?;
        let count = take_number(&mut bytes)?;
        let bucket = version.bucket_at_or_new(path);
        let mut pairs = Pairs::new();
        for _ in 0..count {
            let (key, value) = (take_bytes(&mut bytes)?, take_bytes(&mut bytes)?);
            indexes.insert((bucket.id, key.clone()), take_number(&mut bytes)?);
            pairs.insert(key, value);
        }
        bucket.sequence = sequence;
        bucket.pairs = Arc::new(pairs);
    }
    version.indexes = Arc::new(indexes);
    Ok(version)
}

fn cut_short() -> Error {
    Error::corrupt(Place::Store, "the backup ends too early")
}

fn take_number(bytes: &mut &[u8]) -> Result<u64> {
    bytes.try_get_u64_le().map_err(|_| cut_short())
}

fn take_bytes(bytes: &mut &[u8]) -> Result<Bytes> {
    let length = usize::try_from(take_number(bytes)?).map_err(|_| cut_short())?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(cut_short)?;
    *bytes = rest;
    Ok(Bytes::copy_from_slice(taken))
}
