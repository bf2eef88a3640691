//! Encryption at rest: a master key seals data keys, a data key seals the keys of files, and a
//! file's key seals its parts.

pub(crate) mod cipher;
pub(crate) mod envelope;
pub(crate) mod master;
pub(crate) mod registry;
pub(crate) mod ring;
