//! Elements inside a page: a table of fixed-size elements, then keys and values packed behind it.
//!
//! Nothing read here is trusted: every offset and length is checked against the page's run. Every
//! writer of the format packs keys and values behind the table in the order of their elements;
//! [`Elements::check_packed`] holds a page to that, so that nothing is lent or copied twice.

use pager::{Error, HEADER_BYTES, Page, PageId, PageKind, Result, u64_at};

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
    pub fn end(self) -> usize {
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

    /// Elements that [`of`](Elements::of) and [`check_packed`](Elements::check_packed) have seen
    /// before, or that were laid out here.
    #[inline]
    pub(crate) fn validated(id: PageId, bytes: &'a [u8], count: usize, leaf: bool) -> Elements<'a> {
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

/// An element to be laid out on a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// A pair's flags, or a child's number.
    word: u64,
}

impl<'a> Element<'a> {
    pub fn pair(key: &'a [u8], value: &'a [u8], flags: u32) -> Element<'a> {
        let word = u64::from(flags);
        Element { key, value, word }
    }

    pub fn child(key: &'a [u8], child: u64) -> Element<'a> {
        let (value, word) = (&[][..], child);
        Element { key, value, word }
    }

    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The element's bytes in the table, its pair lying `position` bytes behind its beginning.
    pub fn encode(&self, leaf: bool, position: usize) -> [u8; ELEMENT_BYTES] {
        let small = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        let ([low, high], key_bytes) = (halves(self.word), small(self.key.len()));
        let words = match leaf {
            true => [low, small(position), key_bytes, small(self.value.len())],
            false => [small(position), key_bytes, low, high],
        };
        let mut bytes = [0; ELEMENT_BYTES];
        bytes.copy_from_slice(words.as_flattened());
        bytes
    }
}

fn halves(word: u64) -> [[u8; 4]; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]]
}

/// Lays `elements` out behind the header of `image`: the table, then keys and values without a
/// gap. The image has room for them.
pub(crate) fn lay_out(image: &mut [u8], leaf: bool, elements: &[Element<'_>]) {
    let table_bytes = elements.len() * ELEMENT_BYTES;
    let body = image.get_mut(HEADER_BYTES..).unwrap_or_default();
    let Some((table, mut data)) = body.split_at_mut_checked(table_bytes) else {
        return;
    };
    let mut position = table_bytes;
    for (slot, element) in table
        .as_chunks_mut::<ELEMENT_BYTES>()
        .0
        .iter_mut()
        .zip(elements)
    {
        *slot = element.encode(leaf, position);
        position += element.key.len() + element.value.len();
        position -= ELEMENT_BYTES;
    }
    for element in elements {
        for part in [element.key, element.value] {
            let Some((room, rest)) = data.split_at_mut_checked(part.len()) else {
                return;
            };
            room.copy_from_slice(part);
            data = rest;
        }
    }
}
