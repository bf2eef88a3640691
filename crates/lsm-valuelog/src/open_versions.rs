//! The versions that open transactions read at.
//!
//! Invariant: versions ascend, each once, and each has someone who reads at it. Most transactions
//! begin at the newest version, so they come and go at the end.

use std::collections::VecDeque;

use crate::id::Sequence;

/// Versions, with how many read at each.
#[derive(Debug, Default)]
pub(crate) struct OpenVersions(VecDeque<(Sequence, usize)>);

impl OpenVersions {
    /// Notes one more who reads at `at`.
    pub fn enter(&mut self, at: Sequence) {
        if self.0.back().is_none_or(|(newest, _)| *newest < at) {
            self.0.push_back((at, 1));
            return;
        }
        match self.0.binary_search_by_key(&at, |(version, _)| *version) {
            Ok(place) => {
                if let Some((_, count)) = self.0.get_mut(place) {
                    *count += 1;
                }
            }
            Err(place) => self.0.insert(place, (at, 1)),
        }
    }

    /// One who read at `at` has ended.
    pub fn leave(&mut self, at: Sequence) {
        let Ok(place) = self.0.binary_search_by_key(&at, |(version, _)| *version) else {
            return;
        };
        let Some((_, count)) = self.0.get_mut(place) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(place);
        }
    }

    /// The oldest version that is read.
    pub fn oldest(&self) -> Option<Sequence> {
        self.0.front().map(|(version, _)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_oldest_of_those_who_have_not_left() {
        let mut open = OpenVersions::default();
        assert_eq!(open.oldest(), None);
        for version in [5, 9, 9, 7, 5, 3] {
            open.enter(Sequence(version));
        }
        let mut oldest = Vec::new();
        for version in [5, 3, 9, 5, 9, 7] {
            oldest.push(open.oldest().map(|version| version.0));
            open.leave(Sequence(version));
        }
        assert_eq!(oldest, [3, 3, 5, 5, 7, 7].map(Some));
        assert_eq!(open.oldest(), None);
    }
}
