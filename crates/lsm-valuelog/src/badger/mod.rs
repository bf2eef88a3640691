//! Badger's own backups, read and written: `docs/format/badger-backup.md`.

mod export;
mod import;
mod wire;

pub use export::BadgerBackup;
pub use import::{BadgerLoaded, read_badger_backup};
