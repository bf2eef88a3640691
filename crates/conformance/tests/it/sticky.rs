//! An error met by a range stays, at both ends: it is never mistaken for the end.

use kv_api::{Cursor, Error, ErrorKind, KeyRange, Place, Range, Result};

/// A cursor over the keys 0 to 9 that fails on its `fails_at`th move, and from then on.
struct Faulty {
    at: Option<u8>,
    moves: u32,
    fails_at: u32,
}

type Moved = Result<Option<(Vec<u8>, Vec<u8>)>>;

impl Faulty {
    fn new(fails_at: u32) -> Faulty {
        Faulty {
            at: None,
            moves: 0,
            fails_at,
        }
    }

    fn to(&mut self, at: Option<u8>) -> Moved {
        self.moves += 1;
        if self.moves >= self.fails_at {
            return Err(Error::corrupt(Place::Page(7), "a torn page"));
        }
        let found = at.filter(|key| *key < 10);
        self.at = found.or(self.at);
        Ok(found.map(|key| (vec![key], vec![])))
    }
}

impl Cursor for Faulty {
    type Slice = &'static [u8];

    fn first(&mut self) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(Some(0)))
    }

    fn last(&mut self) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(Some(9)))
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(Some(key[0])))
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(Some(key[0])))
    }

    fn next(&mut self) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(self.at.map(|at| at + 1)))
    }

    fn prev(&mut self) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(self.at.and_then(|at| at.checked_sub(1))))
    }

    fn current(&mut self) -> Result<Option<(&'static [u8], &'static [u8])>> {
        leak(self.to(self.at))
    }
}

/// A few bytes for the life of the test, so that slices need no owner.
fn leak(moved: Moved) -> Result<Option<(&'static [u8], &'static [u8])>> {
    Ok(moved?.map(|(key, value)| (&*key.leak(), &*value.leak())))
}

fn is_torn<T>(step: Option<Result<T>>) -> bool {
    step.is_some_and(|step| step.is_err_and(|error| error.kind() == ErrorKind::Corrupt))
}

#[test]
fn an_error_at_the_front_stays_at_both_ends() {
    for (before, fails_at) in (0..10).zip(1_u32..) {
        let mut range = Range::new(Faulty::new(fails_at), Faulty::new(99), KeyRange::from(..));
        let good = range.by_ref().take_while(Result::is_ok).count();
        assert_eq!(good, before);
        for _ in 0..3 {
            assert!(is_torn(range.next()));
            assert!(is_torn(range.next_back()));
        }
    }
}

#[test]
fn an_error_at_the_back_stays_at_both_ends() {
    for (before, fails_at) in (0..10).zip(1_u32..) {
        let mut range = Range::new(Faulty::new(99), Faulty::new(fails_at), KeyRange::from(..));
        let good = range.by_ref().rev().take_while(Result::is_ok).count();
        assert_eq!(good, before);
        for _ in 0..3 {
            assert!(is_torn(range.next_back()));
            assert!(is_torn(range.next()));
        }
    }
}

#[test]
fn an_error_of_the_first_seek_is_not_an_empty_range() {
    let keys = || KeyRange::from([3_u8]..=[5_u8]);
    assert!(is_torn(
        Range::new(Faulty::new(1), Faulty::new(99), keys()).next()
    ));
    assert!(is_torn(
        Range::new(Faulty::new(99), Faulty::new(1), keys()).next_back()
    ));
}

#[test]
fn an_error_of_the_step_past_an_excluded_end_is_told() {
    use std::ops::Bound::Excluded;
    let keys = || KeyRange::from((Excluded([3_u8]), Excluded([6_u8])));
    assert!(is_torn(
        Range::new(Faulty::new(2), Faulty::new(99), keys()).next()
    ));
    assert!(is_torn(
        Range::new(Faulty::new(99), Faulty::new(2), keys()).next_back()
    ));
}

#[test]
fn a_range_that_ended_before_the_damage_has_ended() {
    let mut range = Range::new(Faulty::new(5), Faulty::new(99), KeyRange::from(..[2_u8]));
    assert_eq!(range.by_ref().filter(Result::is_ok).count(), 2);
    assert!(range.next().is_none());
}
