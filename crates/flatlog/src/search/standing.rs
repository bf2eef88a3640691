//! How tokens stand in values beyond what their folded form tells, and about which keys that is
//! not known.
//!
//! A glob is about bytes, the dictionary about folded tokens. For most tokens of most values these
//! are the same, so what is kept is the exceptions: for each token and each [`Standing`], the keys
//! in whose value it stands so nowhere. Many exceptions are kept as "all of them", which is never
//! wrong, since an exception only means that the value is to be looked at.

use crate::search::posting::Posting;
use crate::search::tokens::Occurrence;

/// More exceptions than this are not listed, if they are most of a token's keys.
const LISTED_MAX: u64 = 256;

/// How a token that has a part stands in a value, as a glob may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Written as in the dictionary, the part anywhere in it.
    Inside,
    /// The same behind a blank, the part at its beginning.
    BeginningBehindBlank,
}

/// The keys of one token in whose value it does not stand so.
#[derive(Clone, Debug, Default)]
pub(super) enum Exceptions {
    #[default]
    None,
    /// At least one, of all that the token has.
    Some(Posting),
    /// All, or most: any of them may be one.
    All,
}

/// The exceptions of one token.
#[derive(Clone, Debug, Default)]
pub(super) struct Standings {
    /// Written otherwise wherever it stands.
    pub(super) rewritten: Exceptions,
    /// Written otherwise, or not behind a blank.
    pub(super) apart: Exceptions,
}

impl Occurrence {
    /// What the better of two places, or both together, say of a value.
    pub(super) fn or(self, other: Occurrence) -> Occurrence {
        let usual = self.is_usual() || other.is_usual();
        Occurrence {
            as_written: self.as_written || other.as_written,
            behind_blank: usual,
        }
    }

    /// Nothing is to be kept about it.
    pub(super) fn is_usual(self) -> bool {
        self.as_written && self.behind_blank
    }
}

impl Standings {
    /// Takes in that the token stands so in the value of `id`, which is among `ids`. If this is
    /// not the `first` such place, only a usual one says more than was known.
    pub(super) fn note(&mut self, id: u32, place: Occurrence, first: bool, ids: &Posting) {
        if place.as_written {
            self.rewritten.leave_out(id, ids);
        } else if first {
            self.rewritten.add(id, ids);
        }
        if place.is_usual() {
            self.apart.leave_out(id, ids);
        } else if first {
            self.apart.add(id, ids);
        }
    }

    /// The value of `id` has the token no more; `ids` are those that still have it.
    pub(super) fn forget(&mut self, id: u32, ids: &Posting) {
        self.rewritten.forget(id, ids);
        self.apart.forget(id, ids);
    }

    pub(super) fn of(&self, standing: Standing) -> &Exceptions {
        match standing {
            Standing::Inside => &self.rewritten,
            Standing::BeginningBehindBlank => &self.apart,
        }
    }

    /// Whether there is nothing to be kept.
    pub(super) fn are_usual(&self) -> bool {
        matches!(
            (&self.rewritten, &self.apart),
            (Exceptions::None, Exceptions::None)
        )
    }

    /// Memory held, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Standings>() + self.rewritten.memory_bytes() + self.apart.memory_bytes()
    }
}

impl Exceptions {
    fn add(&mut self, id: u32, ids: &Posting) {
        match self {
            Exceptions::None if ids.len() == 1 => *self = Exceptions::All,
            Exceptions::None => *self = Exceptions::Some(Posting::of(id)),
            Exceptions::Some(listed) => {
                listed.insert(id);
                if listed.len() > LISTED_MAX && listed.len() * 2 > ids.len() {
                    *self = Exceptions::All;
                }
            }
            Exceptions::All => {}
        }
    }

    fn leave_out(&mut self, id: u32, ids: &Posting) {
        match self {
            Exceptions::None => {}
            Exceptions::Some(listed) => {
                listed.remove(id);
                if listed.is_empty() {
                    *self = Exceptions::None;
                }
            }
            Exceptions::All if ids.len() > LISTED_MAX => {}
            Exceptions::All => {
                let mut listed = ids.clone();
                listed.remove(id);
                *self = match listed.is_empty() {
                    true => Exceptions::None,
                    false => Exceptions::Some(listed),
                };
            }
        }
    }

    fn forget(&mut self, id: u32, ids: &Posting) {
        match self {
            Exceptions::Some(listed) => {
                listed.remove(id);
                if listed.is_empty() {
                    *self = Exceptions::None;
                }
            }
            Exceptions::All if ids.is_empty() => *self = Exceptions::None,
            Exceptions::None | Exceptions::All => {}
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Exceptions::Some(listed) => listed.memory_bytes(),
            Exceptions::None | Exceptions::All => 0,
        }
    }
}
