//! Laws about the whole state as a stream, and back.

use std::io::{self, Read, Write};

use kv_api::capability::{Progress, SnapshotStream};
use kv_api::{Durability, ErrorKind, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{NAMED, assert_kind, commit_one, contents, newest, opened, without_blocking};

fn fill(store: &impl Store) {
    store
        .update(|tx| {
            let space = tx.create_space(NAMED)?;
            tx.create_space(b"an empty space")?;
            for i in 0..3_000 {
                let key = format!("key {i:06}");
                tx.put(Space::DEFAULT, key.as_bytes(), &[7; 60])?;
                tx.put(space, key.as_bytes(), &key.as_bytes()[..i % 10])?;
            }
            Ok(())
        })
        .unwrap();
}

fn stream_of(store: &impl SnapshotStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = store.write_snapshot(&mut bytes, &mut |_| true).unwrap();
    assert_eq!(written, bytes.len() as u64);
    bytes
}

macro_rules! stream_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: Fixture>()
        where
            F::Store: SnapshotStream,
        {
            without_blocking(|| {
                #[allow(unused_variables, reason = "few laws open their store again")]
                let ($fixture, $store) = opened::<F>();
                $law
            });
        }
    };
}

stream_law! {
    /// A restored store holds what its source held, all spaces with it, and nothing else; and so
    /// does what is opened there next.
    a_restored_store_equals_its_source, |fixture, source| {
        fill(&source);
        let stream = stream_of(&source);
        let (place, store) = opened::<F>();
        store.update(|tx| {
            tx.create_space(b"a space that goes")?;
            tx.put(Space::DEFAULT, b"a key that goes", b"")
        }).unwrap();
        store.restore_snapshot(&mut stream.as_slice(), &mut |_| true).unwrap();
        let expected = contents(&source.snapshot().unwrap());
        assert!(contents(&store.snapshot().unwrap()) == expected);
        drop(store);
        let store = place.open().unwrap();
        assert!(contents(&store.snapshot().unwrap()) == expected);
        commit_one(&store, b"goes on", b"1");
        assert_eq!(newest(&store, b"goes on"), Some(b"1".to_vec()));
    }
}

stream_law! {
    /// An empty store has a stream, which empties the store it is restored to.
    an_empty_state_is_restored, |fixture, source| {
        let stream = stream_of(&source);
        let (_place, store) = opened::<F>();
        fill(&store);
        store.restore_snapshot(&mut stream.as_slice(), &mut |_| true).unwrap();
        assert!(contents(&store.snapshot().unwrap()) == contents(&source.snapshot().unwrap()));
    }
}

/// Hands each write on, after a commit to the store being written out.
struct CommitsMeanwhile<'a, S: Store> {
    store: &'a S,
    bytes: Vec<u8>,
}

impl<S: Store> Write for CommitsMeanwhile<'_, S> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        commit_one(
            self.store,
            b"meanwhile",
            self.bytes.len().to_string().as_bytes(),
        );
        let part = &part[..part.len().min(20_000)];
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

stream_law! {
    /// A stream is of the version that was newest when it was asked for, though commits go on.
    a_stream_is_of_the_version_when_it_was_called, |fixture, source| {
        fill(&source);
        let before = contents(&source.snapshot().unwrap());
        let mut sink = CommitsMeanwhile { store: &source, bytes: Vec::new() };
        source.write_snapshot(&mut sink, &mut |_| true).unwrap();
        let (_place, store) = opened::<F>();
        store.restore_snapshot(&mut sink.bytes.as_slice(), &mut |_| true).unwrap();
        assert!(contents(&store.snapshot().unwrap()) == before);
    }
}

stream_law! {
    /// A snapshot taken before a restore stays what it is.
    a_snapshot_outlives_a_restore, |fixture, store| {
        fill(&store);
        let stream = stream_of(&store);
        commit_one(&store, b"newer", b"");
        let held = store.snapshot().unwrap();
        let before = contents(&held);
        store.restore_snapshot(&mut stream.as_slice(), &mut |_| true).unwrap();
        assert_eq!(newest(&store, b"newer"), None);
        assert!(contents(&held) == before);
    }
}

stream_law! {
    /// A stream that ends too early is refused as corrupt and leaves the old state.
    a_cut_stream_leaves_the_old_state, |fixture, store| {
        fill(&store);
        let stream = stream_of(&store);
        commit_one(&store, b"newer", b"");
        let before = contents(&store.snapshot().unwrap());
        for cut in (0..stream.len()).step_by(stream.len() / 40 + 1).chain([stream.len() - 1]) {
            let refused = store.restore_snapshot(&mut &stream[..cut], &mut |_| true);
            assert_kind(refused, ErrorKind::Corrupt, "a stream cut short");
            assert!(contents(&store.snapshot().unwrap()) == before);
        }
    }
}

