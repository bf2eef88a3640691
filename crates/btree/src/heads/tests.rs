//! Tests of heads: the oracle is the order of the keys themselves.

use std::collections::BTreeMap;

use pager::{Page, Result};
use quickcheck::quickcheck;

use super::*;
use crate::child::Child;
use crate::node::Node;

/// One page with its words.
struct OnePage {
    image: Vec<u8>,
    tables: SideTables,
}

impl PageSource for OnePage {
    fn page_bytes(&self) -> usize {
        self.image.len()
    }

    fn high_water(&self) -> PageId {
        PageId(10)
    }

    fn page(&self, id: PageId) -> Result<Page<'_>> {
        Page::parse(id, &self.image)
    }

    fn run(&self, _: PageId, _: u64) -> Result<&[u8]> {
        Ok(&self.image)
    }

    fn side_tables(&self) -> Option<&SideTables> {
        Some(&self.tables)
    }
}

const ID: PageId = PageId(7);

/// A page of these pairs, or of these separators above pages 100, 101 and so on, searched often
/// enough for its words to be kept.
fn page_of(pairs: &BTreeMap<Vec<u8>, Vec<u8>>, leaf: bool) -> crate::Result<OnePage> {
    let mut node = Node::new(leaf);
    for ((key, value), child) in pairs.iter().zip(100..) {
        match leaf {
            true => node.put(key, value, NO_FLAGS)?,
            false => node.insert_child(node.count(), key, Child::Page(PageId(child))),
        }
    }
    let mut image = node.image().to_vec();
    node.stamp(&mut image, ID, 0)?;
    let tables = SideTables::new(1 << 20);
    let page = OnePage { image, tables };
    for _ in 0..100 {
        note_search(&page, Elements::of(page.page(ID)?)?);
    }
    Ok(page)
}

/// Keys that tie: few letters, zeros at the end, and a long common beginning now and then.
fn key(raw: &[u8], beginning: usize) -> Vec<u8> {
    let mut key = vec![b'u'; beginning];
    key.extend(raw.iter().take(12).map(|byte| byte % 3));
    key.push(raw.len().try_into().unwrap_or(0) % 2);
    key
}

quickcheck! {
    /// The oracle is the position in an ordered map.
    fn a_window_holds_the_place_of_every_key(
        raw: Vec<(Vec<u8>, u8)>,
        wanted: Vec<Vec<u8>>,
        beginning: u8,
        leaf: bool
    ) -> bool {
        let beginning = usize::from(beginning) % 40;
        let mut pairs: BTreeMap<Vec<u8>, Vec<u8>> = raw
            .iter()
            .map(|(key_raw, value)| {
                (key(key_raw, beginning), vec![*value; usize::from(value % 5)])
            })
            .collect();
        pairs.insert(key(&[], beginning), b"first".to_vec());
        let Ok(page) = page_of(&pairs, leaf) else { return false };
        let mut wanted: Vec<Vec<u8>> = wanted
            .iter()
            .flat_map(|raw| [key(raw, beginning), key(raw, 0), raw.clone()])
            .collect();
        wanted.extend(pairs.keys().cloned());
        wanted.iter().all(|wanted| {
            let place = pairs.keys().take_while(|key| *key < wanted).count();
            if leaf {
                leaf_agrees(&page, &pairs, wanted, place)
            } else {
                branch_agrees(&page, &pairs, wanted, place)
            }
        })
    }
}

fn leaf_agrees(
    page: &OnePage,
    pairs: &BTreeMap<Vec<u8>, Vec<u8>>,
    wanted: &[u8],
    place: usize,
) -> bool {
    let tables = page.side_tables();
    let found = tables.and_then(|tables| entry_on_leaf(page, tables, ID, wanted));
    let value = |found: Option<Entry<'_>>| found.map(|entry| entry.value.to_vec());
    if found.is_some_and(|found| value(found) != pairs.get(wanted).cloned()) {
        return false;
    }
    if pairs.len() == 1 {
        return found.is_some() && look_on_leaf(page, ID, wanted).is_none();
    }
    let Some(Ok(look)) = look_on_leaf(page, ID, wanted) else {
        return false;
    };
    let pair_agrees = look.pair.is_none_or(|spot| {
        let found = look.elements.pair_at(spot).ok();
        let expected = pairs.iter().nth(look.window.low);
        found == expected.map(|(key, value)| (key.as_slice(), value.as_slice()))
    });
    pair_agrees && (look.window.low..=look.window.high).contains(&place)
}

fn branch_agrees(
    page: &OnePage,
    pairs: &BTreeMap<Vec<u8>, Vec<u8>>,
    wanted: &[u8],
    place: usize,
) -> bool {
    let Some(look) = look_below(&page.tables, ID, wanted) else {
        return false;
    };
    let exact = pairs.contains_key(wanted);
    let below = if exact {
        place
    } else {
        place.saturating_sub(1)
    };
    let child_agrees = look
        .child
        .is_none_or(|child| child == PageId(100 + below as u64));
    child_agrees
        && look.count == pairs.len()
        && (look.window.low..=look.window.high).contains(&place)
}

#[test]
fn pairs_of_one_length_are_found_without_the_table_of_elements() -> crate::Result<()> {
    let pairs: BTreeMap<Vec<u8>, Vec<u8>> = (0..20_u8)
        .map(|n| (vec![b'k', n, 1], vec![n; usize::from(n)]))
        .collect();
    let page = page_of(&pairs, true)?;
    for key in pairs.keys() {
        let look = look_on_leaf(&page, ID, key).transpose()?;
        assert!(look.is_some_and(|look| look.pair.is_some()), "{key:?}");
    }
    Ok(())
}

#[test]
fn nothing_is_kept_for_a_page_whose_keys_do_not_ascend() -> crate::Result<()> {
    let pairs: BTreeMap<Vec<u8>, Vec<u8>> =
        [(b"aa".to_vec(), vec![]), (b"bb".to_vec(), vec![])].into();
    let mut page = page_of(&pairs, true)?;
    assert!(look_on_leaf(&page, ID, b"aa").is_some());
    page.tables = SideTables::new(1 << 20);
    if let Some(last) = page.image.last_chunk_mut::<4>() {
        *last = *b"bbaa";
    }
    for _ in 0..100 {
        note_search(&page, Elements::of(page.page(ID)?)?);
    }
    assert!(look_on_leaf(&page, ID, b"aa").is_none());
    Ok(())
}

/// A slot keeps what it held where fewer words are kept in it later.
#[test]
fn children_that_are_not_kept_are_not_those_of_the_page_before() -> crate::Result<()> {
    let branch_of = |count: u64| {
        let keys = (0..count).map(|index| (index.to_be_bytes().to_vec(), Vec::new()));
        page_of(&keys.collect(), false)
    };
    let small = branch_of(90)?;
    assert_eq!(child(&small, ID, 3), Some(PageId(103)));
    let large = OnePage {
        tables: small.tables,
        ..branch_of(140)?
    };
    large.tables.forget(ID);
    for _ in 0..100 {
        note_search(&large, Elements::of(large.page(ID)?)?);
    }
    let look = look_below(&large.tables, ID, &3_u64.to_be_bytes());
    assert!(
        look.is_some_and(|look| look.count == 140),
        "its own heads are kept"
    );
    for place in 0..140 {
        assert_eq!(child(&large, ID, place), None, "{place}");
    }
    Ok(())
}
