//! Badger's own backups, both ways. Against Badger itself they are held by `scripts/interop/run`.

use kv_api::capability::Check;
use kv_api::{ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, Options, Sequence, read_badger_backup};

use crate::conformance::small;

fn keeping() -> Options {
    small().versions_to_keep(usize::MAX)
}

/// Everything a reader of all versions could see.
fn versions(db: &Db) -> Vec<String> {
    let mut seen = Vec::new();
    let snapshot = db.snapshot().unwrap();
    let stream = snapshot.stream().versions(usize::MAX).deletions(true);
    stream
        .run(|batch| {
            seen.extend(batch.iter().map(|record| format!("{record:?}")));
            Ok(())
        })
        .unwrap();
    seen
}

fn backup(db: &Db, since: Sequence) -> (Vec<u8>, Sequence) {
    let mut bytes = Vec::new();
    let snapshot = db.snapshot().unwrap();
    let written = snapshot
        .write_badger_backup(Space::DEFAULT, since, &mut bytes)
        .unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    (bytes, written.newest)
}

fn load(db: &Db, mut bytes: &[u8]) -> kv_api::Result<lsm_valuelog::BadgerLoaded> {
    db.load_badger_backup(None, &mut bytes, &mut |_| true)
}

fn write_round(db: &Db, round: u8) {
    for number in 0..200_u32 {
        let key = format!("key {number:03}");
        let value = vec![round; (number * 7 % 900) as usize];
        let entry = Entry::new(key.as_bytes(), &value).user_meta(number as u8);
        let entry = match number % 5 {
            1 => entry.expires_at(4_000_000_000 + u64::from(number)),
            2 if round == 2 => entry.discard_earlier_versions(),
            _ => entry,
        };
        db.update(|tx| match (number % 5, round) {
            (3, 1) => tx.delete(Space::DEFAULT, key.as_bytes()),
            _ => tx.put_entry(Space::DEFAULT, &entry),
        })
        .unwrap();
    }
}

#[test]
fn a_backup_for_badger_comes_back_equal_with_versions_expiry_and_user_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let db = keeping().open(directory.path().join("a")).unwrap();
    for round in 0..3 {
        write_round(&db, round);
    }
    let (bytes, newest) = backup(&db, Sequence(0));
    assert_eq!(newest, Sequence(600));
    let copy = keeping().open(directory.path().join("b")).unwrap();
    let loaded = load(&copy, &bytes).unwrap();
    assert_eq!((loaded.newest, loaded.bytes), (newest, bytes.len() as u64));
    let expected = versions(&db);
    let seen = versions(&copy);
    assert_eq!(seen.len(), expected.len());
    assert!(seen == expected, "the same versions");
    let findings = copy.check(&mut |finding| panic!("{finding:?}")).unwrap();
    assert_eq!(findings.findings, 0);
    // And once more, after everything was written anew.
    copy.flatten().unwrap();
    assert_eq!(backup(&copy, Sequence(0)).0, bytes);
}

#[test]
fn backups_of_changes_follow_each_other_and_may_repeat_the_version_they_begin_at() {
    let directory = tempfile::tempdir().unwrap();
    let db = keeping().open(directory.path().join("a")).unwrap();
    let copy = keeping().open(directory.path().join("b")).unwrap();
    let mut since = Sequence(0);
    for round in 0..3 {
        write_round(&db, round);
        // Badger 2 counts the version it is told as new: so does this backup.
        let (bytes, newest) = backup(&db, Sequence(since.0.saturating_sub(1)));
        let loaded = load(&copy, &bytes).unwrap();
        assert_eq!(loaded.known > 0, since > Sequence(0));
        since = newest;
    }
    assert!(versions(&copy) == versions(&db), "the same versions");
    // A whole backup has nothing new; one of another store does not fit.
    let again = load(&copy, &backup(&db, Sequence(0)).0).unwrap();
    assert_eq!(again.versions, 0);
    let other = keeping().open(directory.path().join("c")).unwrap();
    other
        .update(|tx| tx.put(Space::DEFAULT, b"other", b"value"))
        .unwrap();
    let refused = load(&copy, &backup(&other, Sequence(0)).0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
}

#[test]
fn a_space_is_chosen_and_keys_that_badger_keeps_for_itself_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("a")).unwrap();
    db.update(|tx| {
        let space = tx.create_space(b"words")?;
        tx.put(space, b"hello", b"world")?;
        tx.put(Space::DEFAULT, b"!badger!mine", b"value")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let refused = snapshot.write_badger_backup(Space::DEFAULT, Sequence(0), &mut Vec::new());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let mut bytes = Vec::new();
    let words = snapshot.space(b"words").unwrap().unwrap();
    snapshot
        .write_badger_backup(words, Sequence(0), &mut bytes)
        .unwrap();
    let copy = small().open(directory.path().join("b")).unwrap();
    copy.load_badger_backup(Some(b"copied"), &mut &*bytes, &mut |_| true)
        .unwrap();
    let snapshot = copy.snapshot().unwrap();
    let copied = snapshot.space(b"copied").unwrap().unwrap();
    assert_eq!(&*snapshot.get(copied, b"hello").unwrap().unwrap(), b"world");
    assert!(snapshot.get(Space::DEFAULT, b"hello").unwrap().is_none());
}

/// A frame around protobuf bytes.
fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u64).to_le_bytes(), body].concat()
}

