//! Laws about buckets inside buckets, with a sequence number each.

use kv_api::capability::{BucketVisitor, NestedReader, NestedWriter};
use kv_api::{Durability, Error, ErrorKind, Reader, Result, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{assert_kind, opened, pairs_in, value_in, value_of};

/// Writes a visit down, one line per call.
#[derive(Default)]
struct Journal {
    depth: usize,
    lines: Vec<String>,
}

impl Journal {
    fn write(&mut self, line: String) {
        let indent = "  ".repeat(self.depth);
        self.lines.push(format!("{indent}{line}"));
    }
}

impl BucketVisitor for Journal {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.write(format!("{} #{sequence}", name.escape_ascii()));
        self.depth += 1;
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(format!("{}={}", key.escape_ascii(), value.escape_ascii()));
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.depth = self.depth.checked_sub(1).expect("left more than entered");
        Ok(())
    }
}

fn journal_of(store: &impl Store<Snapshot: NestedReader>) -> Vec<String> {
    let mut journal = Journal::default();
    store.snapshot().unwrap().visit(&mut journal).unwrap();
    assert_eq!(journal.depth, 0, "every bucket entered is left");
    journal.lines
}

macro_rules! nested_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: Fixture>()
        where
            <F::Store as Store>::Snapshot: NestedReader,
            <F::Store as Store>::Transaction: NestedWriter,
        {
            #[allow(unused_variables, reason = "few laws open their store again")]
            let ($fixture, $store) = opened::<F>();
            $law
        }
    };
}

nested_law! {
    /// A fresh store has nothing to visit.
    a_fresh_store_shows_no_buckets, |fixture, store| {
        assert!(journal_of(&store).is_empty());
    }
}

nested_law! {
    /// A visit goes through the tree in key order, pairs and buckets together, the root included.
    a_visit_goes_in_key_order, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"m"])?;
            tx.create_bucket(&[b"m", b"b"])?;
            tx.put_in(&[b"m"], b"c", b"3")?;
            tx.put_in(&[b"m"], b"a", b"1")?;
            tx.put_in(&[b"m", b"b"], b"inner", b"2")?;
            tx.create_bucket(&[b"\xFF"])?;
            tx.put_in(&[], b"z", b"last pair of the root")?;
            tx.put_in(&[], b"a", b"")?;
            Ok(())
        }).unwrap();
        let expected = [
            "a=", "m #0", "  a=1", "  b #0", "    inner=2", "  c=3", "z=last pair of the root",
            "\\xff #0",
        ];
        assert_eq!(journal_of(&store), expected);
    }
}

nested_law! {
    /// `create_bucket` makes every bucket on the way, and keeps those there are.
    creating_a_bucket_makes_the_way_to_it, |fixture, store| {
        let path: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
        store.update(|tx| {
            tx.create_bucket(&path)?;
            tx.put_in(&path[..2], b"key", b"kept")?;
            tx.set_sequence(&path[..2], 9)
        }).unwrap();
        store.update(|tx| {
            tx.create_bucket(&path)?;
            tx.create_bucket(&path[..2])?;
            tx.create_bucket(&[])
        }).unwrap();
        let expected = ["a #0", "  b #9", "    c #0", "      d #0", "    key=kept"];
        assert_eq!(journal_of(&store), expected);
    }
}

nested_law! {
    /// A bucket may lie very deep.
    a_bucket_may_lie_deep, |fixture, store| {
        let path: Vec<&[u8]> = vec![b"bucket"; 40];
        store.update(|tx| {
            tx.create_bucket(&path)?;
            tx.put_in(&path, b"key", b"deep")
        }).unwrap();
        let lines = journal_of(&store);
        assert_eq!(lines.len(), 41);
        assert_eq!(lines[40].trim_start(), "key=deep");
    }
}

