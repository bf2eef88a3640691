//! A cursor that can delete where it stands.
//!
//! It remembers a key, not a place on a page, so changes never shift it: after a delete, `next`
//! comes to the successor of what was deleted, wherever the tree has moved it.

use btree::BucketId;
use kv_api::{Error, Result};

use crate::bucket_mut::BucketMut;
use crate::cursor::{Cursor, Entry};
use crate::transaction::Transaction;

#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    On(Vec<u8>),
    /// Where this key was deleted.
    Gap(Vec<u8>),
    Before,
    Behind,
}

/// A cursor of a write transaction that can delete where it stands.
///
/// ```
/// # fn main() -> txn::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let db = txn::Db::open(directory.path().join("my.db"))?;
/// db.update(|tx| {
///     let mut bucket = tx.create_bucket("numbers")?;
///     for number in 0..100_u8 {
///         bucket.put([number], "")?;
///     }
///     let mut cursor = bucket.cursor_mut();
///     let mut entry = cursor.first()?.is_some();
///     while entry {
///         cursor.delete()?;
///         entry = cursor.next()?.is_some();
///     }
///     assert_eq!(bucket.range(..)?.count(), 0);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct CursorMut<'t> {
    bucket: BucketMut<'t>,
    place: Place,
}

/// Passes an entry on whose key lies where the move was to lead. In a damaged tree it may not, and
/// then a cursor that remembers keys could go round in circles.
fn only_if<'c>(entry: Option<Entry<'c>>, lies_there: impl Fn(&[u8]) -> bool) -> Moved<'c> {
    match entry {
        Some((key, _)) if !lies_there(key) => {
            Err(Error::corrupt(kv_api::Place::Store, "keys in no order"))
        }
        entry => Ok(entry),
    }
}

/// What a move answers.
type Moved<'c> = Result<Option<Entry<'c>>>;

impl<'t> CursorMut<'t> {
    pub(crate) fn new(transaction: &'t mut Transaction, id: BucketId) -> CursorMut<'t> {
        CursorMut {
            bucket: BucketMut::new(transaction, id),
            place: Place::Nowhere,
        }
    }

    /// Moves a fresh cursor by `find`; where that finds nothing, stands at `otherwise`.
    fn go<'c>(
        &'c mut self,
        find: impl FnOnce(&mut Cursor<'c>) -> Moved<'c>,
        otherwise: Place,
    ) -> Moved<'c> {
        let mut cursor = self.bucket.cursor()?;
        let entry = find(&mut cursor)?;
        self.place = entry.map_or(otherwise, |(key, _)| Place::On(key.to_vec()));
        Ok(entry)
    }

    /// Moves to the first entry.
    pub fn first(&mut self) -> Moved<'_> {
        self.go(Cursor::first, Place::Nowhere)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Moved<'_> {
        self.go(Cursor::last, Place::Nowhere)
    }

    /// Moves to the first entry at or after `key`.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Moved<'_> {
        self.go(|cursor| cursor.seek(key), Place::Behind)
    }

    /// Moves to the last entry at or before `key`.
    pub fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) -> Moved<'_> {
        self.go(|cursor| cursor.seek_for_prev(key), Place::Before)
    }

    /// Moves to the following entry; at the last one stays there and answers `None`.
    pub fn next(&mut self) -> Moved<'_> {
        let stay = self.place.clone();
        match stay.clone() {
            Place::Nowhere | Place::Behind => Ok(None),
            Place::Before => self.go(Cursor::first, stay),
            Place::Gap(gap) => self.go(
                |cursor| only_if(cursor.seek(&gap)?, |found| found >= &gap[..]),
                stay,
            ),
            Place::On(key) => self.go(
                |cursor| {
                    let moved = match cursor.seek(&key)? {
                        Some((found, _)) if found == key => cursor.next()?,
                        successor => successor,
                    };
                    only_if(moved, |found| found > &key[..])
                },
                stay,
            ),
        }
    }

    /// Moves to the preceding entry; at the first one stays there and answers `None`.
    pub fn prev(&mut self) -> Moved<'_> {
        let stay = self.place.clone();
        match stay.clone() {
            Place::Nowhere | Place::Before => Ok(None),
            Place::Behind => self.go(Cursor::last, stay),
            Place::Gap(gap) => self.go(
                |cursor| only_if(cursor.seek_for_prev(&gap)?, |found| found <= &gap[..]),
                stay,
            ),
            Place::On(key) => self.go(
                |cursor| {
                    let moved = match cursor.seek_for_prev(&key)? {
                        Some((found, _)) if found == key => cursor.prev()?,
                        predecessor => predecessor,
                    };
                    only_if(moved, |found| found < &key[..])
                },
                stay,
            ),
        }
    }

    /// Deletes the pair the cursor is on; afterwards `next` comes to its successor and `prev` to
    /// its predecessor. Before the first entry, behind the last one, or where a pair was just
    /// deleted, does nothing.
    ///
    /// # Errors
    ///
    /// `Invalid` if the cursor has not been moved yet, `Incompatible` if it is on a bucket.
    pub fn delete(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.place, Place::Nowhere) {
            Place::Nowhere => Err(Error::Invalid {
                what: "a cursor that has not been placed",
            }),
            Place::On(key) => {
                let deleted = self.bucket.delete(&key);
                self.place = if deleted.is_ok() {
                    Place::Gap(key)
                } else {
                    Place::On(key)
                };
                deleted
            }
            place @ (Place::Gap(_) | Place::Before | Place::Behind) => {
                self.place = place;
                Ok(())
            }
        }
    }
}

impl BucketMut<'_> {
    /// A cursor that can delete where it stands.
    pub fn cursor_mut(&mut self) -> CursorMut<'_> {
        CursorMut::new(self.transaction, self.id())
    }
}
