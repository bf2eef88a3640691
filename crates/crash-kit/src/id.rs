//! The name of a state: enough to build it again.
//!
//! `w7`, `w7n3` (a sweep's third call), then `:p118:+-f1` for each crash: the point of the log and
//! one letter per change whose survival was open.

use std::fmt;

use crate::choice::{Choice, decode, encode};

/// One crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) point: usize,
    pub(crate) choices: Vec<Choice>,
}

/// A workload and the crashes that followed one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    seed: u64,
    nth: Option<u64>,
    crashes: Vec<Crash>,
}

impl Id {
    pub(crate) fn new(seed: u64, nth: Option<u64>) -> Id {
        Id {
            seed,
            nth,
            crashes: Vec::new(),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Which call the plan's first fault strikes, if a sweep moved it.
    pub(crate) fn nth(&self) -> Option<u64> {
        self.nth
    }

    pub(crate) fn crashes(&self) -> &[Crash] {
        &self.crashes
    }

    /// One crash further.
    pub(crate) fn then(&self, point: usize, choices: &[Choice]) -> Id {
        let mut id = self.clone();
        id.crashes.push(Crash {
            point,
            choices: choices.to_vec(),
        });
        id
    }

    pub(crate) fn parse(text: &str) -> Option<Id> {
        let mut parts = text.split(':');
        let head = parts.next()?.strip_prefix('w')?;
        let (seed, nth) = match head.split_once('n') {
            Some((seed, nth)) => (seed, Some(nth.parse().ok()?)),
            None => (head, None),
        };
        let mut id = Id::new(seed.parse().ok()?, nth);
        while let Some(point) = parts.next() {
            let point = point.strip_prefix('p')?.parse().ok()?;
            id = id.then(point, &decode(parts.next()?)?);
        }
        Some(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.seed)?;
        if let Some(nth) = self.nth {
            write!(f, "n{nth}")?;
        }
        for crash in &self.crashes {
            write!(f, ":p{}:{}", crash.point, encode(&crash.choices))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_was_written() {
        let id = Id::new(7, Some(3))
            .then(118, &[Choice::Kept, Choice::First(2)])
            .then(4, &[]);
        assert_eq!(id.to_string(), "w7n3:p118:+f2:p4:");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse("p7"), None);
    }
}
