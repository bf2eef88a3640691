//! The value index: which keys hold a token in their value, and which tokens there are.
//!
//! A *token* is a maximal run of letters and digits, folded to lower case (`tokens`). The
//! `dictionary` finds tokens by their whole, their beginning, their end or their inside; a
//! `posting` list holds the ids of the keys whose value has the token; `changes` remembers the
//! commit index at which the index last looked at each id; `standing` knows what a glob asks of
//! a token that its folded form does not tell. [`SearchIndex`] is all of that behind
//! one lock, and `stored` is its form in a checkpoint.
//!
//! **Why live snapshots may read what the writer changes.** The index always describes the newest
//! commit: nothing is kept for older ones. The engine applies a commit to the index *before* it
//! shows the commit to readers, so a snapshot at commit index `c` never meets an index older than
//! `c`. An id whose last change has an index of at most `c` has, in every state of the index the
//! snapshot can meet, exactly the tokens of the value that the snapshot sees. Every other id is in
//! [`SearchIndex::changed_after`]`(c)`. So a reader takes its sets one by one, each under a short
//! hold of the lock and each maybe from another state, asks for the changed ids **last**, believes
//! the sets (also their complements) for all other ids, and looks at the value itself for these.
//! A snapshot thus never makes the writer wait longer than one short hold, and memory does not
//! grow with the number or age of snapshots.
//!
//! Ids may be given to another key only when no snapshot lives that sees the former one: a
//! snapshot could not find its own row by such an id.

mod changes;
mod characters;
mod dictionary;
mod id_bits;
mod id_union;
mod index;
mod key_directory;
mod parts;
mod posting;
mod standing;
mod stored;
mod stored_list;
mod token_keys;
mod tokens;

pub use crate::ids::KeyId;
pub use characters::{Character, Characters, is_character_start};
pub use id_bits::IdBits;
pub use index::{SearchIndex, Side};
pub(crate) use key_directory::{KeyDirectory, KeyRuns};
pub use parts::{Found, IndexBytes};
pub use standing::Standing;
pub use stored::DamagedIndex;
pub use tokens::{Tokens, fold, for_each_token, tokens};
