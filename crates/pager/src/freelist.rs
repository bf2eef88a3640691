//! The stored freelist: ascending numbers of every page that is free after a restart.

use crate::id::PageId;
use crate::page::{HEADER_BYTES, Page, PageKind, write_header};
use crate::wire::u64_at;
use crate::{Error, Extents, Result};

/// The largest count the header can hold; at and above it the count stands in the first word.
const COUNT_IN_PAYLOAD: u64 = 0xFFFF;

/// Bytes of a stored freelist of `ids` page numbers.
pub fn freelist_bytes(ids: u64) -> u64 {
    let words = if ids >= COUNT_IN_PAYLOAD {
        ids + 1
    } else {
        ids
    };
    HEADER_BYTES as u64 + 8 * words
}

/// Writes a stored freelist.
pub struct FreelistImage;

impl FreelistImage {
    /// Writes the freelist of `ids` (ascending, `count` of them) as page `id` into `image`, the
    /// whole of its run.
    pub fn write(
        image: &mut [u8],
        id: PageId,
        overflow: u32,
        count: u64,
        ids: impl Iterator<Item = u64>,
    ) {
        let (in_header, counted) = match u16::try_from(count) {
            Ok(small) if count < COUNT_IN_PAYLOAD => (small, None),
            _ => (u16::MAX, Some(count)),
        };
        write_header(image, id, PageKind::Freelist, in_header, overflow);
        let payload = image.get_mut(HEADER_BYTES..).unwrap_or_default();
        for (word, value) in payload
            .chunks_exact_mut(8)
            .zip(counted.into_iter().chain(ids))
        {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
}

/// Reads a stored freelist. Any order of ids is taken, as bbolt takes it; an id twice, outside
/// `2..high_water`, or inside the freelist's own run is damage.
pub fn read_freelist(page: &Page<'_>, high_water: PageId) -> Result<Extents> {
    let damage = |what: String| Error::page(page.id, what);
    if page.kind != PageKind::Freelist {
        return Err(damage(format!(
            "a {} page where the freelist must be",
            page.kind.name()
        )));
    }
    let payload = page.bytes.get(HEADER_BYTES..).unwrap_or_default();
    let (count, first) = if u64::from(page.count) == COUNT_IN_PAYLOAD {
        (
            u64_at(payload, 0).ok_or_else(|| damage("no room for its count".into()))?,
            8,
        )
    } else {
        (u64::from(page.count), 0)
    };
    let ids = payload.get(first..).unwrap_or_default();
    if count > ids.len() as u64 / 8 {
        return Err(damage(format!("it claims {count} ids, more than fit")));
    }
    let own = page.id.0..page.id.0.saturating_add(page.run_pages());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut ids: Vec<u64> = ids
        .chunks_exact(8)
        .take(count)
        .filter_map(|id| u64_at(id, 0))
        .collect();
    ids.sort_unstable();
    let mut free = Extents::new();
    let mut rest = ids.as_slice();
    while let Some(&start) = rest.first() {
        let run = rest
            .iter()
            .zip(0..)
            .take_while(|(id, steps)| start.checked_add(*steps) == Some(**id))
            .count();
        let pages = run as u64;
        if start < 2 || start.saturating_add(pages) > high_water.0 {
            return Err(damage(format!("page {start} cannot be free")));
        }
        if start < own.end && own.start < start + pages {
            return Err(damage("it lists itself as free".into()));
        }
        if !free.insert(PageId(start), pages) {
            return Err(damage(format!("page {start} is listed twice")));
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(ids: &[u64]) -> Result<Extents> {
        let bytes = freelist_bytes(ids.len() as u64);
        let pages = bytes.div_ceil(4096);
        let mut image = vec![0; usize::try_from(pages * 4096).unwrap_or(0)];
        let overflow = u32::try_from(pages - 1).unwrap_or(0);
        let count = ids.len() as u64;
        FreelistImage::write(&mut image, PageId(2), overflow, count, ids.iter().copied());
        read_freelist(&Page::parse(PageId(2), &image)?, PageId(1_000_000))
    }

    #[test]
    fn the_count_takes_a_word_from_65_535_ids_on() {
        let bytes = [0xFFFE, 0xFFFF, 0x1_0000].map(freelist_bytes);
        assert_eq!(
            bytes,
            [16 + 8 * 0xFFFE, 16 + 8 * 0x1_0000, 16 + 8 * 0x1_0001]
        );
    }

    #[test]
    fn both_forms_of_the_count_read_back() -> Result<()> {
        for count in [0, 1, 0xFFFE, 0xFFFF, 0x1_0000, 70_000] {
            // A hole after each id keeps the runs apart.
            let ids: Vec<u64> = (0..count).map(|n| 1000 + 2 * n).collect();
            let free = round_trip(&ids)?;
            assert_eq!((free.pages(), free.runs() as u64), (count, count));
        }
        Ok(())
    }

    #[test]
    fn unsorted_ids_are_taken_and_impossible_ones_are_not() {
        assert!(round_trip(&[9, 5, 7]).is_ok());
        assert!(round_trip(&[5, 5]).is_err(), "twice");
        assert!(round_trip(&[1]).is_err(), "a meta");
        assert!(round_trip(&[2]).is_err(), "itself");
        assert!(round_trip(&[1_000_000]).is_err(), "past the end");
        assert!(round_trip(&[u64::MAX]).is_err(), "the last number of all");
    }

    #[test]
    fn a_count_beyond_the_page_is_refused() {
        let mut image = vec![0; 4096];
        write_header(&mut image, PageId(2), PageKind::Freelist, u16::MAX, 0);
        if let Some(word) = image.get_mut(16..24) {
            word.copy_from_slice(&u64::MAX.to_le_bytes());
        }
        let page = Page::parse(PageId(2), &image);
        assert!(page.is_ok_and(|page| read_freelist(&page, PageId(100)).is_err()));
    }
}
