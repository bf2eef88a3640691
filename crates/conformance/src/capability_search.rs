//! Laws about queries: an answer is what looking at every pair would give.

use kv_api::capability::{CommitIndexes, Search};
use kv_api::{Durability, Error, ErrorKind, Reader, Result, Space, Store, Transaction};
use quickcheck::{Arbitrary, Gen};

use crate::SearchFixture;
use crate::model::seed;
use crate::question::{Filter, IndexedPair, Question, random_key, random_question, random_value};
use crate::scaffold::{NAMED, assert_kind, commit_one, opened};

/// How many random questions a law asks.
const QUESTIONS: usize = 600;

/// Everything in a space with its commit indexes, by looking at every pair.
fn looked_at<S: Reader + CommitIndexes>(snapshot: &S, space: Space) -> Vec<IndexedPair> {
    let range = snapshot.range(space, ..).unwrap();
    let pairs = range.map(|pair| {
        let (key, value) = pair.unwrap();
        let index = snapshot.commit_index_of(space, &key).unwrap().unwrap();
        (key.to_vec(), value.to_vec(), index)
    });
    pairs.collect()
}

fn asked(snapshot: &impl Search, space: Option<&[u8]>, query: &str) -> Result<Vec<IndexedPair>> {
    let mut found = Vec::new();
    snapshot.search(space, query, &mut |pair| {
        found.push((pair.key.to_vec(), pair.value.to_vec(), pair.commit_index));
        Ok(true)
    })?;
    Ok(found)
}

/// The keys of the default space that a question finds.
fn keys<F: SearchFixture>(snapshot: &impl Search, filter: Filter) -> Vec<String> {
    let query = F::query(&Question::about(filter));
    let found = asked(snapshot, None, &query).unwrap();
    let keys = found
        .into_iter()
        .map(|(key, ..)| String::from_utf8(key).unwrap());
    keys.collect()
}

fn word(word: &str) -> Filter {
    Filter::ValueHasWord(word.to_owned())
}

macro_rules! search_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: SearchFixture>()
        where
            <F::Store as Store>::Snapshot: Search + CommitIndexes,
        {
            #[allow(unused_variables, reason = "few laws open their store again")]
            let ($fixture, $store) = opened::<F>();
            $law
        }
    };
}

/// Puts, overwrites and deletes pairs of both spaces at random.
fn change(store: &impl Store, chance: &mut Gen) {
    let mut tx = store.begin().unwrap();
    let named = tx.create_space(NAMED).unwrap();
    for _ in 0..8 {
        let space = *chance.choose(&[Space::DEFAULT, named]).unwrap();
        let key = random_key(chance);
        match *chance.choose(&[true, true, true, false]).unwrap() {
            true => tx.put(space, &key, &random_value(chance)).unwrap(),
            false => tx.delete(space, &key).unwrap(),
        }
    }
    tx.commit(Durability::Buffered).unwrap();
}

/// Asks one random question and holds the answer against every pair. Answers how many were found.
fn ask_anything<F: SearchFixture>(
    snapshot: &(impl Search + CommitIndexes + Reader),
    chance: &mut Gen,
    seed: u64,
) -> usize {
    let question = random_question(snapshot.commit_index(), chance);
    let (name, space) = match (bool::arbitrary(chance), snapshot.space(NAMED).unwrap()) {
        (true, Some(named)) => (Some(NAMED), named),
        _ => (None, Space::DEFAULT),
    };
    let query = F::query(&question);
    let expected = question.answer(&looked_at(snapshot, space));
    let found = asked(snapshot, name, &query).unwrap();
    assert_eq!(
        found, expected,
        "STRATA_CONFORMANCE_SEED={seed} asks {query}"
    );
    found.len()
}

search_law! {
    /// Whatever is asked after whatever changes, before and after the store was opened again, the
    /// answer has the pairs, in the order, that looking at every pair gives.
    a_query_gives_what_looking_at_every_pair_gives, |fixture, store| {
        let seed = seed();
        let mut chance = Gen::from_size_and_seed(50, seed);
        let (mut store, mut found) = (store, 0);
        for round in 0..QUESTIONS / 10 {
            change(&store, &mut chance);
            if round % 12 == 11 {
                if round % 24 == 11 {
                    store.close().unwrap();
                }
                drop(store);
                store = fixture.open().unwrap();
            }
            let snapshot = store.snapshot().unwrap();
            found += (0..10).map(|_| ask_anything::<F>(&snapshot, &mut chance, seed)).sum::<usize>();
        }
        // A comparison of empty answers would say little.
        assert!(found > QUESTIONS / 2, "only {found} pairs were found");
    }
}

search_law! {
    /// A snapshot answers of its own version, whatever is committed behind it.
    a_query_is_about_its_snapshot, |fixture, store| {
        let seed = seed();
        let mut chance = Gen::from_size_and_seed(50, seed);
        for _ in 0..10 {
            change(&store, &mut chance);
        }
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(store.snapshot().unwrap());
            change(&store, &mut chance);
            for snapshot in &held {
                ask_anything::<F>(snapshot, &mut chance, seed);
            }
        }
    }
}

