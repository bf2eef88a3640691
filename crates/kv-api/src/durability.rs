//! How much of a crash a commit must survive before it returns.

/// The promise a commit makes when it returns.
///
/// | level | process killed | power cut |
/// |---|---|---|
/// | [`Sync`](Durability::Sync) | survives | survives |
/// | [`Buffered`](Durability::Buffered) | survives | may lose the newest commits, whole |
/// | [`Deferred`](Durability::Deferred) | may lose the newest commits, whole | the same |
///
/// What a crash takes is a suffix of the commits in their order, whatever their levels: a commit
/// that survives has all commits before it with it.
///
/// An engine may give more than asked, never less. No level ever leaves part of a commit behind
/// or corrupts the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// On stable storage before the commit returns, and visible to readers only then.
    #[default]
    Sync,
    /// Handed to the operating system before the commit returns.
    Buffered,
    /// Visible at once; durable with the next `Sync` commit, [`sync`](crate::Store::sync) or
    /// [`close`](crate::Store::close).
    Deferred,
}
