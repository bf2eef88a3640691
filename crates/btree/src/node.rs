//! A node in memory: the image of one page, edited in place.
//!
//! Invariants:
//! * `image` is a page as this engine writes it: room for the header, the table of elements, then
//!   keys and values in the order of their elements, without a gap; so its length is what the node
//!   takes on a page, and writing it is copying it;
//! * keys ascend, without equals;
//! * `heads`, where they are kept, are those of all keys in order;
//! * a branch element's child is a page's number, or a place in the arena with the highest bit set.

mod children;

use std::ops::Range;

use pager::{HEADER_BYTES, PageId, PageKind, write_header};

use crate::child::{Child, IN_ARENA};
use crate::heads::head;
use crate::layout::{ELEMENT_BYTES, Element, Elements, NO_FLAGS, lay_out};

/// An image grows by so many bytes at a time: doubling would waste most of what a bulk load takes.
const GROWTH_BYTES: usize = 512;

/// A node being edited.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    leaf: bool,
    count: usize,
    image: Vec<u8>,
    /// The first bytes of every key, so that a search touches few cache lines. Kept by nodes that
    /// grew in memory, as those of a load did; working them out for a page that one change
    /// brought here would cost more than it saves.
    heads: Option<Vec<u64>>,
    /// The run this node was read from, to be freed when it is written anew.
    pub origin: Option<(PageId, u64)>,
    /// Something was removed, so it may have become too small.
    pub unbalanced: bool,
    /// Everything put so far went behind the last element.
    pub appended_only: bool,
    /// Keys, or the places of pairs, are no longer those of the page it was read from.
    pub reshaped: bool,
    /// While it is not reshaped, children outside these places are as they were on the page.
    touched: Range<usize>,
}

fn element_at(index: usize) -> usize {
    HEADER_BYTES + index * ELEMENT_BYTES
}

