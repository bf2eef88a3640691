//! Directories and files as a tree: what a disk shows, or would show after a crash.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::image::Image;

/// The directory that every path begins at, whether it is written as absolute or not.
pub(crate) const ROOT: u64 = 1;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    File { inode: u64, mode: u32 },
    Directory(u64),
}

/// One change to a volume: the smallest thing a crash can keep or lose (a write can also tear).
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Write {
        inode: u64,
        offset: u64,
        bytes: Arc<[u8]>,
    },
    SetLen {
        inode: u64,
        len: u64,
        len_before: u64,
    },
    Name {
        directory: u64,
        name: OsString,
        entry: Option<Entry>,
    },
}

/// A tree of files.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    files: BTreeMap<u64, Image>,
    directories: BTreeMap<u64, BTreeMap<OsString, Entry>>,
}

impl Default for Volume {
    fn default() -> Volume {
        Volume {
            files: BTreeMap::new(),
            directories: BTreeMap::from([(ROOT, BTreeMap::new())]),
        }
    }
}

/// The names on the way from the root.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    Ok(names)
}

impl Volume {
    /// The highest number of a file or directory.
    pub(crate) fn last_number(&self) -> u64 {
        let file = self.files.last_key_value().map_or(0, |(inode, _)| *inode);
        let directory = self.directories.last_key_value().map_or(0, |(id, _)| *id);
        file.max(directory)
    }

    pub(crate) fn file(&self, inode: u64) -> Option<&Image> {
        self.files.get(&inode)
    }

    pub(crate) fn replace_file(&mut self, inode: u64, image: Image) {
        self.files.insert(inode, image);
    }

    pub(crate) fn file_len(&self, inode: u64) -> u64 {
        self.file(inode).map_or(0, Image::len)
    }

    pub(crate) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Write {
                inode,
                offset,
                bytes,
            } => self.file_mut(*inode).write(*offset, bytes),
            Effect::SetLen { inode, len, .. } => self.file_mut(*inode).set_len(*len),
            Effect::Name {
                directory,
                name,
                entry,
            } => self.set_name(*directory, name, *entry),
        }
    }

    pub(crate) fn file_mut(&mut self, inode: u64) -> &mut Image {
        self.files.entry(inode).or_default()
    }

    fn set_name(&mut self, directory: u64, name: &OsStr, entry: Option<Entry>) {
        match entry {
            Some(Entry::File { inode, .. }) => drop(self.files.entry(inode).or_default()),
            Some(Entry::Directory(id)) => drop(self.directories.entry(id).or_default()),
            None => {}
        }
        let names = self.directories.entry(directory).or_default();
        match entry {
            Some(entry) => names.insert(name.to_os_string(), entry),
            None => names.remove(name),
        };
    }

    /// The directory at `path`.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<u64> {
        let mut at = ROOT;
        for name in names(path)? {
            match self.entry(at, name) {
                Some(Entry::Directory(id)) => at = id,
                Some(Entry::File { .. }) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(at)
    }

    /// The directory that holds, or would hold, the last name of `path`, and that name.
    pub(crate) fn place(&self, path: &Path) -> io::Result<(u64, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((self.directory(parent)?, name.to_os_string()))
    }

    pub(crate) fn entry(&self, directory: u64, name: &OsStr) -> Option<Entry> {
        self.directories.get(&directory)?.get(name).copied()
    }

    pub(crate) fn list(&self, directory: u64) -> Vec<OsString> {
        let names = self.directories.get(&directory);
        names.map_or_else(Vec::new, |names| names.keys().cloned().collect())
    }

    /// A digest of every name and every byte that can be reached; numbers of files do not count.
    pub(crate) fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        self.digest_directory(ROOT, &mut hash);
        hash.digest128()
    }

    fn digest_directory(&self, directory: u64, hash: &mut Xxh3) {
        let Some(names) = self.directories.get(&directory) else {
            return;
        };
        for (name, entry) in names {
            let name = name.as_encoded_bytes();
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name);
            match entry {
                Entry::File { inode, .. } => {
                    hash.update(b"f");
                    let digest = self.file(*inode).map_or(0, Image::digest);
                    hash.update(&digest.to_le_bytes());
                }
                Entry::Directory(id) => {
                    hash.update(b"d");
                    self.digest_directory(*id, hash);
                    hash.update(b"e");
                }
            }
        }
    }
}
