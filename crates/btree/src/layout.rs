//! Elements inside a page: a table of fixed-size elements, then keys and values packed behind it.
//!
//! Nothing read here is trusted: every offset and length is checked against the page's run. Every
//! writer of the format packs keys and values behind the table in the order of their elements;
//! [`Elements::check_packed`] holds a page to that, so that nothing is lent or copied twice.

use pager::{Error, HEADER_BYTES, Page, PageId, PageKind, Result, u64_at, write_header};

/// Bytes of one element of the table, on leaf and branch alike.
pub(crate) const ELEMENT_BYTES: usize = 16;
/// The flags of an element that has none: an ordinary pair, to every layer.
pub(crate) const NO_FLAGS: u32 = 0;
/// Elements per page: one less than the count that other readers take for a sentinel.
pub const ELEMENTS_MAX: usize = 0xFFFE;
/// The longest key.
pub const KEY_BYTES_MAX: usize = 32_768;
/// The longest value.
pub const VALUE_BYTES_MAX: usize = (1 << 31) - 2;

/// The elements of a leaf or branch page.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    id: PageId,
    bytes: &'a [u8],
    count: usize,
    leaf: bool,
}

/// Where an element's key and value lie: offset of the key in the page, and both lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub at: usize,
    pub key_bytes: usize,
    pub value_bytes: usize,
}

impl Spot {
    fn end(self) -> usize {
        self.at + self.key_bytes + self.value_bytes
    }

    /// Whether `next` lies behind this one without sharing bytes with it.
    pub fn is_before(self, next: Spot) -> bool {
        self.end() <= next.at
    }
}

