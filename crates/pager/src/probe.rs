//! Finding the two metas of a file whose page size is not known yet.

use disk::{File, read_up_to_at};

use crate::meta::{META_BYTES, Meta, Slot};
use crate::page::HEADER_BYTES;
use crate::{Error, Result};

/// The smallest page a file may have.
pub const PAGE_BYTES_MIN: u32 = 1 << 10;
/// The largest page a file may be made with.
pub const PAGE_BYTES_MAX: u32 = 16 << 20;

/// The metas of a file, newest choice made.
pub(crate) struct Probed {
    pub meta: Meta,
    pub slot: Slot,
    pub file_bytes: u64,
}

/// Finds the current meta.
///
/// The page size is that of page 0's meta if it validates; otherwise of the first valid meta at
/// 1 KiB, 2 KiB, 4 KiB … 16 MiB, where page 1 may begin.
pub(crate) fn probe(file: &dyn File) -> Result<Probed> {
    let file_bytes = file.len().map_err(Error::io("reading the file's length"))?;
    let page_bytes = match meta_at(file, 0) {
        Ok(meta) => meta.page_bytes,
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(error) => find_second_meta(file, file_bytes)?.ok_or(error)?.page_bytes,
    };
    if page_bytes < PAGE_BYTES_MIN {
        return Err(Error::file(format!("a page size of {page_bytes} bytes")));
    }
    if file_bytes < 2 * u64::from(page_bytes) {
        return Err(Error::file(format!("file size too small {file_bytes}")));
    }
    let (meta, slot) = choose(meta_at(file, 0), meta_at(file, u64::from(page_bytes)))?;
    if meta.page_bytes != page_bytes {
        return Err(Error::file("the two metas disagree about the page size"));
    }
    meta.check_against_file(file_bytes)?;
    Ok(Probed {
        meta,
        slot,
        file_bytes,
    })
}

/// The valid meta with the higher transaction number; page 0's on a tie. A meta that could not be
/// read may be the newest, so that is an error and no reason to take the other.
fn choose(zero: Result<Meta>, one: Result<Meta>) -> Result<(Meta, Slot)> {
    match (zero, one) {
        (Err(error @ Error::Io { .. }), _) | (_, Err(error @ Error::Io { .. })) => Err(error),
        (Ok(zero), Ok(one)) if one.txid > zero.txid => Ok((one, Slot::One)),
        (Ok(zero), _) => Ok((zero, Slot::Zero)),
        (Err(_), Ok(one)) => Ok((one, Slot::One)),
        (Err(error), Err(_)) => Err(error),
    }
}

fn find_second_meta(file: &dyn File, file_bytes: u64) -> Result<Option<Meta>> {
    let candidates = (0..15).map(|power| u64::from(PAGE_BYTES_MIN) << power);
    for offset in candidates.take_while(|offset| offset + 1024 < file_bytes) {
        match meta_at(file, offset) {
            Ok(meta) => return Ok(Some(meta)),
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn meta_at(file: &dyn File, offset: u64) -> Result<Meta> {
    let mut page = [0; HEADER_BYTES + META_BYTES];
    read_up_to_at(file, &mut page, offset).map_err(Error::io("reading a meta"))?;
    Meta::decode(page.get(HEADER_BYTES..).unwrap_or_default())
}
