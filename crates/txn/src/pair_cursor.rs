//! A cursor that sees a bucket's pairs only, as `kv-api` asks for it.

use kv_api::Result;

use crate::cursor::{Cursor, Entry};

/// A place in the order of a bucket's pairs. Buckets inside are passed over.
#[derive(Debug)]
pub struct PairCursor<'a> {
    inner: Cursor<'a>,
    /// The pair the cursor is on, to stay on when only buckets follow.
    on: Option<&'a [u8]>,
}

/// What a move answers.
type Moved<'a> = Result<Option<(&'a [u8], &'a [u8])>>;
type Step<'a> = fn(&mut Cursor<'a>) -> Result<Option<Entry<'a>>>;

impl<'a> PairCursor<'a> {
    pub(crate) fn new(inner: Cursor<'a>) -> PairCursor<'a> {
        PairCursor { inner, on: None }
    }

    /// Goes on from `entry` by `step` until a pair comes.
    fn pass_buckets(&mut self, mut entry: Option<Entry<'a>>, step: Step<'a>) -> Moved<'a> {
        loop {
            match entry {
                Some((key, Some(value))) => {
                    self.on = Some(key);
                    return Ok(Some((key, value)));
                }
                Some((_, None)) => entry = step(&mut self.inner)?,
                None => return Ok(None),
            }
        }
    }

    /// Moves by `step`, staying where the cursor was if no pair follows.
    fn step(&mut self, step: Step<'a>) -> Moved<'a> {
        let on = self.on;
        let entry = step(&mut self.inner)?;
        let moved_over_bucket = matches!(entry, Some((_, None)));
        let pair = self.pass_buckets(entry, step)?;
        if let (None, true, Some(key)) = (pair, moved_over_bucket, on) {
            self.inner.seek(key)?;
        }
        Ok(pair)
    }
}

impl<'a> kv_api::Cursor for PairCursor<'a> {
    type Slice = &'a [u8];

    fn first(&mut self) -> Moved<'a> {
        self.on = None;
        let entry = self.inner.first()?;
        self.pass_buckets(entry, Cursor::next)
    }

    fn last(&mut self) -> Moved<'a> {
        self.on = None;
        let entry = self.inner.last()?;
        self.pass_buckets(entry, Cursor::prev)
    }

    fn seek(&mut self, key: &[u8]) -> Moved<'a> {
        self.on = None;
        let entry = self.inner.seek(key)?;
        let passes = matches!(entry, Some((_, None)));
        let pair = self.pass_buckets(entry, Cursor::next)?;
        if pair.is_none() && passes {
            // Only buckets follow: stand behind them all, as a seek past the last pair does.
            self.stand_behind()?;
        }
        Ok(pair)
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Moved<'a> {
        self.on = None;
        let entry = self.inner.seek_for_prev(key)?;
        let passes = matches!(entry, Some((_, None)));
        let pair = self.pass_buckets(entry, Cursor::prev)?;
        if pair.is_none() && passes {
            // Every key is above the empty one, so this stands before them all.
            self.inner.seek_for_prev(b"")?;
        }
        Ok(pair)
    }

    fn next(&mut self) -> Moved<'a> {
        self.step(Cursor::next)
    }

    fn prev(&mut self) -> Moved<'a> {
        self.step(Cursor::prev)
    }

    fn current(&mut self) -> Moved<'a> {
        let entry = self.inner.current()?;
        Ok(entry.and_then(|(key, value)| value.map(|value| (key, value))))
    }
}

impl PairCursor<'_> {
    fn stand_behind(&mut self) -> Result<()> {
        if let Some((last, _)) = self.inner.last()? {
            let mut behind = last.to_vec();
            behind.push(0);
            self.inner.seek(behind)?;
        }
        Ok(())
    }
}
