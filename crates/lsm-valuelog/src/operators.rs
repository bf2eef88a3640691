//! The functions that merge operands, by how the keys begin that they are for.

use std::sync::Arc;

/// Merges a value with one that was added later. Must be associative.
pub(crate) type Merge = dyn Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync;

/// What merges the operands of keys that begin with something.
#[derive(Clone, Default)]
pub(crate) struct Operators(Vec<(Vec<u8>, Arc<Merge>)>);

impl Operators {
    pub fn add(&mut self, prefix: &[u8], merge: Arc<Merge>) {
        self.0.push((prefix.to_vec(), merge));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operator of `key` of the default space with the longest prefix.
    pub fn of(&self, key: &[u8]) -> Option<&Arc<Merge>> {
        let fitting = self.0.iter().filter(|(prefix, _)| key.starts_with(prefix));
        let longest = fitting.max_by_key(|(prefix, _)| prefix.len());
        longest.map(|(_, merge)| merge)
    }
}