nested_law! {
    /// `delete_bucket` removes a bucket with all inside it, and answers whether there was one.
    deleting_a_bucket_answers_whether_there_was_one, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"a", b"b", b"c"])?;
            tx.create_bucket(&[b"a", b"d"])?;
            for i in 0..2_000 {
                tx.put_in(&[b"a", b"b", b"c"], format!("{i:05}").as_bytes(), &[1; 40])?;
            }
            Ok(())
        }).unwrap();
        assert!(store.update(|tx| tx.delete_bucket(&[b"a", b"b"])).unwrap());
        assert!(!store.update(|tx| tx.delete_bucket(&[b"a", b"b"])).unwrap());
        assert!(!store.update(|tx| tx.delete_bucket(&[b"nowhere"])).unwrap());
        assert_eq!(journal_of(&store), ["a #0", "  d #0"]);
        store.update(|tx| tx.create_bucket(&[b"a", b"b"])).unwrap();
        assert_eq!(journal_of(&store), ["a #0", "  b #0", "  d #0"]);
    }
}

nested_law! {
    /// The root cannot be deleted.
    the_root_cannot_be_deleted, |fixture, store| {
        store.update(|tx| tx.put_in(&[], b"key", b"")).unwrap();
        assert!(store.update(|tx| tx.delete_bucket(&[])).is_err());
        assert_eq!(journal_of(&store), ["key="]);
    }
}

nested_law! {
    /// A sequence number is 0 until set, and is kept with its bucket when the store is opened
    /// again.
    a_sequence_number_is_kept, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"a", b"b"])?;
            tx.set_sequence(&[b"a"], u64::MAX)?;
            tx.set_sequence(&[b"a", b"b"], 7)?;
            tx.create_bucket(&[b"c"])
        }).unwrap();
        let expected = ["a #18446744073709551615", "  b #7", "c #0"];
        assert_eq!(journal_of(&store), expected);
        store.close().unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        assert_eq!(journal_of(&store), expected);
    }
}

nested_law! {
    /// Writing into a bucket that is not there answers [`ErrorKind::NotFound`].
    a_bucket_must_be_there_to_be_written, |fixture, store| {
        let mut tx = store.begin().unwrap();
        tx.create_bucket(&[b"a"]).unwrap();
        let not_found = ErrorKind::NotFound;
        assert_kind(tx.put_in(&[b"b"], b"key", b""), not_found, "put_in");
        assert_kind(tx.put_in(&[b"a", b"b"], b"key", b""), not_found, "put_in");
        assert_kind(tx.set_sequence(&[b"a", b"b"], 1), not_found, "set_sequence");
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(journal_of(&store), ["a #0"]);
    }
}

nested_law! {
    /// A pair does not stand where a bucket does, nor the other way round:
    /// [`ErrorKind::Incompatible`].
    pairs_and_buckets_do_not_take_each_others_place, |fixture, store| {
        let mut tx = store.begin().unwrap();
        tx.create_bucket(&[b"a", b"bucket"]).unwrap();
        tx.put_in(&[b"a"], b"pair", b"1").unwrap();
        let incompatible = ErrorKind::Incompatible;
        assert_kind(tx.put_in(&[b"a"], b"bucket", b""), incompatible, "put_in");
        assert_kind(tx.create_bucket(&[b"a", b"pair"]), incompatible, "create_bucket");
        let through = tx.create_bucket(&[b"a", b"pair", b"c"]);
        assert_kind(through, incompatible, "create_bucket through a pair");
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(journal_of(&store), ["a #0", "  bucket #0", "  pair=1"]);
    }
}

nested_law! {
    /// Empty names and keys are refused.
    empty_names_are_refused, |fixture, store| {
        let mut tx = store.begin().unwrap();
        assert_kind(tx.create_bucket(&[b""]), ErrorKind::Invalid, "create_bucket");
        assert_kind(tx.put_in(&[], b"", b""), ErrorKind::Invalid, "put_in");
    }
}

