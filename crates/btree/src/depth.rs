//! How deep a tree may be.

/// The deepest tree that is followed. With the least fan-out of two, a tree this deep would need
/// more pages than a file can have.
pub const DEPTH_MAX: usize = 64;

/// What is wrong with a deeper one.
pub(crate) fn too_deep() -> pager::Error {
    pager::Error::file(format!(
        "a tree deeper than {DEPTH_MAX} pages: its pages form a cycle"
    ))
}