impl<'a> Elements<'a> {
    /// The elements of `page`, which must be a leaf or a branch with room for its table.
    pub fn of(page: Page<'a>) -> Result<Elements<'a>> {
        let leaf = match page.kind {
            PageKind::Leaf => true,
            PageKind::Branch => false,
            kind => {
                return Err(Error::page(
                    page.id,
                    format!("a {} page where a page of the tree must be", kind.name()),
                ));
            }
        };
        let count = usize::from(page.count);
        if HEADER_BYTES + count * ELEMENT_BYTES > page.bytes.len() {
            return Err(Error::page(
                page.id,
                format!("no room for {count} elements"),
            ));
        }
        if !leaf && count == 0 {
            return Err(Error::page(page.id, "a branch without children"));
        }
        Ok(Elements {
            id: page.id,
            bytes: page.bytes,
            count,
            leaf,
        })
    }

    /// The elements of a leaf run that [`of`](Elements::of) and
    /// [`check_packed`](Elements::check_packed) have seen before.
    pub(crate) fn validated_leaf(id: PageId, bytes: &'a [u8], count: usize) -> Elements<'a> {
        let leaf = true;
        Elements {
            id,
            bytes,
            count,
            leaf,
        }
    }

    /// The page they stand on.
    pub fn id(&self) -> PageId {
        self.id
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether they are pairs; otherwise they are children.
    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// The whole run.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[cold]
    pub(crate) fn damage(&self, index: usize, what: &str) -> Error {
        Error::page(self.id, format!("element {index}: {what}"))
    }

    /// The four words of element `index`.
    #[inline]
    fn words(&self, index: usize) -> Option<[u32; 4]> {
        let at = HEADER_BYTES + index * ELEMENT_BYTES;
        let element = self.bytes.get(at..)?.first_chunk::<ELEMENT_BYTES>()?;
        let (words, _) = element.as_chunks::<4>();
        let mut read = [0; 4];
        for (to, from) in read.iter_mut().zip(words) {
            *to = u32::from_le_bytes(*from);
        }
        (index < self.count).then_some(read)
    }

    /// Where the key and value of element `index` lie.
    #[inline]
    pub(crate) fn spot(&self, index: usize) -> Result<Spot> {
        self.spot_and_flags(index).map(|(spot, _)| spot)
    }

    /// Where the key and value of element `index` lie, and its flags: 0 on a branch.
    #[inline]
    pub(crate) fn spot_and_flags(&self, index: usize) -> Result<(Spot, u32)> {
        let Some(words) = self.words(index) else {
            return Err(self.damage(index, "past the table"));
        };
        let (flags, position, key_bytes, value_bytes) = match words {
            [flags, position, key, value] if self.leaf => (flags, position, key, value),
            [position, key, ..] => (NO_FLAGS, position, key, 0),
        };
        // Each is below 2^32, so on 64 bits the sums below cannot wrap; on 32 bits they are
        // checked.
        let spot = || {
            let element = HEADER_BYTES + index * ELEMENT_BYTES;
            let at = element.checked_add(usize::try_from(position).ok()?)?;
            let key_bytes = usize::try_from(key_bytes).ok()?;
            let value_bytes = usize::try_from(value_bytes).ok()?;
            let end = at.checked_add(key_bytes)?.checked_add(value_bytes)?;
            let table_end = HEADER_BYTES + self.count * ELEMENT_BYTES;
            (at >= table_end && end <= self.bytes.len()).then_some(Spot {
                at,
                key_bytes,
                value_bytes,
            })
        };
        match spot() {
            Some(spot) => Ok((spot, flags)),
            None => Err(self.damage(index, "its bytes lie outside the page")),
        }
    }

    /// Whether every element lies inside the page, behind the one before it.
    pub(crate) fn check_packed(&self) -> Result<()> {
        let mut end = 0;
        for index in 0..self.count {
            let spot = self.spot(index)?;
            if spot.at < end {
                return Err(self.damage(index, "its bytes are also those before it"));
            }
            end = spot.end();
        }
        Ok(())
    }

    fn slice(&self, index: usize, at: usize, len: usize) -> Result<&'a [u8]> {
        self.bytes
            .get(at..at + len)
            .ok_or_else(|| self.damage(index, "its bytes lie outside the page"))
    }

    /// Key and value that lie at `spot`.
    #[inline]
    pub(crate) fn pair_at(&self, spot: Spot) -> Result<(&'a [u8], &'a [u8])> {
        let both = self.bytes.get(spot.at..spot.end());
        both.and_then(|both| both.split_at_checked(spot.key_bytes))
            .ok_or_else(|| Error::page(self.id, "a pair whose bytes lie outside the page"))
    }

    /// The key of element `index`.
    pub fn key(&self, index: usize) -> Result<&'a [u8]> {
        let spot = self.spot(index)?;
        self.slice(index, spot.at, spot.key_bytes)
    }

    /// The value of pair `index`; empty on a branch.
    pub fn value(&self, index: usize) -> Result<&'a [u8]> {
        let spot = self.spot(index)?;
        self.slice(index, spot.at + spot.key_bytes, spot.value_bytes)
    }

    /// Where the value of pair `index` lies in the page's run: first byte and length.
    pub fn value_range(&self, index: usize) -> Result<(usize, usize)> {
        let spot = self.spot(index)?;
        Ok((spot.at + spot.key_bytes, spot.value_bytes))
    }

    /// Pages of the run, given the page size.
    pub fn run_pages(&self, page_bytes: usize) -> u64 {
        (self.bytes.len() / page_bytes.max(1)) as u64
    }

    /// The flags of pair `index`; 0 on a branch. This layer passes them on unread.
    pub fn flags(&self, index: usize) -> Result<u32> {
        self.spot_and_flags(index).map(|(_, flags)| flags)
    }

    /// The page below branch element `index`.
    pub fn child(&self, index: usize) -> Result<PageId> {
        let at = HEADER_BYTES + index * ELEMENT_BYTES + 8;
        if self.leaf || index >= self.count {
            return Err(self.damage(index, "has no child"));
        }
        u64_at(self.bytes, at)
            .map(PageId)
            .ok_or_else(|| self.damage(index, "past the table"))
    }
}

