//! Laws about filling a space from sorted pairs.

use kv_api::capability::SortedLoad;
use kv_api::{Bytes, Error, ErrorKind, Result, Store};

use crate::Fixture;
use crate::scaffold::{NAMED, Pair, assert_kind, commit_pairs, contents, numbered, opened};

/// Loads `pairs`, and ends with `end` instead of their end if there is one.
fn load(
    store: &impl SortedLoad,
    space: Option<&[u8]>,
    pairs: &[Pair],
    end: Option<Error>,
) -> Result<u64> {
    let mut left = pairs.iter();
    store.load_sorted(space, &mut || match (left.next(), &end) {
        (Some((key, value)), _) => {
            let pair = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
            Ok(Some(pair))
        }
        (None, Some(error)) => Err(error.clone()),
        (None, None) => Ok(None),
    })
}

/// What was loaded is there, in the space it was loaded into, now and after the store was opened
/// again.
pub fn a_load_is_there_once_it_is_done<F: Fixture>()
where
    F::Store: SortedLoad,
{
    let (fixture, store) = opened::<F>();
    let (few, many) = (numbered(10), numbered(20_000));
    assert_eq!(load(&store, None, &many, None).unwrap(), 20_000);
    assert_eq!(load(&store, Some(NAMED), &few, None).unwrap(), 10);
    let shown = contents(&store.snapshot().unwrap());
    assert!(shown[&b""[..]].iter().eq(many.iter()));
    assert!(shown[NAMED].iter().eq(few.iter()));
    drop(store);
    let store = fixture.open().unwrap();
    assert_eq!(contents(&store.snapshot().unwrap()), shown);
}

/// Pairs that are there stay; of two with one key the loaded one counts.
pub fn a_load_adds_to_what_is_there<F: Fixture>()
where
    F::Store: SortedLoad,
{
    let (_fixture, store) = opened::<F>();
    let all = numbered(900);
    commit_pairs(&store, &all);
    let before = contents(&store.snapshot().unwrap());
    let mut loaded: Vec<Pair> = all.iter().step_by(3).cloned().collect();
    loaded
        .iter_mut()
        .for_each(|pair| pair.1 = b"loaded".to_vec());
    loaded.push((b"key behind all".to_vec(), b"loaded".to_vec()));
    loaded.insert(0, (b"a key before all".to_vec(), Vec::new()));
    let old = store.snapshot().unwrap();
    assert_eq!(load(&store, None, &loaded, None).unwrap(), 302);
    let mut wanted = std::collections::BTreeMap::from_iter(all);
    wanted.extend(loaded);
    let shown = contents(&store.snapshot().unwrap());
    assert!(
        shown[&b""[..]]
            .iter()
            .map(|(k, v)| (k, v))
            .eq(wanted.iter())
    );
    assert_eq!(contents(&old), before, "a snapshot stays what it is");
}

/// A load that is refused or called off changes nothing, and a later one goes well.
pub fn a_load_that_fails_changes_nothing<F: Fixture>()
where
    F::Store: SortedLoad,
{
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &numbered(50));
    let before = contents(&store.snapshot().unwrap());
    let good = numbered(5_000);
    let with = |key: &[u8]| {
        let mut pairs = good.clone();
        pairs.push((key.to_vec(), Vec::new()));
        pairs
    };
    let not_behind = with(b"key 004998");
    let again = with(&good[4_999].0);
    let empty = vec![(Vec::new(), Vec::new())];
    for space in [None, Some(NAMED)] {
        for pairs in [&not_behind, &again, &empty] {
            let refused = load(&store, space, pairs, None);
            assert_kind(refused, ErrorKind::Invalid, "keys that do not ascend");
        }
        let failing = load(&store, space, &good, Some(Error::Closed));
        assert_kind(failing, ErrorKind::Closed, "the source's own error");
        assert_eq!(contents(&store.snapshot().unwrap()), before);
    }
    assert_eq!(load(&store, Some(NAMED), &good, None).unwrap(), 5_000);
    assert_eq!(contents(&store.snapshot().unwrap())[NAMED].len(), 5_000);
}

/// Nothing comes of nothing.
pub fn an_empty_load_changes_nothing<F: Fixture>()
where
    F::Store: SortedLoad,
{
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &numbered(5));
    let before = contents(&store.snapshot().unwrap());
    for space in [None, Some(&b"a space for nothing"[..])] {
        assert_eq!(load(&store, space, &[], None).unwrap(), 0);
        assert_eq!(contents(&store.snapshot().unwrap()), before);
    }
}
