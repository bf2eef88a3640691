//! What the bench asks of an engine, ours or a peer.
//!
//! Calls go through trait objects for all of them, so the bench's own cost is the same.

use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Any engine's error.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a call answers.
pub type Result<T> = std::result::Result<T, Failure>;

/// How commits are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// On stable storage before the commit returns.
    Durable,
    /// Without waiting for the device; what that survives is [`Kind::unsynced`].
    Unsynced,
}

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// How commits are kept.
    pub keeping: Keeping,
    /// The engine's own cache, where it has one.
    pub cache_bytes: usize,
}

/// The cache every engine gets, unless memory is what is measured.
pub const CACHE_BYTES: usize = 1 << 30;

/// What a commit that did not wait for the device survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// The newest commits are lost when the process is killed.
    #[serde(rename = "lost by a kill")]
    LostByKill,
    /// The system has them: only a crash of the machine loses them.
    #[serde(rename = "survives a kill")]
    SurvivesKill,
}

impl Class {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Class::LostByKill => "lost by a kill",
            Class::SurvivesKill => "survives a kill",
        }
    }
}

/// An engine that may be run.
pub struct Kind {
    /// The name on the command line.
    pub name: &'static str,
    /// The version that was built in.
    pub version: fn() -> String,
    /// What an unsynced commit survives.
    pub unsynced: Class,
    /// The most keys a bulk load may put into one transaction; all of them if none.
    pub load_keys_max: Option<u64>,
    /// Opens or makes a store in a directory that exists.
    pub open: fn(&Path, Opening) -> Result<Box<dyn Engine>>,
    /// Compacts the closed store in the directory, in the engine's own way.
    pub compact: fn(&Path) -> Result<()>,
    /// Its search in values, if it has one.
    pub texts: Option<TextKind>,
}

/// An engine's search in values.
pub struct TextKind {
    /// Opens or makes a store of texts, with an index, in a directory that exists.
    pub open: fn(&Path, Indexing) -> Result<Box<dyn Texts>>,
    /// Whether one index serves every question, so that it is made once for all.
    pub serves_all: bool,
}

/// What an index over texts is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Questions for words and beginnings of words.
    Words,
    /// Questions for what stands inside words.
    Inside,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Texts with this word.
    Token,
    /// Texts with a word that begins so.
    Prefix,
    /// Texts with this anywhere in them.
    Inside,
}

/// A store of numbered texts that can be searched. Dropping it closes it.
pub trait Texts {
    /// Adds the texts in one durable transaction, numbered from `from`.
    fn add(&mut self, from: u64, texts: &[String]) -> Result<()>;

    /// Brings the index into the shape in which questions are answered fastest.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Walks the keys of the texts that match, at most `limit` of them; answers how many.
    fn find(&self, asked: Asked, part: &str, limit: Option<u64>) -> Result<u64>;
}

/// What an engine counts of its own memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Keys it holds.
    pub keys: u64,
    /// Bytes for each key, beside the bytes of the key itself.
    pub beside_key_bytes: f64,
}

/// What reading does with each entry: key and value in, whether to go on out.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> bool + 'v;

/// An open store. Dropping it closes it.
pub trait Engine: Send + Sync {
    /// Runs `work` on one version of the store.
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()>;

    /// Runs `work` in one transaction and commits it.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()>;

    /// The same for threads that commit side by side: the engine's group commit, if it has one.
    fn write_shared(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        self.write(work)
    }

    /// Bytes written since opening, by the engine's own count.
    fn bytes_written(&self) -> Option<u64> {
        None
    }

    /// Memory that its keys take, by the engine's own count.
    fn memory(&self) -> Result<Option<Memory>> {
        Ok(None)
    }
}

/// One version of a store.
pub trait Reader {
    /// Shows the value of `key`; answers whether there is one.
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Visits entries in key order, from the first at or after `from`.
    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()>;

    /// Visits every entry from the last to the first.
    fn scan_back(&self, visit: &mut Visit) -> Result<()>;
}

/// A transaction that writes.
pub trait Writer {
    /// Sets the value of `key`.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes `key`.
    fn delete(&mut self, key: &[u8]) -> Result<()>;
}