nested_law! {
    /// A rollback forgets buckets, pairs and sequence numbers.
    a_rollback_forgets_buckets, |fixture, store| {
        store.update(|tx| tx.create_bucket(&[b"a", b"b"])).unwrap();
        let mut tx = store.begin().unwrap();
        tx.create_bucket(&[b"a", b"new"]).unwrap();
        tx.put_in(&[b"a"], b"key", b"").unwrap();
        tx.set_sequence(&[b"a"], 3).unwrap();
        tx.delete_bucket(&[b"a", b"b"]).unwrap();
        tx.rollback();
        assert_eq!(journal_of(&store), ["a #0", "  b #0"]);
    }
}

nested_law! {
    /// A visit of a held snapshot shows its own version.
    a_visit_shows_its_snapshots_version, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"a", b"b"])?;
            tx.put_in(&[b"a", b"b"], b"key", b"old")
        }).unwrap();
        let snapshot = store.snapshot().unwrap();
        store.update(|tx| {
            tx.put_in(&[b"a", b"b"], b"key", b"new")?;
            tx.delete_bucket(&[b"a"])
        }).unwrap();
        let mut journal = Journal::default();
        snapshot.visit(&mut journal).unwrap();
        assert_eq!(journal.lines, ["a #0", "  b #0", "    key=old"]);
        assert!(journal_of(&store).is_empty());
    }
}

nested_law! {
    /// A space is a bucket of the root, and the default space is the root's own pairs.
    a_space_is_a_bucket_of_the_root, |fixture, store| {
        let mut tx = store.begin().unwrap();
        let space = tx.create_space(b"s").unwrap();
        tx.put(space, b"1", b"by space").unwrap();
        tx.put_in(&[b"s"], b"2", b"by path").unwrap();
        tx.put_in(&[], b"key", b"of the root").unwrap();
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(journal_of(&store), ["key=of the root", "s #0", "  1=by space", "  2=by path"]);
        let snapshot = store.snapshot().unwrap();
        let space = snapshot.space(b"s").unwrap().unwrap();
        assert_eq!(value_in(&snapshot, space, b"2").as_deref(), Some(&b"by path"[..]));
        assert_eq!(value_of(&snapshot, b"key").as_deref(), Some(&b"of the root"[..]));
    }
}

nested_law! {
    /// A cursor over a space shows its pairs and not the buckets inside it, and `delete_range`
    /// leaves them.
    a_space_does_not_show_the_buckets_inside_it, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"s", b"b"])?;
            tx.put_in(&[b"s"], b"a", b"1")?;
            tx.put_in(&[b"s"], b"c", b"2")
        }).unwrap();
        let mut tx = store.begin().unwrap();
        let space = tx.space(b"s").unwrap().unwrap();
        let keys: Vec<Vec<u8>> = pairs_in(&tx, space).into_iter().map(|pair| pair.0).collect();
        assert_eq!(keys, [b"a", b"c"]);
        tx.delete_range(space, ..).unwrap();
        tx.delete_range(Space::DEFAULT, ..).unwrap();
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(journal_of(&store), ["s #0", "  b #0"]);
    }
}

/// Stops at the first pair.
struct Stops;

impl BucketVisitor for Stops {
    fn enter(&mut self, _name: &[u8], _sequence: u64) -> Result<()> {
        Ok(())
    }

    fn pair(&mut self, key: &[u8], _value: &[u8]) -> Result<()> {
        assert_eq!(key, b"1", "the visit goes on after an error");
        Err(Error::other("enough"))
    }

    fn leave(&mut self) -> Result<()> {
        panic!("the visit goes on after an error");
    }
}

nested_law! {
    /// A visitor's error ends the visit and is handed on.
    a_visitors_error_ends_the_visit, |fixture, store| {
        store.update(|tx| {
            tx.create_bucket(&[b"a"])?;
            tx.put_in(&[b"a"], b"1", b"")?;
            tx.put_in(&[b"a"], b"2", b"")
        }).unwrap();
        let stopped = store.snapshot().unwrap().visit(&mut Stops);
        assert_kind(stopped, ErrorKind::Other, "the visitor's error");
    }
}
