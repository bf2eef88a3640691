//! Logs of commits: the write-ahead logs and the value log share one way to frame a record.

pub(crate) mod chain;
pub(crate) mod commit;
pub(crate) mod frame;
pub(crate) mod scan;
pub(crate) mod wal;
