//! Counters, their differences, and the ticker that tells them.

use std::sync::mpsc::channel;
use std::time::Duration;

use txn::{FreelistStorage, Options, Statistics, Ticker};

use crate::support::{Scratch, fill, quick};

#[test]
fn after_one_bucket_in_a_fresh_file_the_figures_are_bbolts() {
    let scratch = Scratch::new();
    let options = Options::new().page_bytes(4096);
    let like_bbolt = options.freelist(FreelistStorage::Always);
    let db = like_bbolt.open(&scratch.path).unwrap();
    db.update(|tx| tx.create_bucket("widgets").map(drop))
        .unwrap();
    let statistics = db.statistics().unwrap();
    assert_eq!(statistics.pages_allocated, 2);
    assert_eq!((statistics.free_pages, statistics.pending_pages), (0, 2));
    assert_eq!(
        (statistics.free_bytes, statistics.freelist_bytes),
        (8192, 32)
    );
    assert_eq!((statistics.commits, statistics.rollbacks), (1, 0));
}

#[test]
fn every_kind_of_work_is_counted() {
    let scratch = Scratch::new();
    let db = Options::new().page_bytes(4096).open(&scratch.path).unwrap();
    let before = db.statistics().unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..1000, 100);
        Ok(())
    })
    .unwrap();
    db.update(|tx| {
        fill(&mut tx.bucket("b")?, 0..1000, 200);
        Ok(())
    })
    .unwrap();
    db.update(|tx| tx.bucket("b")?.delete_range("000100"..))
        .unwrap();
    db.begin().unwrap().rollback();
    drop(db.update(|_| Err::<(), _>(txn::Error::Conflict)));
    let held = db.snapshot().unwrap();
    db.view(|_| Ok(())).unwrap();
    let since = db.statistics().unwrap().since(&before);
    assert_eq!((since.commits, since.rollbacks), (3, 2));
    assert_eq!((since.snapshots_begun, since.snapshots_open), (2, 1));
    assert!(since.splits > 10 && since.rebalances > 10 && since.spills > 30 && since.nodes > 10);
    assert!(since.pages_allocated > 30);
    assert_eq!(since.allocated_bytes, since.pages_allocated * 4096);
    // Each commit writes its pages, and of the meta the record with its page header.
    assert_eq!(since.bytes_written, since.allocated_bytes + 3 * 80);
    assert!(since.syncs >= 4 && since.sync_ns > 0 && since.write_ns > 0 && since.settle_ns > 0);
    drop(held);
    assert_eq!(db.statistics().unwrap().snapshots_open, 0);
}

#[test]
fn a_difference_keeps_gauges_and_subtracts_counters() {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..1000, 100);
        Ok(())
    })
    .unwrap();
    db.update(|tx| tx.delete_bucket("b")).unwrap();
    let (one, held) = (db.statistics().unwrap(), db.snapshot().unwrap());
    let difference = db.statistics().unwrap().since(&one);
    let mut gauges = Statistics::default();
    gauges.free_pages = one.free_pages;
    gauges.pending_pages = one.pending_pages;
    gauges.free_bytes = one.free_bytes;
    gauges.freelist_bytes = one.freelist_bytes;
    gauges.snapshots_open = 1;
    gauges.snapshots_begun = 1;
    assert_eq!(difference, gauges);
    assert!(gauges.pending_pages > 20);
    drop(held);
}

#[test]
fn without_statistics_nothing_is_counted() {
    let scratch = Scratch::new();
    let db = quick().no_statistics(true).open(&scratch.path).unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    let _held = db.snapshot().unwrap();
    assert_eq!(db.statistics().unwrap(), Statistics::default());
}

#[test]
fn the_figures_are_one_line_of_json_with_their_names() {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    let statistics = db.statistics().unwrap();
    let line = statistics.to_json();
    assert!(!line.contains('\n'));
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed.len(), statistics.fields().len());
    for (name, figure) in statistics.fields() {
        assert_eq!(parsed[name].as_u64(), Some(figure), "{name}");
    }
}

#[test]
fn a_ticker_tells_differences_until_it_is_dropped_or_the_database_closed() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let (tell, told) = channel();
    let tick = Duration::from_millis(20);
    let ticker = Ticker::start(&db, tick, move |since| tell.send(since.commits).unwrap());
    let mut commits = 0;
    for _ in 0..4 {
        db.update(|tx| tx.create_bucket_if_missing("b")?.put("key", "value"))
            .unwrap();
        commits += told.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    commits += told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(commits, 4);
    drop(ticker);
    while told.try_recv().is_ok() {}
    assert!(
        told.recv_timeout(tick * 3).is_err(),
        "silent, its function dropped"
    );
    let (tell, told) = channel();
    let _ticker = Ticker::start(&db, tick, move |_| tell.send(()).unwrap());
    db.close().unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while told.recv_timeout(Duration::from_secs(20)).is_ok() {
        assert!(
            std::time::Instant::now() < end,
            "it goes on after the closing"
        );
    }
}
