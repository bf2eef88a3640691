//! The index in memory: every live key, sorted, in flat chunks that are copied on write.

mod among;
mod chunk;
mod entry;
mod item;
mod key_ids;
mod keys;
mod node;
mod sorted;
mod space;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use among::Among;
pub(crate) use entry::Entry;
pub(crate) use item::{Edit, Item, Observer};
pub(crate) use sorted::SortedIndex;
pub(crate) use space::{Footprint, SpaceIndex};
pub(crate) use walk::Walk;