search_law! {
    /// A value that was overwritten or deleted is not found any more, and what took its place is.
    a_query_forgets_what_is_gone, |fixture, store| {
        commit_one(&store, b"a", b"the first error");
        commit_one(&store, b"b", b"another error");
        assert_eq!(keys::<F>(&store.snapshot().unwrap(), word("error")), ["a", "b"]);
        commit_one(&store, b"a", b"all is well");
        let snapshot = store.snapshot().unwrap();
        assert_eq!(keys::<F>(&snapshot, word("error")), ["b"]);
        assert_eq!(keys::<F>(&snapshot, word("well")), ["a"]);
        store.update(|tx| tx.delete(Space::DEFAULT, b"b")).unwrap();
        let snapshot = store.snapshot().unwrap();
        assert!(keys::<F>(&snapshot, word("error")).is_empty());
        assert_eq!(keys::<F>(&snapshot, Filter::KeyBegins(Vec::new())), ["a"]);
    }
}

search_law! {
    /// A query sees the pairs of the space it is asked in, and those alone.
    a_query_keeps_to_its_space, |fixture, store| {
        commit_one(&store, b"default", b"an error");
        store.update(|tx| {
            let space = tx.create_space(NAMED)?;
            tx.put(space, b"named", b"an error")
        }).unwrap();
        let snapshot = store.snapshot().unwrap();
        let query = F::query(&Question::about(word("error")));
        for (name, key) in [(None, &b"default"[..]), (Some(NAMED), b"named")] {
            let found = asked(&snapshot, name, &query).unwrap();
            let keys: Vec<&[u8]> = found.iter().map(|(key, ..)| &key[..]).collect();
            assert_eq!(keys, [key]);
        }
    }
}

search_law! {
    /// Asking in a space that is not there is an error.
    a_query_needs_its_space, |fixture, store| {
        commit_one(&store, b"key", b"an error");
        let snapshot = store.snapshot().unwrap();
        let query = F::query(&Question::about(word("error")));
        let nowhere = asked(&snapshot, Some(NAMED), &query);
        assert_kind(nowhere, ErrorKind::NotFound, "a query in no space");
        let nowhere = snapshot.explain_search(Some(NAMED), &query);
        assert_kind(nowhere, ErrorKind::NotFound, "explaining a query in no space");
    }
}

search_law! {
    /// A text that is no query is refused before anything is shown.
    a_text_that_is_no_query_is_refused, |fixture, store| {
        commit_one(&store, b"key", b"an error");
        let snapshot = store.snapshot().unwrap();
        let refused = snapshot.search(None, F::not_a_query(), &mut |pair| {
            panic!("{:?} was shown", pair.key.escape_ascii().to_string())
        });
        assert_kind(refused, ErrorKind::Other, "a text that is no query");
        let refused = snapshot.explain_search(None, F::not_a_query());
        assert_kind(refused, ErrorKind::Other, "explaining a text that is no query");
    }
}

search_law! {
    /// Whoever is shown the pairs may have enough of them.
    a_visit_ends_when_it_is_told_to, |fixture, store| {
        for key in 0..20_u8 {
            commit_one(&store, &[key], b"an error");
        }
        let snapshot = store.snapshot().unwrap();
        let query = F::query(&Question::about(word("error")));
        let mut shown = Vec::new();
        snapshot.search(None, &query, &mut |pair| {
            shown.push(pair.key.to_vec());
            Ok(shown.len() < 7)
        }).unwrap();
        assert_eq!(shown, (0..7_u8).map(|key| vec![key]).collect::<Vec<_>>());
    }
}

search_law! {
    /// An error of whoever is shown the pairs ends the query and is handed on.
    a_visits_error_is_handed_on, |fixture, store| {
        commit_one(&store, b"a", b"an error");
        commit_one(&store, b"b", b"an error");
        let snapshot = store.snapshot().unwrap();
        let query = F::query(&Question::about(word("error")));
        let mut shown = 0;
        let ended = snapshot.search(None, &query, &mut |_| {
            shown += 1;
            Err(Error::Conflict)
        });
        assert_kind(ended, ErrorKind::Conflict, "a visit that fails");
        assert_eq!(shown, 1);
    }
}

search_law! {
    /// Explaining a query counts the pairs it gives and names at least one step.
    an_explanation_counts_what_is_given, |fixture, store| {
        for key in 0..30_u8 {
            let value = if key % 3 == 0 { "an error" } else { "all is well" };
            commit_one(&store, &[key], value.as_bytes());
        }
        let snapshot = store.snapshot().unwrap();
        let question = Question {
            limit: Some(8),
            offset: 1,
            ..Question::about(word("error"))
        };
        let plan = snapshot.explain_search(None, &F::query(&question)).unwrap();
        assert_eq!(plan.rows, 8, "{plan:?}");
        assert!(!plan.plan.trim().is_empty());
        let nothing = F::query(&Question::about(word("nothing")));
        assert_eq!(snapshot.explain_search(None, &nothing).unwrap().rows, 0);
    }
}
