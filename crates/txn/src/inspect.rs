//! The tree of buckets with the number of keys in each.

use kv_api::Result;
use kv_api::capability::BucketVisitor;

use crate::snapshot::Snapshot;
use crate::visit::visit;

/// A bucket, the entries in it, and the buckets inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketTree {
    /// The bucket's name; `root` for the top bucket.
    pub name: Vec<u8>,
    /// Entries: keys, and buckets as one each.
    pub keys: u64,
    /// The buckets inside, in key order.
    pub buckets: Vec<BucketTree>,
}

impl BucketTree {
    fn called(name: &[u8]) -> BucketTree {
        BucketTree {
            name: name.to_vec(),
            keys: 0,
            buckets: Vec::new(),
        }
    }
}

impl Drop for BucketTree {
    /// Takes the tree apart level by level: buckets nest without limit, and the stack does not.
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.buckets);
        while let Some(mut bucket) = open.pop() {
            open.append(&mut bucket.buckets);
        }
    }
}

impl Snapshot {
    /// The tree of buckets with the number of keys in each. Reads everything.
    pub fn inspect(&self) -> Result<BucketTree> {
        let mut builder = Builder {
            open: vec![BucketTree::called(b"root")],
        };
        visit(self, &mut builder)?;
        Ok(builder.open.pop().unwrap_or_default())
    }
}

struct Builder {
    open: Vec<BucketTree>,
}

impl BucketVisitor for Builder {
    fn enter(&mut self, name: &[u8], _sequence: u64) -> Result<()> {
        self.open.push(BucketTree::called(name));
        Ok(())
    }

    fn pair(&mut self, _key: &[u8], _value: &[u8]) -> Result<()> {
        if let Some(bucket) = self.open.last_mut() {
            bucket.keys += 1;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        if let Some(bucket) = self.open.pop()
            && let Some(parent) = self.open.last_mut()
        {
            parent.keys += 1;
            parent.buckets.push(bucket);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_a_million_levels_is_dropped_without_a_stack_of_as_many() {
        let mut tree = BucketTree::default();
        for _ in 0..1_000_000 {
            let mut outer = BucketTree::default();
            outer.buckets.push(tree);
            tree = outer;
        }
        drop(tree);
    }
}
