//! What may be chosen about versions: which are kept, in which order they come, what is folded.

use std::sync::Arc;

use crate::options::Options;

impl Options {
    /// Whether a deletion stays though it hides nothing: for those who copy changes or read history.
    pub(crate) fn keeps_deletions(&self) -> bool {
        self.versions_to_keep > 1 || self.keeps_history
    }

    /// How many versions of a key compaction keeps; `usize::MAX` keeps everything, deletions too,
    /// which backups of what changed must be able to tell. Default: 1.
    pub fn versions_to_keep(mut self, versions: usize) -> Options {
        self.versions_to_keep = versions;
        self
    }

    /// Keeps the store as of every version readable, until [`Db::discard_before`] gives history
    /// up; what lies before that is kept as far as
    /// [`versions_to_keep`](Options::versions_to_keep) says. Default: off.
    ///
    /// [`Db::discard_before`]: crate::Db::discard_before
    pub fn keep_history(mut self, keep: bool) -> Options {
        self.keeps_history = keep;
        self
    }

    /// Lets commits whose version the caller chooses have one below that of the newest commit, as
    /// long as history was not given up to there; only with
    /// [`keep_history`](Options::keep_history). See [`commit_at`](crate::Transaction::commit_at).
    /// Default: off.
    pub fn versions_in_any_order(mut self, any: bool) -> Options {
        self.versions_in_any_order = any;
        self
    }

    /// Lets compactions fold what a [`MergeOperator`](crate::MergeOperator) has added to keys of the
    /// default space that begin with `prefix`, instead of carrying each addition on until somebody
    /// folds it into the value. `merge` is given the older and the newer of two additions, as the
    /// operators on those keys are, and must be associative and the same at every opening; of
    /// several prefixes the longest counts. Only additions are folded that nobody reads apart any
    /// more. A store that keeps all versions of every key, or took late ones, folds nothing; whoever
    /// copies changes opens it so, because copies of changes since before a folding are refused.
    /// Default: none.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use lsm_valuelog::Options;
    ///
    /// let joined = |old: &[u8], new: &[u8]| [old, new].concat();
    /// let db = Options::new()
    ///     .fold_additions(b"log of ", joined)
    ///     .open(directory.path().join("store"))?;
    /// let log = db.merge_operator(b"log of today", joined, None)?;
    /// for line in [b"one ", b"two "] {
    ///     log.add(line)?;
    /// }
    /// db.flatten()?;
    /// assert_eq!(log.get()?.as_deref(), Some(&b"one two "[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn fold_additions(
        mut self,
        prefix: &[u8],
        merge: impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Options {
        self.operators.add(prefix, Arc::new(merge));
        self
    }
}
