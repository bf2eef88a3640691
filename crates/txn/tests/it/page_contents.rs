//! What tools see on single pages, on a real file of bbolt's.

use std::path::PathBuf;

use txn::{Db, LeafValue, Options, PageContents, PageUse};

fn fixture(name: &str) -> Db {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    Options::new().open_untrusted(fixtures.join(name)).unwrap()
}

#[test]
fn the_pages_of_a_real_file_hold_together() {
    let db = fixture("plain.db");
    let snapshot = db.snapshot().unwrap();
    let info = snapshot.info();
    let metas = snapshot.metas().map(|meta| meta.unwrap());
    let newest = metas.iter().max_by_key(|meta| meta.txid).unwrap();
    assert_eq!((newest.txid, newest.root_page), (info.txid, info.root_page));
    assert_eq!(newest.freelist_page, info.freelist_page);

    let free = snapshot.page_contents(info.freelist_page.unwrap()).unwrap();
    let PageContents::Freelist(free) = free else {
        panic!("{free:?}");
    };
    let is_free = |id: &u64| {
        let usage = snapshot.page(*id).unwrap().map(|page| page.usage);
        usage == Some(PageUse::Free)
    };
    assert_eq!(
        free,
        (2..info.high_water).filter(is_free).collect::<Vec<_>>()
    );
    assert!(!free.is_empty());

    let root = snapshot.page_contents(info.root_page).unwrap();
    let PageContents::Leaf(entries) = root else {
        panic!("{root:?}");
    };
    let bucket = entries.iter().find_map(|(_, value)| match value {
        LeafValue::Bucket { root_page, .. } => Some(*root_page),
        LeafValue::Value(_) => None,
    });
    let branch = snapshot.page_contents(bucket.unwrap()).unwrap();
    let PageContents::Branch(children) = branch else {
        panic!("{branch:?}");
    };
    let (first_key, first_child) = children[0];
    let leaf = snapshot.page_contents(first_child).unwrap();
    let PageContents::Leaf(pairs) = leaf else {
        panic!("{leaf:?}");
    };
    assert!(pairs[0].0 >= first_key);
}

#[test]
fn a_page_that_is_not_there_is_an_error() {
    let db = fixture("plain.db");
    let snapshot = db.snapshot().unwrap();
    for id in [0, 1, snapshot.info().high_water, u64::MAX] {
        assert!(snapshot.page_contents(id).is_err(), "page {id}");
    }
}
