//! Tests of a node: the oracle is an ordered map.

use std::collections::BTreeMap;

use quickcheck::quickcheck;

use super::*;

#[test]
fn a_pair_is_laid_out_as_bbolt_lays_it_out() -> crate::Result<()> {
    let mut node = Node::new(true);
    node.put(b"foo", b"bar", NO_FLAGS)?;
    let mut image = node.image().to_vec();
    node.stamp(&mut image, PageId(0), 0)?;
    let hex: String = image.iter().map(|byte| format!("{byte:02x}")).collect();
    let header = "00000000000000000200010000000000";
    let element = "00000000100000000300000003000000";
    assert_eq!(hex, format!("{header}{element}666f6f626172"));
    Ok(())
}

#[test]
fn positions_that_leave_the_page_are_damage() -> crate::Result<()> {
    let mut node = Node::new(true);
    node.put(b"foo", b"bar", NO_FLAGS)?;
    let mut image = node.image().to_vec();
    image.resize(64, 0);
    node.stamp(&mut image, PageId(9), 0)?;
    for at in [20, 24, 28] {
        let mut broken = image.clone();
        if let Some(field) = broken.get_mut(at..at + 4) {
            field.copy_from_slice(&u32::MAX.to_le_bytes());
        }
        let elements = Elements::of(pager::Page::parse(PageId(9), &broken)?)?;
        assert!(
            elements.key(0).is_err() && elements.value(0).is_err(),
            "field at {at}"
        );
    }
    Ok(())
}

quickcheck! {
    /// The oracle is an ordered map; size and order are derived from it.
    fn behaves_like_an_ordered_map(steps: Vec<(u8, u8, Vec<u8>)>) -> bool {
        let (mut node, mut model) = (Node::new(true), BTreeMap::new());
        for (action, key, value) in steps {
            let key = vec![key % 32; usize::from(key % 3) + 1];
            if action % 4 == 0 {
                if let Ok(index) = node.search(&key) {
                    node.remove(index);
                }
                model.remove(&key);
            } else {
                if node.put(&key, &value, 0).is_err() {
                    return false;
                }
                model.insert(key, value);
            }
        }
        let half = node.count() / 2;
        let right = node.split_off(half);
        let split_size = node.size_bytes() + right.size_bytes() - HEADER_BYTES;
        node.append(&right);
        let size = HEADER_BYTES
            + model.iter().map(|(k, v)| ELEMENT_BYTES + k.len() + v.len()).sum::<usize>();
        node.size_bytes() == size
            && split_size == size
            && node.count() == model.len()
            && model.iter().enumerate().all(|(index, (key, value))| {
                node.key(index) == key.as_slice() && node.value(index) == value.as_slice()
            })
    }
}

#[test]
fn a_branch_is_searched_by_the_keys_it_was_given_last() {
    let mut node = Node::new(false);
    for (index, key) in [b"b", b"f", b"k"].into_iter().enumerate() {
        node.insert_child(index, key, Child::Page(PageId(10)));
    }
    node.set_key(1, b"cc");
    node.set_key(2, b"d");
    assert_eq!(node.search(b"cc"), Ok(1));
    assert_eq!(node.search(b"e"), Err(3));
    assert_eq!(node.search(b"c"), Err(1));
}