#[test]
fn bytes_that_badger_wrote_mean_what_badger_means() {
    // KVList{kv: [{key: "k", value: "v", user_meta: 7, version: 300, expires_at: 0, meta: 2}]},
    // fields in another order, an unknown one between, and the list's own field 10.
    let pair = [
        &[0x20, 0xAC, 0x02][..], // version: 300
        &[0x0A, 1, b'k'],
        &[0x7A, 2, 9, 9], // field 15
        &[0x32, 1, 2],    // meta: a pointer, which means nothing here
        &[0x12, 1, b'v'],
        &[0x1A, 1, 7],
    ]
    .concat();
    let deleted = [&[0x0A, 1, b'd'][..], &[0x20, 5], &[0x32, 1, 1]].concat();
    let own = [&[0x0A, 11][..], b"!badger!txn", &[0x20, 5]].concat();
    let mut body = vec![0x50, 0];
    for pair in [&pair, &deleted, &own] {
        body.extend([0x0A, pair.len() as u8]);
        body.extend(pair);
    }
    let bytes = [frame(&body), frame(&[])].concat();
    let mut seen = Vec::new();
    let read = read_badger_backup(&mut &*bytes, |record| {
        seen.push(format!(
            "{:?} {:?} {} {}",
            record.key, record.value, record.version, record.user_meta
        ));
        Ok(())
    });
    assert_eq!(read.unwrap(), bytes.len() as u64);
    assert_eq!(seen[..2], ["[107] Some([118]) 300 7", "[100] None 5 0"]);
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("a")).unwrap();
    let loaded = load(&db, &bytes).unwrap();
    assert_eq!((loaded.versions, loaded.left_out), (2, 1));
    let snapshot = db.snapshot().unwrap();
    let item = snapshot.get_item(Space::DEFAULT, b"k").unwrap().unwrap();
    assert_eq!(
        (&*item.value().unwrap(), item.user_meta(), item.version()),
        (&b"v"[..], 7, Sequence(300))
    );
    assert!(snapshot.get(Space::DEFAULT, b"d").unwrap().is_none());
}

#[test]
fn a_damaged_backup_is_an_error_and_the_store_stays_what_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("a")).unwrap();
    write_round(&db, 0);
    let (bytes, _) = backup(&db, Sequence(0));
    let copy = small().open(directory.path().join("b")).unwrap();
    let mut huge = bytes.clone();
    huge[7] = 0x7F;
    let mut late = bytes.clone();
    late[..8].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    for damaged in [
        &bytes[..bytes.len() - 1],
        &bytes[..5],
        &bytes[..9],
        &huge,
        &late,
    ] {
        let refused = load(&copy, damaged).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    }
    // A version that nobody could have counted to.
    let far = [&[0x0A, 1, b'k', 0x20][..], &[0xFF; 9], &[1]].concat();
    let body = [&[0x0A, far.len() as u8][..], &far].concat();
    assert!(load(&copy, &frame(&body)).is_err());
    let stopped = copy.load_badger_backup(None, &mut &*bytes, &mut |_| false);
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(versions(&copy).len(), 0);
    load(&copy, &bytes).unwrap();
    assert_eq!(versions(&copy), versions(&db));
}