/// Bytes of a page with these elements, header included.
pub(crate) fn packed_bytes(payload: impl Iterator<Item = usize>) -> usize {
    payload.fold(HEADER_BYTES, |sum, bytes| sum + ELEMENT_BYTES + bytes)
}

/// One element to be written.
pub(crate) struct NewElement<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub flags: u32,
    pub child: PageId,
}

/// Writes a packed page: header, table, then keys and values in order.
pub(crate) fn write_page<'a>(
    image: &mut [u8],
    id: PageId,
    overflow: u32,
    leaf: bool,
    elements: impl ExactSizeIterator<Item = NewElement<'a>>,
) -> Result<()> {
    let too_small = || Error::page(id, "an image too small for its elements");
    let count = elements.len();
    let kind = if leaf {
        PageKind::Leaf
    } else {
        PageKind::Branch
    };
    let header_count = u16::try_from(count).map_err(|_| too_small())?;
    write_header(image, id, kind, header_count, overflow);
    let body = image.get_mut(HEADER_BYTES..).ok_or_else(too_small)?;
    let (table, mut data) = body
        .split_at_mut_checked(count * ELEMENT_BYTES)
        .ok_or_else(too_small)?;
    let mut data_at = 0;
    for ((index, element), slot) in elements
        .enumerate()
        .zip(table.chunks_exact_mut(ELEMENT_BYTES))
    {
        // A position counts from its own element to its key.
        let position = (count - index) * ELEMENT_BYTES + data_at;
        let small = |n: usize| {
            u32::try_from(n)
                .map(u32::to_le_bytes)
                .map_err(|_| too_small())
        };
        let (position, key_bytes, value_bytes) = (
            small(position)?,
            small(element.key.len())?,
            small(element.value.len())?,
        );
        let child = element.child.0.to_le_bytes();
        let flags = element.flags.to_le_bytes();
        let parts: [&[u8]; 4] = if leaf {
            [&flags, &position, &key_bytes, &value_bytes]
        } else {
            [&position, &key_bytes, &child, &[]]
        };
        fill(slot, parts).ok_or_else(too_small)?;
        let pair_bytes = element.key.len() + element.value.len();
        let (pair, rest) = data
            .split_at_mut_checked(pair_bytes)
            .ok_or_else(too_small)?;
        fill(pair, [element.key, element.value]).ok_or_else(too_small)?;
        data = rest;
        data_at += pair_bytes;
    }
    Ok(())
}

/// Copies `parts` one behind the other; `None` if they do not fit.
fn fill<const N: usize>(mut target: &mut [u8], parts: [&[u8]; N]) -> Option<()> {
    for part in parts {
        let (now, rest) = target.split_at_mut_checked(part.len())?;
        now.copy_from_slice(part);
        target = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_laid_out_as_bbolt_lays_it_out() -> Result<()> {
        let pair = NewElement {
            key: b"foo",
            value: b"bar",
            flags: 0,
            child: PageId(0),
        };
        let mut image = vec![0; 38];
        write_page(&mut image, PageId(0), 0, true, [pair].into_iter())?;
        let hex: String = image.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = "00000000000000000200010000000000";
        let element = "00000000100000000300000003000000";
        assert_eq!(hex, format!("{header}{element}666f6f626172"));
        Ok(())
    }

    #[test]
    fn positions_that_leave_the_page_are_damage() -> Result<()> {
        let pair = NewElement {
            key: b"foo",
            value: b"bar",
            flags: 0,
            child: PageId(0),
        };
        let mut image = vec![0; 64];
        write_page(&mut image, PageId(9), 0, true, [pair].into_iter())?;
        for at in [20, 24, 28] {
            let mut broken = image.clone();
            if let Some(field) = broken.get_mut(at..at + 4) {
                field.copy_from_slice(&u32::MAX.to_le_bytes());
            }
            let elements = Elements::of(Page::parse(PageId(9), &broken)?)?;
            assert!(
                elements.key(0).is_err() && elements.value(0).is_err(),
                "field at {at}"
            );
        }
        Ok(())
    }
}
