//! Buckets inside buckets, with a sequence number each.

use crate::Result;

/// Sees a tree of buckets in key order.
pub trait BucketVisitor {
    /// A bucket begins; its entries follow, then [`leave`](BucketVisitor::leave).
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()>;
    /// A pair of the innermost bucket entered and not left, or of the root.
    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    /// The innermost bucket ends.
    fn leave(&mut self) -> Result<()>;
}

/// A snapshot of a store with nested buckets.
pub trait NestedReader {
    /// Walks the whole tree in key order, the root's own pairs included.
    fn visit(&self, visitor: &mut dyn BucketVisitor) -> Result<()>;
}

/// A transaction on a store with nested buckets. A path names a bucket from the root inwards; the
/// empty path is the root, which cannot be made nor deleted.
///
/// Pairs and buckets of one bucket share its names: where one stands the other is
/// [`Error::Incompatible`](crate::Error::Incompatible). A space is a bucket of the root, and the
/// default space is the root's own pairs; calls on a space see its pairs and pass its buckets
/// over. Empty names and keys are refused as elsewhere.
pub trait NestedWriter {
    /// Makes the bucket at `path` and every bucket on the way, where they do not exist.
    fn create_bucket(&mut self, path: &[&[u8]]) -> Result<()>;
    /// Removes the bucket at `path` with all it holds; answers whether there was one.
    fn delete_bucket(&mut self, path: &[&[u8]]) -> Result<bool>;
    /// Sets a pair in the bucket at `path`, which must be there: otherwise
    /// [`Error::NotFound`](crate::Error::NotFound).
    fn put_in(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()>;
    /// Sets the sequence number of the bucket at `path`, which must be there. A bucket's is 0
    /// until set.
    fn set_sequence(&mut self, path: &[&[u8]], sequence: u64) -> Result<()>;
}
