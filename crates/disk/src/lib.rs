//! Files, mappings, locks and directories: the only door to bytes that outlive the process.
//!
//! No other crate of the workspace touches the file system. Engines take an `Arc<dyn Disk>`, so a
//! test can put a recorder or a fault injector in its place; [`OsDisk`] is the real one,
//! [`MemoryDisk`] holds files that nobody needs to outlive the process.
//!
//! Unsafe code lives in [`mapping`](crate::View) only.

#[cfg(not(unix))]
compile_error!("strata's disk layer needs a Unix: flock, pwritev and shared mappings");

mod claim;
mod file;
mod machine;
mod mapping;
mod memory;
mod os;
mod read_view;
mod view;

pub use claim::Claim;
pub use file::{
    Access, Create, Disk, File, FileIdentity, LockKind, OpenOptions, read_exact_at, read_up_to_at,
    write_all_at, write_all_vectored_at, write_all_whole_at,
};
pub use machine::os_page_bytes;
pub use mapping::prefetch;
pub use memory::MemoryDisk;
pub use os::OsDisk;
pub use read_view::ReadView;
pub use view::{MapOptions, View};