/// A length or distance inside an image. An image holds at most two values above a few pages,
/// the second of them last, so no place or length in it comes near 2^32.
fn small(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Node {
    pub fn new(leaf: bool) -> Node {
        Node {
            leaf,
            count: 0,
            image: vec![0; HEADER_BYTES],
            heads: Some(Vec::new()),
            origin: None,
            unbalanced: false,
            appended_only: true,
            reshaped: true,
            touched: 0..0,
        }
    }

    /// A node of these elements, which take `bytes` on a page.
    pub fn of_elements(leaf: bool, elements: &[Element<'_>], bytes: usize) -> Node {
        let mut node = Node::new(leaf);
        node.count = elements.len();
        node.image.resize(bytes, 0);
        lay_out(&mut node.image, leaf, elements);
        node.heads = Some(
            elements
                .iter()
                .map(|element| head(element.key(), 0))
                .collect(),
        );
        node
    }

    /// Copies the elements of a page; `origin` is the run to free later, none for a page that
    /// lives inside a value. Pages known to be `written_here` are copied without a look.
    ///
    /// # Errors
    ///
    /// `Corrupt` for elements that share bytes and for keys that do not ascend: no change could
    /// be made to such a page that is sure to be found again.
    pub fn read(
        elements: Elements<'_>,
        origin: Option<(PageId, u64)>,
        written_here: bool,
    ) -> pager::Result<Node> {
        let end = match elements.count().checked_sub(1) {
            Some(last) => elements.spot(last)?.end(),
            None => HEADER_BYTES,
        };
        if written_here || Node::check(elements)? {
            let packed = elements.bytes().get(..end).unwrap_or_default();
            let mut image = Vec::with_capacity(packed.len() + GROWTH_BYTES);
            image.extend_from_slice(packed);
            return Ok(Node {
                leaf: elements.is_leaf(),
                count: elements.count(),
                image,
                heads: None,
                origin,
                unbalanced: false,
                appended_only: true,
                reshaped: false,
                touched: 0..0,
            });
        }
        let mut node = Node {
            origin,
            ..Node::new(elements.is_leaf())
        };
        for index in 0..elements.count() {
            let (key, value) = (elements.key(index)?, elements.value(index)?);
            node.insert(index, key, value, elements.flags(index)?);
            if !node.leaf {
                node.set_child(index, Child::Page(elements.child(index)?));
            }
        }
        Ok(node)
    }

    /// Refuses a page that cannot be edited; answers whether its pairs lie without a gap.
    fn check(elements: Elements<'_>) -> pager::Result<bool> {
        elements.check_packed()?;
        let mut previous: Option<&[u8]> = None;
        let (mut end, mut gapless) = (element_at(elements.count()), true);
        for index in 0..elements.count() {
            let spot = elements.spot(index)?;
            gapless &= spot.at == end;
            end = spot.end();
            let key = elements.key(index)?;
            if previous.is_some_and(|previous| previous >= key) {
                return Err(elements.damage(index, "not above the key before it"));
            }
            previous = Some(key);
            if !elements.is_leaf() && elements.child(index)?.0 >= IN_ARENA {
                return Err(elements.damage(index, "a child no file could have"));
            }
        }
        Ok(gapless)
    }

    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// What the node takes on a page.
    pub fn size_bytes(&self) -> usize {
        self.image.len()
    }

    fn elements(&self) -> Elements<'_> {
        Elements::validated(PageId(0), &self.image, self.count, self.leaf)
    }

    /// The key at `index`; empty past the end.
    pub fn key(&self, index: usize) -> &[u8] {
        self.elements().key(index).unwrap_or_default()
    }

    /// The value at `index`; empty past the end.
    pub fn value(&self, index: usize) -> &[u8] {
        self.elements().value(index).unwrap_or_default()
    }

    pub fn flags(&self, index: usize) -> u32 {
        self.elements().flags(index).unwrap_or(NO_FLAGS)
    }

    /// Where `key` is, or where it would be.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        if let Some(heads) = &self.heads {
            return self.search_by_heads(heads, key);
        }
        let elements = self.elements();
        let key_at = |index| elements.key(index).unwrap_or_default();
        // Loading in order is common, and then the last element answers at once.
        if self.count > 0 && key > key_at(self.count - 1) {
            return Err(self.count);
        }
        self.search_among(0..self.count, key)
    }

    fn search_by_heads(&self, heads: &[u64], key: &[u8]) -> Result<usize, usize> {
        let wanted = head(key, 0);
        let low = heads.partition_point(|head| *head < wanted);
        let ties = heads.get(low..).unwrap_or_default();
        let high = low + ties.partition_point(|head| *head == wanted);
        self.search_among(low..high, key)
    }

    /// The place of `key`, which lies in `places` or at their end.
    fn search_among(&self, places: Range<usize>, key: &[u8]) -> Result<usize, usize> {
        let Range {
            start: mut low,
            end: mut high,
        } = places;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Puts an entry, replacing one with an equal key and equal flags.
    pub fn put(&mut self, key: &[u8], value: &[u8], flags: u32) -> crate::Result<()> {
        let place = self.search(key);
        if place.is_ok_and(|index| self.flags(index) != flags) {
            return Err(crate::Error::Incompatible("the key names a bucket"));
        }
        self.appended_only &= place == Err(self.count);
        match place {
            Ok(index) => self.replace(index, key, value),
            Err(index) => self.insert(index, key, value, flags),
        }
        Ok(())
    }

    fn reserve(&mut self, more: usize) {
        if self.image.capacity() - self.image.len() < more {
            self.image.reserve_exact(more.max(GROWTH_BYTES));
        }
    }

    /// Adds `by` to the positions of `elements`: how far each pair lies from its own element.
    fn shift_positions(&mut self, elements: Range<usize>, by: u32) {
        let at = if self.leaf { 4 } else { 0 };
        let table = element_at(elements.start)..element_at(elements.end);
        let table = self.image.get_mut(table).unwrap_or_default();
        for element in table.as_chunks_mut::<ELEMENT_BYTES>().0 {
            if let Some(position) = element.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *position = u32::from_le_bytes(*position).wrapping_add(by).to_le_bytes();
            }
        }
    }

    /// Opens room for an element and its pair before element `index`, and fills it.
    fn insert(&mut self, index: usize, key: &[u8], value: &[u8], flags: u32) {
        let pair_bytes = key.len() + value.len();
        let (element, len) = (element_at(index), self.image.len());
        let data = match self.elements().spot(index) {
            Ok(next) => next.at,
            Err(_) => len,
        };
        self.reserve(ELEMENT_BYTES + pair_bytes);
        self.image.resize(len + ELEMENT_BYTES + pair_bytes, 0);
        self.reshaped = true;
        let data_after = data + ELEMENT_BYTES;
        self.image.copy_within(data..len, data_after + pair_bytes);
        self.image
            .copy_within(element..data, element + ELEMENT_BYTES);
        self.count += 1;
        if let Some(heads) = &mut self.heads {
            heads.insert(index, head(key, 0));
        }
        self.shift_positions(0..index, small(ELEMENT_BYTES));
        self.shift_positions(index + 1..self.count, small(pair_bytes));
        let described = match self.leaf {
            true => Element::pair(key, value, flags),
            false => Element::child(key, 0),
        };
        self.write(element, &described.encode(self.leaf, data_after - element));
        self.write(data_after, key);
        self.write(data_after + key.len(), value);
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(target) = self.image.get_mut(at..at + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    }

    /// Gives element `index` another pair with the same flags or child.
    fn replace(&mut self, index: usize, key: &[u8], value: &[u8]) {
        let Ok(old) = self.elements().spot(index) else {
            return;
        };
        let (old_bytes, new_bytes) = (old.key_bytes + old.value_bytes, key.len() + value.len());
        let len = self.image.len();
        if new_bytes > old_bytes {
            self.reserve(new_bytes - old_bytes);
            self.image.resize(len + new_bytes - old_bytes, 0);
        }
        self.reshaped |= new_bytes != old_bytes || key.len() != old.key_bytes;
        if new_bytes != old_bytes {
            self.image.copy_within(old.end()..len, old.at + new_bytes);
            self.image.truncate(len - old_bytes + new_bytes);
            let by = small(new_bytes).wrapping_sub(small(old_bytes));
            self.shift_positions(index + 1..self.count, by);
        }
        let lengths = [
            small(key.len()).to_le_bytes(),
            small(value.len()).to_le_bytes(),
        ];
        if self.leaf {
            self.write(element_at(index) + 8, lengths.as_flattened());
        } else {
            self.write(element_at(index) + 4, &lengths[0]);
        }
        self.write(old.at, key);
        self.write(old.at + key.len(), value);
    }

    /// Gives branch element `index` the key `key`.
    pub fn set_key(&mut self, index: usize, key: &[u8]) {
        if !self.leaf && self.key(index) != key {
            self.replace(index, key, &[]);
            self.reshaped = true;
            let kept = self.heads.as_mut().and_then(|heads| heads.get_mut(index));
            if let Some(kept) = kept {
                *kept = head(key, 0);
            }
        }
    }

    /// Overwrites the beginning of the value at `index`.
    pub fn patch_value(&mut self, index: usize, prefix: &[u8]) {
        if let Ok((start, len)) = self.elements().value_range(index) {
            let prefix = prefix.get(..len).unwrap_or(prefix);
            self.write(start, prefix);
        }
    }

    /// Removes element `index`.
    pub fn remove(&mut self, index: usize) {
        let Ok(spot) = self.elements().spot(index) else {
            return;
        };
        let (element, pair_bytes) = (element_at(index), spot.key_bytes + spot.value_bytes);
        self.shift_positions(0..index, small(ELEMENT_BYTES).wrapping_neg());
        self.shift_positions(index + 1..self.count, small(pair_bytes).wrapping_neg());
        self.image
            .copy_within(element + ELEMENT_BYTES..spot.at, element);
        self.image
            .copy_within(spot.end().., spot.at - ELEMENT_BYTES);
        self.image
            .truncate(self.image.len() - ELEMENT_BYTES - pair_bytes);
        self.count -= 1;
        if let Some(heads) = &mut self.heads {
            heads.remove(index);
        }
        self.unbalanced = true;
        self.reshaped = true;
    }

    /// The parts of the image behind the header: table and pairs.
    fn parts(&self) -> (&[u8], &[u8]) {
        let body = self.image.get(HEADER_BYTES..).unwrap_or_default();
        body.split_at_checked(self.count * ELEMENT_BYTES)
            .unwrap_or_default()
    }

    /// A node of these parts, whose positions are still to be put right.
    fn of_parts(leaf: bool, table: [&[u8]; 2], pairs: [&[u8]; 2]) -> Node {
        let mut node = Node::new(leaf);
        node.count = (table[0].len() + table[1].len()) / ELEMENT_BYTES;
        let parts = [table[0], table[1], pairs[0], pairs[1]];
        node.image
            .reserve_exact(parts.iter().map(|part| part.len()).sum());
        parts
            .iter()
            .for_each(|part| node.image.extend_from_slice(part));
        node
    }

    /// Moves all of `right`'s elements behind this node's.
    pub fn append(&mut self, right: &Node) {
        let ((table, pairs), (right_table, right_pairs)) = (self.parts(), right.parts());
        let (right_table_bytes, pairs_bytes) = (small(right_table.len()), small(pairs.len()));
        let mut merged = Node::of_parts(self.leaf, [table, right_table], [pairs, right_pairs]);
        merged.shift_positions(0..self.count, right_table_bytes);
        merged.shift_positions(self.count..merged.count, pairs_bytes);
        (self.image, self.count) = (merged.image, merged.count);
        match (&mut self.heads, &right.heads) {
            (Some(heads), Some(behind)) => heads.extend(behind),
            (heads, _) => *heads = None,
        }
        self.appended_only = false;
        self.reshaped = true;
    }

    /// Takes the elements from `index` on into a new node.
    pub fn split_off(&mut self, index: usize) -> Node {
        let index = index.min(self.count);
        let (table, pairs) = self.parts();
        let pairs_at = element_at(self.count);
        let kept_bytes = match self.elements().spot(index) {
            Ok(first) => first.at - pairs_at,
            Err(_) => pairs.len(),
        };
        let halves = table
            .split_at_checked(index * ELEMENT_BYTES)
            .zip(pairs.split_at_checked(kept_bytes));
        let ((left_table, right_table), (left_pairs, right_pairs)) = halves.unwrap_or_default();
        let mut left = Node::of_parts(self.leaf, [left_table, &[]], [left_pairs, &[]]);
        let mut right = Node::of_parts(self.leaf, [right_table, &[]], [right_pairs, &[]]);
        left.shift_positions(0..left.count, small(right_table.len()).wrapping_neg());
        right.shift_positions(0..right.count, small(kept_bytes).wrapping_neg());
        right.appended_only = self.appended_only;
        right.heads = self.heads.as_mut().map(|heads| heads.split_off(index));
        (self.image, self.count) = (left.image, left.count);
        self.reshaped = true;
        right
    }

    /// Bytes of the pair at `index`, its table element included.
    pub fn element_bytes(&self, index: usize) -> usize {
        let spot = self.elements().spot(index);
        spot.map_or(0, |spot| ELEMENT_BYTES + spot.key_bytes + spot.value_bytes)
    }

    /// What the node takes on a page, the header still blank. Every child must have a page by now.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// Makes `page`, which begins with the node's image, page `id`, a run of `overflow` more pages.
    pub fn stamp(&self, page: &mut [u8], id: PageId, overflow: u32) -> pager::Result<()> {
        let too_many = |_| pager::Error::page(id, "more elements than a page can count");
        let count = u16::try_from(self.count).map_err(too_many)?;
        let kind = match self.leaf {
            true => PageKind::Leaf,
            false => PageKind::Branch,
        };
        write_header(page, id, kind, count, overflow);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
