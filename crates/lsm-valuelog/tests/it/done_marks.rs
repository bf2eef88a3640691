//! The ends of streams: told by whoever reads them, and taken by whoever loads them.

use std::collections::{BTreeMap, BTreeSet};

use kv_api::capability::Check;
use kv_api::{ErrorKind, Space, Store, Transaction};
use lsm_valuelog::{BulkMode, BulkWriter, Db, Entry, Sequence};

use crate::conformance::small;
use crate::support::pairs;

fn key(stream: u32, number: u32) -> Vec<u8> {
    format!("{stream:02} {number:04}").into_bytes()
}

#[test]
fn streams_that_come_mixed_are_loaded_whole_each_ended_by_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    let mut expected = Vec::new();
    for number in 0..300_u32 {
        // One stream after the other is done, and the rest goes on.
        for stream in number / 60..5 {
            let value = vec![stream as u8; (number % 250) as usize];
            let key = key(stream, number);
            load.put(stream, BulkWriter::DEFAULT, &key, &value).unwrap();
            expected.push((key, value));
        }
        if number % 60 == 59 {
            load.end_stream(number / 60).unwrap();
        }
    }
    assert_eq!(db.tables(), [], "nobody sees anything before the end");
    let loaded = load.finish().unwrap();
    assert_eq!(loaded.records, expected.len() as u64);
    expected.sort();
    assert_eq!(pairs(&db), expected);
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    drop(db);
    assert_eq!(pairs(&small().open(&path).unwrap()), expected);
}

#[test]
fn a_record_for_a_stream_that_has_ended_is_refused_and_the_load_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    let mut put = |stream: u32, key: &[u8]| load.put(stream, BulkWriter::DEFAULT, key, b"");
    put(1, b"a").unwrap();
    put(2, b"b").unwrap();
    load.end_stream(1).unwrap();
    load.end_stream(1).unwrap();
    // One that never began has no records to come either.
    load.end_stream(7).unwrap();
    for stream in [1, 7] {
        let late = load.put(stream, BulkWriter::DEFAULT, b"z", b"");
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Invalid);
    }
    load.put(2, BulkWriter::DEFAULT, b"c", b"").unwrap();
    assert_eq!(load.finish().unwrap().records, 3);
    let keys: Vec<_> = pairs(&db).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"a", b"b", b"c"]);
}

#[test]
fn streams_that_ended_and_overlap_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    for stream in 0..40_u32 {
        for number in (stream..2_000).step_by(40) {
            let value = number.to_be_bytes();
            load.put(stream, BulkWriter::DEFAULT, &value, &value)
                .unwrap();
        }
        load.end_stream(stream).unwrap();
    }
    load.finish().unwrap();
    let numbers = (0..2_000_u32).map(|number| number.to_be_bytes().to_vec());
    assert_eq!(
        pairs(&db),
        numbers.map(|n| (n.clone(), n)).collect::<Vec<_>>()
    );
}

#[test]
fn a_load_that_is_forgotten_takes_the_tables_of_ended_streams_along() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    let files = || std::fs::read_dir(&path).unwrap().count();
    let before = files();
    let mut load = db.bulk_load(BulkMode::Replace).unwrap();
    for stream in 0..3 {
        for number in 0..500 {
            let key = key(stream, number);
            load.put(stream, BulkWriter::DEFAULT, &key, &[1; 150])
                .unwrap();
        }
        load.end_stream(stream).unwrap();
    }
    assert!(files() > before + 3, "{} {before}", files());
    drop(load);
    assert_eq!(files(), before);
}

#[test]
fn each_stream_of_a_scan_ends_with_one_mark_and_nothing_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.update(|tx| {
        (0..2_000_u32).try_for_each(|n| tx.put(Space::DEFAULT, &n.to_be_bytes(), &[1; 80]))
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    for (marks, batch_bytes) in [(true, 1), (true, 1 << 20), (false, 1 << 10)] {
        let (mut ended, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut keys = 0;
        let stream = snapshot.stream().threads(3).batch_bytes(batch_bytes);
        stream
            .done_marks(marks)
            .run(|batch| {
                keys += batch.len();
                assert!(marks || !batch.is_empty());
                assert!(!ended.contains(&batch.stream()));
                seen.insert(batch.stream());
                if batch.ends_stream() {
                    ended.insert(batch.stream());
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(keys, 2_000);
        assert!(seen.len() > 3, "{seen:?}");
        assert_eq!(ended, if marks { seen } else { BTreeSet::new() });
    }
    // A stream without anything to show is told to be done all the same.
    let mut marks = 0;
    let none = snapshot.stream().choose(&|_| false).done_marks(true);
    none.run(|batch| {
        assert!(batch.is_empty() && batch.ends_stream());
        marks += 1;
        Ok(())
    })
    .unwrap();
    assert!(marks > 0);
}

#[test]
fn batches_of_a_scan_loaded_in_any_order_of_their_streams_are_the_same_store() {
    let directory = tempfile::tempdir().unwrap();
    let options = || small().versions_to_keep(usize::MAX);
    let from = options().open(directory.path().join("from")).unwrap();
    for round in 0..3_u8 {
        from.update(|tx| {
            for number in 0..600_u32 {
                let value = vec![round; (number % 200) as usize];
                let key = number.to_be_bytes();
                let entry = Entry::new(&key, &value).user_meta(round);
                tx.put_entry(Space::DEFAULT, &entry)?;
            }
            tx.delete(Space::DEFAULT, &[0, 0, 0, round])
        })
        .unwrap();
    }
    let snapshot = from.snapshot().unwrap();
    let mut streams: BTreeMap<u32, Vec<lsm_valuelog::Batch>> = BTreeMap::new();
    let stream = snapshot.stream().versions(usize::MAX).deletions(true);
    stream
        .batch_bytes(500)
        .done_marks(true)
        .run(|batch| {
            streams
                .entry(batch.stream())
                .or_default()
                .push(batch.clone());
            Ok(())
        })
        .unwrap();
    assert!(streams.len() > 2);
    let to = options().open(directory.path().join("to")).unwrap();
    let mut load = to.bulk_load(BulkMode::Add).unwrap();
    // A batch of each in turn, from the last stream to the first.
    while !streams.is_empty() {
        for batches in streams.values_mut().rev() {
            let batch = batches.remove(0);
            load.add_batch(BulkWriter::DEFAULT, &batch).unwrap();
        }
        streams.retain(|_, batches| !batches.is_empty());
    }
    load.finish().unwrap();
    assert_eq!(pairs(&to), pairs(&from));
    let all = |db: &Db| {
        let mut all = Vec::new();
        let snapshot = db.snapshot().unwrap();
        let stream = snapshot.stream().versions(usize::MAX).deletions(true);
        stream
            .run(|batch| {
                let records = batch.iter();
                all.extend(
                    records.map(|r| (r.key.to_vec(), r.version, r.user_meta, r.value.is_none())),
                );
                Ok(())
            })
            .unwrap();
        all
    };
    assert_eq!(all(&to), all(&from));
    assert_eq!(to.newest_version(), Sequence(3));
}
