//! What many laws need before they can say what they have to say.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use kv_api::{Durability, Error, ErrorKind, Reader, Result, Space, Store, Transaction};

use crate::Fixture;

pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A second space for laws that hold in every space.
pub(crate) const NAMED: &[u8] = b"a space with a name";

/// How long a call that must not block may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fixture with its store open. Bind both, so that the store is dropped first.
pub(crate) fn opened<F: Fixture>() -> (F, F::Store) {
    let fixture = F::new();
    let store = fixture.open().unwrap();
    (fixture, store)
}

/// Runs `law` on a thread of its own and fails if it blocks.
pub(crate) fn without_blocking(law: fn()) {
    let (sender, receiver) = channel();
    let runner = thread::spawn(move || {
        law();
        // The receiver is gone only after a timeout, when nobody asks any more.
        let _ = sender.send(());
    });
    match receiver.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => panic!("a call that must not block does"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = runner.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// `count` pairs in ascending order, their keys all as long.
pub(crate) fn numbered(count: usize) -> Vec<Pair> {
    (0..count)
        .map(|i| {
            let value = format!("value of {i} ").repeat(i % 7);
            (format!("key {i:06}").into_bytes(), value.into_bytes())
        })
        .collect()
}

/// One pair for each of these keys, which must ascend.
pub(crate) fn pairs_of(keys: &[&[u8]]) -> Vec<Pair> {
    keys.iter()
        .map(|key| (key.to_vec(), [b"value of ", *key].concat()))
        .collect()
}

pub(crate) fn put_pairs(
    transaction: &mut impl Transaction,
    space: Space,
    pairs: &[Pair],
) -> Result<()> {
    pairs
        .iter()
        .try_for_each(|(key, value)| transaction.put(space, key, value))
}

/// Commits `pairs` to the default space.
pub(crate) fn commit_pairs(store: &impl Store, pairs: &[Pair]) {
    store
        .update(|tx| put_pairs(tx, Space::DEFAULT, pairs))
        .unwrap();
}

/// Commits one pair to the default space.
pub(crate) fn commit_one(store: &impl Store, key: &[u8], value: &[u8]) {
    store
        .update(|tx| tx.put(Space::DEFAULT, key, value))
        .unwrap();
}

pub(crate) fn own<S: std::ops::Deref<Target = [u8]>>(pair: (S, S)) -> Pair {
    (pair.0.to_vec(), pair.1.to_vec())
}

/// The pair a move came to, as owned bytes.
macro_rules! at {
    ($moved:expr) => {
        $moved.unwrap().map(own)
    };
}
pub(crate) use at;

/// Everything in a space, by walking forward.
pub(crate) fn pairs_in(reader: &impl Reader, space: Space) -> Vec<Pair> {
    let range = reader.range(space, ..).unwrap();
    range.map(|pair| own(pair.unwrap())).collect()
}

/// The value of `key` in the default space.
pub(crate) fn value_of(reader: &impl Reader, key: &[u8]) -> Option<Vec<u8>> {
    value_in(reader, Space::DEFAULT, key)
}

pub(crate) fn value_in(reader: &impl Reader, space: Space, key: &[u8]) -> Option<Vec<u8>> {
    reader.get(space, key).unwrap().map(|value| value.to_vec())
}

/// The newest value of `key` in the default space.
pub(crate) fn newest(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    value_of(&store.snapshot().unwrap(), key)
}

/// Everything a reader can see: spaces by name, the default one under the empty name.
pub(crate) type Contents = BTreeMap<Vec<u8>, Vec<Pair>>;

pub(crate) fn contents(reader: &impl Reader) -> Contents {
    let mut all = Contents::from([(Vec::new(), pairs_in(reader, Space::DEFAULT))]);
    for name in reader.space_names().unwrap() {
        let space = reader.space(&name).unwrap().expect("a listed space exists");
        all.insert(name.to_vec(), pairs_in(reader, space));
    }
    all
}

/// Fails unless `result` is an error of this kind.
#[track_caller]
pub(crate) fn assert_kind<T>(result: Result<T>, kind: ErrorKind, what: &str) {
    match result {
        Ok(_) => panic!("{what}: expected {kind:?}, but it went well"),
        Err(error) => assert_eq!(error.kind(), kind, "{what}: {error}"),
    }
}

/// Opens a transaction in which the default space and the named one show exactly `pairs`, some of
/// them committed before, some only put, with other committed pairs deleted and old values
/// overwritten: a reader that forgets one of the sides shows it.
pub(crate) fn stage<S: Store>(store: &S, pairs: &[Pair]) -> S::Transaction {
    let noise = noise_between(pairs);
    let old: Vec<Pair> = pairs
        .iter()
        .step_by(2)
        .map(|(key, _)| (key.clone(), b"an old value".to_vec()))
        .collect();
    store
        .update(|tx| {
            for space in [Space::DEFAULT, tx.create_space(NAMED)?] {
                put_pairs(tx, space, &old)?;
                put_pairs(tx, space, &noise)?;
            }
            Ok(())
        })
        .unwrap();
    let mut tx = store.begin().unwrap();
    let named = tx.space(NAMED).unwrap().expect("the space was committed");
    for space in [Space::DEFAULT, named] {
        put_pairs(&mut tx, space, pairs).unwrap();
        for (key, _) in &noise {
            tx.delete(space, key).unwrap();
        }
    }
    tx
}

/// Pairs whose keys follow those of `pairs` closely and are not among them.
fn noise_between(pairs: &[Pair]) -> Vec<Pair> {
    let wanted = |key: &Vec<u8>| pairs.iter().all(|(other, _)| other != key);
    let mut noise: Vec<Pair> = pairs
        .iter()
        .map(|(key, _)| [key, &b"\0"[..]].concat())
        .filter(|key| key.len() < 30_000)
        .filter(wanted)
        .map(|key| (key, b"noise".to_vec()))
        .collect();
    noise.dedup();
    noise
}

/// Claims something about every kind of reader that shows exactly `pairs` in `space`: a
/// transaction that merges its own writes, and a snapshot of what it committed; in the default
/// space and in a named one.
macro_rules! on_every_reader {
    ($fixture:ty, $pairs:expr, |$reader:ident, $space:ident, $shown:ident| $claim:block) => {{
        fn claim<R: kv_api::Reader>($reader: &R, $space: kv_api::Space, $shown: &[Pair]) $claim
        let pairs: Vec<Pair> = $pairs;
        let (_fixture, store) = crate::scaffold::opened::<$fixture>();
        let tx = crate::scaffold::stage(&store, &pairs);
        claim(&tx, kv_api::Space::DEFAULT, &pairs);
        claim(&tx, crate::scaffold::named(&tx), &pairs);
        kv_api::Transaction::commit(tx, kv_api::Durability::Sync).unwrap();
        let snapshot = kv_api::Store::snapshot(&store).unwrap();
        claim(&snapshot, kv_api::Space::DEFAULT, &pairs);
        claim(&snapshot, crate::scaffold::named(&snapshot), &pairs);
    }};
}
pub(crate) use on_every_reader;

pub(crate) fn named(reader: &impl Reader) -> Space {
    reader.space(NAMED).unwrap().expect("the space was staged")
}

/// Commits one `u64` under `key`, in the default space.
pub(crate) fn put_count(tx: &mut impl Transaction, key: &[u8], count: u64) -> Result<()> {
    tx.put(Space::DEFAULT, key, &count.to_le_bytes())
}

/// The `u64` under `key`; 0 if there is none.
pub(crate) fn count_of(reader: &impl Reader, key: &[u8]) -> Result<u64> {
    let value = reader.get(Space::DEFAULT, key)?;
    Ok(value.map_or(0, |value| {
        u64::from_le_bytes(value[..].try_into().expect("a count has eight bytes"))
    }))
}

/// Commits, and answers whether it happened; a conflict is the only failure allowed.
pub(crate) fn commits(tx: impl Transaction, durability: Durability) -> bool {
    match tx.commit(durability) {
        Ok(()) => true,
        Err(Error::Conflict) => false,
        Err(error) => panic!("a commit may fail with a conflict only: {error}"),
    }
}

pub(crate) const DURABILITIES: [Durability; 3] =
    [Durability::Sync, Durability::Buffered, Durability::Deferred];
