//! Commits of many random keys: where their pages go, and what becomes of the file.

use txn::Db;

use crate::support::{Random, Scratch, contents, fill, quick};

/// Commits of many random keys in a database of small pages that checks itself after each.
fn large_commits(db: &Db, rounds: u64, random: &mut Random) {
    for round in 0..rounds {
        db.update(|tx| {
            let mut bucket = tx.create_bucket_if_missing("b")?;
            (0..250).try_for_each(|_| {
                let key = format!("{:06}", random.below(12_000));
                bucket.put(key, vec![round as u8; 110])
            })
        })
        .unwrap();
    }
}

#[test]
fn large_commits_are_written_in_few_runs_and_the_file_stays_below_twice_what_is_live() {
    let scratch = Scratch::new();
    let options = quick().page_bytes(1024).strict(true);
    let db = options.open(&scratch.path).unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..12_000, 110);
        Ok(())
    })
    .unwrap();
    let mut random = Random::new(7);
    large_commits(&db, 40, &mut random);
    let (before, used) = (db.statistics().unwrap(), db.info().unwrap().size_bytes);
    large_commits(&db, 40, &mut random);
    let since = db.statistics().unwrap().since(&before);
    let (pages, runs) = (since.pages_allocated, since.writes - 40);
    assert!(runs * 8 < pages, "{runs} runs of {pages} pages");
    let now = db.info().unwrap().size_bytes;
    assert!(now <= used + used / 50, "{used} grew to {now}");
    let live = now - db.statistics().unwrap().free_bytes;
    assert!(now <= 2 * live + live / 10, "{now} for {live}");
    scratch.close_clean(db);
}

#[test]
fn readers_keep_what_they_see_while_large_commits_clean_up() {
    let scratch = Scratch::new();
    let options = quick().page_bytes(1024).strict(true);
    let db = options.open(&scratch.path).unwrap();
    let mut random = Random::new(8);
    large_commits(&db, 60, &mut random);
    let mut held = Vec::new();
    for round in 0..12 {
        let snapshot = db.snapshot().unwrap();
        let seen = contents(&snapshot);
        held.push((snapshot, seen));
        large_commits(&db, 3, &mut random);
        if round % 4 == 3 {
            held.remove(0);
        }
        for (snapshot, seen) in &held {
            assert_eq!(&contents(snapshot), seen);
        }
    }
    drop(held);
    scratch.close_clean(db);
}

#[test]
fn equal_large_commits_give_equal_files() {
    let files: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let scratch = Scratch::new();
            let db = quick().page_bytes(1024).open(&scratch.path).unwrap();
            large_commits(&db, 60, &mut Random::new(9));
            db.close().unwrap();
            drop(db);
            std::fs::read(&scratch.path).unwrap()
        })
        .collect();
    assert!(files[0] == files[1], "large commits");
}
