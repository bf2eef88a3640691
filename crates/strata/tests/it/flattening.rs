//! Copying from an engine that nests to one that does not, and back.

use kv_api::ErrorKind;
use strata::{CopyOptions, Digest, Engine, copy, unflatten_key};

use crate::place::{Place, entries, fill, fill_nested};
use crate::spaces_only::SpacesOnly;

#[test]
fn spaces_alone_copy_both_ways_with_equal_digests() {
    let place = Place::new(Engine::Bolt);
    let (bolt, spaces) = (place.open("a"), SpacesOnly::store());
    fill(&bolt);
    let source = bolt.open_snapshot().unwrap();
    copy(&source, &spaces, CopyOptions::default(), &mut |_| {}).unwrap();
    let digest: Digest = source.digest().unwrap();
    let between = spaces.open_snapshot().unwrap();
    assert_eq!(between.digest().unwrap(), digest);
    let back = place.open("b");
    copy(&between, &back, CopyOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(back.open_snapshot().unwrap().digest().unwrap(), digest);
}

#[test]
fn nested_buckets_and_sequences_are_refused_before_anything_is_written() {
    let place = Place::new(Engine::Bolt);
    let bolt = place.open("a");
    fill(&bolt);
    assert!(fill_nested(&bolt));
    let sequenced = place.open("b");
    let mut change = sequenced.begin_write().unwrap();
    change.create_at(&[b"bucket"]).unwrap();
    change
        .as_nested()
        .unwrap()
        .set_sequence(&[b"bucket"], 1)
        .unwrap();
    change.commit_durably().unwrap();
    for from in [bolt, sequenced] {
        let to = SpacesOnly::store();
        let source = from.open_snapshot().unwrap();
        let refused = copy(&source, &to, CopyOptions::default(), &mut |_| {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(entries(&to.open_snapshot().unwrap(), &[]).is_empty());
    }
}

#[test]
fn flattened_buckets_keep_every_pair_under_its_folded_path() {
    let place = Place::new(Engine::Bolt);
    let (bolt, spaces) = (place.open("a"), SpacesOnly::store());
    assert!(fill_nested(&bolt));
    let options = CopyOptions {
        flatten: true,
        ..CopyOptions::default()
    };
    let copied = copy(
        &bolt.open_snapshot().unwrap(),
        &spaces,
        options,
        &mut |_| {},
    )
    .unwrap();
    assert_eq!((copied.buckets, copied.keys), (4, 200));
    let flat = entries(&spaces.open_snapshot().unwrap(), &[b"one"]);
    assert_eq!(flat.len(), 200);
    let depths = flat
        .iter()
        .map(|(key, _)| unflatten_key(key).unwrap().len());
    for depth in 1..=4 {
        assert_eq!(depths.clone().filter(|found| *found == depth).count(), 50);
    }
    let deepest = unflatten_key(&strata::flat_key(
        [&b"two"[..], b"three", b"\x00four"],
        b"\0\0\0\x31",
    ));
    let deepest_in_copy = flat.iter().find(|(key, _)| unflatten_key(key) == deepest);
    assert_eq!(deepest_in_copy.unwrap().1.as_deref(), Some(&b"inside"[..]));
}
