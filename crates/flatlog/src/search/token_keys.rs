//! What is known of one token: the keys whose value has it, and how it stands there.

use crate::search::posting::Posting;
use crate::search::standing::{Exceptions, Standing, Standings};
use crate::search::tokens::Occurrence;

/// The keys of one token.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenKeys {
    pub(super) ids: Posting,
    /// None where there are no exceptions.
    pub(super) standings: Option<Box<Standings>>,
}

impl TokenKeys {
    /// The value of `id` has the token at this place, and had none before what was said of it
    /// already. At the end: O(1).
    #[inline]
    pub(super) fn add(&mut self, id: u32, place: Occurrence) {
        let first = self.ids.insert(id);
        if self.standings.is_some() || !place.is_usual() {
            self.note(id, place, first);
        }
    }

    /// The value of `id` has the token at places of which the best is this one, whatever it had
    /// before.
    pub(super) fn set(&mut self, id: u32, best: Occurrence) {
        self.ids.insert(id);
        if self.standings.is_some() || !best.is_usual() {
            self.note(id, best, true);
        }
    }

    fn note(&mut self, id: u32, place: Occurrence, first: bool) {
        let standings = self.standings.get_or_insert_default();
        standings.note(id, place, first, &self.ids);
        if standings.are_usual() {
            self.standings = None;
        }
    }

    /// The value of `id` has the token no more.
    pub(super) fn remove(&mut self, id: u32) {
        self.ids.remove(id);
        if let Some(standings) = &mut self.standings {
            standings.forget(id, &self.ids);
            if standings.are_usual() {
                self.standings = None;
            }
        }
    }

    /// The keys in whose value the token does not stand so.
    pub(super) fn exceptions(&self, standing: Standing) -> Option<&Exceptions> {
        self.standings.as_ref().map(|known| known.of(standing))
    }

    /// Memory held for exceptions, in bytes.
    pub(super) fn standings_bytes(&self) -> usize {
        let standings = self.standings.as_ref();
        standings.map_or(0, |standings| standings.memory_bytes())
    }
}
