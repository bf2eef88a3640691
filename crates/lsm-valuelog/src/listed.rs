//! The files of a store's directory, by their names.

use kv_api::{Error, Result};

use crate::described::Described;
use crate::id::FileId;
use crate::logs::wal_name;
use crate::manifest::file as manifest;
use crate::table::reader::Reading;
use crate::values::values_name;

/// Files in the directory, by kind.
#[derive(Default)]
pub(crate) struct Listed {
    pub tables: Vec<FileId>,
    pub values: Vec<FileId>,
    pub wals: Vec<FileId>,
    /// A manifest that never took its place.
    pub has_unfinished: bool,
}

impl Listed {
    pub fn of(reading: &Reading) -> Result<Listed> {
        let mut listed = Listed::default();
        let names = reading.disk.list(&reading.directory);
        for name in names.map_err(|error| Error::io("listing the directory", error))? {
            let name = name.to_string_lossy();
            listed.has_unfinished |= name == manifest::NEW_NAME;
            let Some((number, kind)) = name.split_once('.') else {
                continue;
            };
            // Names are taken only in the form this engine gives them.
            let Some(id) = number.parse().ok().map(FileId) else {
                continue;
            };
            if id.to_string() != number {
                continue;
            }
            match kind {
                "sst" => listed.tables.push(id),
                "vlog" => listed.values.push(id),
                "wal" => listed.wals.push(id),
                _ => {}
            }
        }
        listed.wals.sort();
        Ok(listed)
    }

    pub fn next_file(&self) -> FileId {
        let all = self.tables.iter().chain(&self.values).chain(&self.wals);
        all.max().map_or(FileId(1), |id| id.next())
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.values.is_empty() && self.wals.is_empty()
    }

    /// Removes what no version names; answers the write-ahead logs that count.
    pub fn clean(&self, reading: &Reading, described: &Described) -> Result<Vec<FileId>> {
        let remove = |name: String| {
            let removed = reading.disk.remove(&reading.directory.join(&name));
            removed.map_err(|error| Error::io("removing a file that nothing names", error))
        };
        for id in &self.tables {
            if !described.tables.contains_key(id) {
                remove(format!("{id}.sst"))?;
            }
        }
        for id in &self.values {
            let mut states = described.values.values();
            if !states.any(|state| state.physical == *id) {
                remove(values_name(*id))?;
            }
        }
        let (needed, needless): (Vec<FileId>, Vec<FileId>) =
            self.wals.iter().partition(|id| **id >= described.logs.wal);
        for id in needless {
            remove(wal_name(id))?;
        }
        Ok(needed)
    }
}
