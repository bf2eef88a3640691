//! A page: its header, and the run of pages it may span.

use crate::id::PageId;
use crate::wire::{u16_at, u32_at, u64_at};
use crate::{Error, Result};

/// Bytes of the header at the beginning of a run.
pub const HEADER_BYTES: usize = 16;

/// What a page is for. On disk exactly one of these bits is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Keys and the pages below them.
    Branch,
    /// Keys and values.
    Leaf,
    /// The record a commit swings.
    Meta,
    /// Numbers of free pages.
    Freelist,
}

impl PageKind {
    /// The bits on disk.
    pub fn flags(self) -> u16 {
        match self {
            PageKind::Branch => 0x01,
            PageKind::Leaf => 0x02,
            PageKind::Meta => 0x04,
            PageKind::Freelist => 0x10,
        }
    }

    /// The kind these bits stand for; combinations stand for none.
    pub fn from_flags(flags: u16) -> Option<PageKind> {
        match flags {
            0x01 => Some(PageKind::Branch),
            0x02 => Some(PageKind::Leaf),
            0x04 => Some(PageKind::Meta),
            0x10 => Some(PageKind::Freelist),
            _ => None,
        }
    }

    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            PageKind::Branch => "branch",
            PageKind::Leaf => "leaf",
            PageKind::Meta => "meta",
            PageKind::Freelist => "freelist",
        }
    }
}

/// A page with the whole of its run. The header has been read; what follows it has not.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Its number; 0 for a page that lives inside a leaf's value.
    pub id: PageId,
    /// What it is for.
    pub kind: PageKind,
    /// Elements, or ids on a freelist page.
    pub count: u16,
    /// Pages of the run beyond the first.
    pub overflow: u32,
    /// Header and payload of the whole run.
    pub bytes: &'a [u8],
}

impl<'a> Page<'a> {
    /// Reads the header at the beginning of `bytes`, which must claim to be page `id`.
    pub fn parse(id: PageId, bytes: &'a [u8]) -> Result<Page<'a>> {
        let short = || Error::page(id, "shorter than a page header");
        let own_id = u64_at(bytes, 0).ok_or_else(short)?;
        let flags = u16_at(bytes, 8).ok_or_else(short)?;
        let count = u16_at(bytes, 10).ok_or_else(short)?;
        let overflow = u32_at(bytes, 12).ok_or_else(short)?;
        if own_id != id.0 {
            return Err(Error::page(
                id,
                format!("its header says it is page {own_id}"),
            ));
        }
        let kind = PageKind::from_flags(flags)
            .ok_or_else(|| Error::page(id, format!("unexpected flags {flags:#06x}")))?;
        Ok(Page {
            id,
            kind,
            count,
            overflow,
            bytes,
        })
    }

    /// Pages in the run, the first included.
    pub fn run_pages(&self) -> u64 {
        u64::from(self.overflow) + 1
    }
}

/// Writes a header at the beginning of `image`; an image shorter than a header is left alone.
pub fn write_header(image: &mut [u8], id: PageId, kind: PageKind, count: u16, overflow: u32) {
    let mut header = [0; HEADER_BYTES];
    let (id_bytes, rest) = header.split_at_mut(8);
    id_bytes.copy_from_slice(&id.0.to_le_bytes());
    let (flags_bytes, rest) = rest.split_at_mut(2);
    flags_bytes.copy_from_slice(&kind.flags().to_le_bytes());
    let (count_bytes, overflow_bytes) = rest.split_at_mut(2);
    count_bytes.copy_from_slice(&count.to_le_bytes());
    overflow_bytes.copy_from_slice(&overflow.to_le_bytes());
    if let Some(target) = image.first_chunk_mut::<HEADER_BYTES>() {
        *target = header;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() -> Result<()> {
        let mut image = [0; 32];
        write_header(&mut image, PageId(7), PageKind::Leaf, 3, 2);
        let page = Page::parse(PageId(7), &image)?;
        assert_eq!(
            (page.kind, page.count, page.overflow),
            (PageKind::Leaf, 3, 2)
        );
        assert!(
            Page::parse(PageId(8), &image).is_err(),
            "a page at the wrong place"
        );
        Ok(())
    }

    #[test]
    fn only_single_known_flags_are_a_kind() {
        let known = (0..=u16::MAX)
            .filter(|flags| PageKind::from_flags(*flags).is_some())
            .count();
        assert_eq!(known, 4);
    }
}
