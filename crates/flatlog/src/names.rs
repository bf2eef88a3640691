//! The names of the files in a store's directory.

use crate::ids::SegmentId;

/// Which segments and which checkpoint there are.
pub(crate) const STATE: &str = "meta.state";
/// The same on its way: written whole, then renamed.
pub(crate) const STATE_NEW: &str = "meta.state.new";
/// Locked by whoever has the store open.
pub(crate) const LOCK: &str = "lock";

/// A segment's name.
pub(crate) fn segment(id: SegmentId) -> String {
    format!("values-{:06}.data", id.0)
}

/// A checkpoint's name.
pub(crate) fn checkpoint(number: u32) -> String {
    format!("index-{number:06}.checkpoint")
}

/// Where the bytes go that recovery cut off at `offset` of a segment.
pub(crate) fn torn(id: SegmentId, offset: u32) -> String {
    format!("torn-{:06}-{offset}", id.0)
}

/// Whether this is a name that the engine gives to files it also removes.
pub(crate) fn is_removable(name: &str) -> bool {
    let between = |before, after| {
        let inner = name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        inner.is_some_and(|digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    name == STATE_NEW || between("values-", ".data") || between("index-", ".checkpoint")
}