stream_law! {
    /// A stream with a changed byte is refused and leaves the old state.
    a_damaged_stream_leaves_the_old_state, |fixture, store| {
        fill(&store);
        let stream = stream_of(&store);
        commit_one(&store, b"newer", b"");
        let before = contents(&store.snapshot().unwrap());
        for at in (0..stream.len()).step_by(stream.len() / 40 + 1) {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x10;
            let refused = store.restore_snapshot(&mut damaged.as_slice(), &mut |_| true);
            assert!(refused.is_err(), "byte {at} was changed");
            assert!(contents(&store.snapshot().unwrap()) == before);
        }
    }
}

/// Fails after some bytes.
struct Fails<'a>(&'a [u8]);

impl Read for Fails<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the other side went away")),
            read => Ok(read),
        }
    }
}

impl Write for Fails<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let taken = part.len().min(self.0.len());
        self.0 = &self.0[taken..];
        match taken {
            0 => Err(io::Error::other("the other side went away")),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

stream_law! {
    /// A failure of the other side is handed on, and the store lives on as it was.
    a_failing_other_side_leaves_the_store_alone, |fixture, store| {
        fill(&store);
        let stream = stream_of(&store);
        commit_one(&store, b"newer", b"");
        let before = contents(&store.snapshot().unwrap());
        for len in [0, 1, 5_000] {
            let mut part = Fails(&stream[..len]);
            let failed = store.restore_snapshot(&mut part, &mut |_| true);
            assert_kind(failed, ErrorKind::Io, "a source that fails");
            let mut part = Fails(&stream[..len]);
            let failed = store.write_snapshot(&mut part, &mut |_| true);
            assert_kind(failed, ErrorKind::Io, "a target that fails");
        }
        assert!(contents(&store.snapshot().unwrap()) == before);
    }
}

stream_law! {
    /// Progress never goes back and ends with all pairs and bytes.
    progress_comes_to_the_end, |fixture, store| {
        fill(&store);
        let mut bytes = Vec::new();
        let mut seen: Vec<Progress> = Vec::new();
        let mut note = |progress| {
            seen.push(progress);
            true
        };
        store.write_snapshot(&mut bytes, &mut note).unwrap();
        let last = seen.last().copied().unwrap();
        let all = Progress { pairs: 6_000, pairs_total: 6_000, bytes: bytes.len() as u64 };
        assert_eq!(last, all);
        assert!(seen.is_sorted_by_key(|progress| (progress.pairs, progress.bytes)));
        assert!(seen.len() > 1, "a large stream is told about on its way");
        let mut seen: Vec<Progress> = Vec::new();
        let mut note = |progress| {
            seen.push(progress);
            true
        };
        store.restore_snapshot(&mut bytes.as_slice(), &mut note).unwrap();
        assert_eq!(seen.last().copied(), Some(all));
        assert!(seen.is_sorted_by_key(|progress| (progress.pairs, progress.bytes)));
    }
}

stream_law! {
    /// Whoever answers that it should not go on ends a snapshot or a restore; the store is what
    /// it was.
    a_cancelled_restore_leaves_the_old_state, |fixture, store| {
        fill(&store);
        let stream = stream_of(&store);
        commit_one(&store, b"newer", b"");
        let before = contents(&store.snapshot().unwrap());
        for calls in 0..2 {
            let mut left = calls;
            let mut stops = |_| {
                left -= 1;
                left >= 0
            };
            let ended = store.write_snapshot(&mut io::sink(), &mut stops);
            assert_kind(ended, ErrorKind::Io, "a cancelled snapshot");
            left = calls;
            let mut stops = |_| {
                left -= 1;
                left >= 0
            };
            let ended = store.restore_snapshot(&mut stream.as_slice(), &mut stops);
            assert_kind(ended, ErrorKind::Io, "a cancelled restore");
            assert!(contents(&store.snapshot().unwrap()) == before);
        }
        commit_one(&store, b"goes on", b"");
    }
}

stream_law! {
    /// A restore waits for nobody but the write transaction, and the next one sees what it brought.
    a_transaction_behind_a_restore_builds_on_it, |fixture, store| {
        commit_one(&store, b"key", b"old");
        let stream = stream_of(&store);
        commit_one(&store, b"key", b"new");
        store.restore_snapshot(&mut stream.as_slice(), &mut |_| true).unwrap();
        let mut tx = store.begin().unwrap();
        let swapped = tx.compare_and_swap(Space::DEFAULT, b"key", Some(b"old"), Some(b"next"));
        assert!(swapped.unwrap());
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(newest(&store, b"key"), Some(b"next".to_vec()));
    }
}
