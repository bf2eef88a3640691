//! A disk that is full: what was begun and could not be ended gives its space back at once.

use std::path::Path;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use flatlog::{Db, ErrorKind, Options};

const ENOSPC: i32 = 28;

fn open(disk: &CrashDisk) -> Db {
    let options = Options::new().disk(disk.as_dyn()).background(false);
    options
        .segment_bytes(4 << 10)
        .checkpoint_bytes(0)
        .store_id([1; 16])
        .open("/store")
        .unwrap()
}

/// The files of the store but for what the next replacement of its state removes.
fn files(disk: &CrashDisk) -> Vec<String> {
    let names = disk.as_dyn().list(Path::new("/store")).unwrap().into_iter();
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name != "meta.state.new").collect()
}

/// Segments of which some are worth compacting.
fn fill(db: &Db) {
    for round in 0..40_u8 {
        let put = |number: u8| (number, [round; 100]);
        db.update(|tx| {
            let pairs = (0..8).map(|number| put(number * 5 + round % 5));
            pairs
                .into_iter()
                .try_for_each(|(key, value)| tx.put([key], value))
        })
        .unwrap();
    }
}

type Work = fn(&Db, &[u8]) -> flatlog::Result<()>;

const WORKS: [(&str, Work); 4] = [
    ("compact", |db, _| db.compact()),
    ("tidy", |db, _| db.tidy()),
    ("checkpoint", |db, _| db.checkpoint()),
    ("restore", |db, mut stream| {
        db.restore(&mut stream, |_| true)
    }),
];

#[test]
fn work_that_finds_no_room_leaves_no_file_that_nothing_names() {
    let mut refused = 0;
    for (name, work) in WORKS {
        for call in [Call::Write, Call::SetLen, Call::Open, Call::Rename] {
            for nth in 1.. {
                let disk = CrashDisk::new();
                let db = open(&disk);
                fill(&db);
                let mut stream = Vec::new();
                db.snapshot_to(&mut stream, |_| true).unwrap();
                disk.arm(Fault::from(call, nth, Action::Fail(ENOSPC)));
                let worked = work(&db, &stream);
                disk.disarm();
                let Err(error) = worked else {
                    break;
                };
                if error.kind() != ErrorKind::NoSpace {
                    continue;
                }
                refused += 1;
                let left = files(&disk);
                let after = disk.after_crash(Survivors::Everything);
                drop(open(&after));
                assert_eq!(left, files(&after), "{name}: {call:?} {nth}: {error}");
                db.update(|tx| tx.put("next", "")).unwrap();
            }
        }
    }
    assert!(refused > 20, "{refused}");
}
