//! What a manifest's edits add up to.

use std::collections::BTreeMap;

use kv_api::Result;

use crate::banned::Banned;
use crate::error::damage;
use crate::id::{FileId, Sequence};
use crate::late::Late;
use crate::level::LEVELS;
use crate::manifest::edit::{Edit, Part, bans};
use crate::manifest::file::{self as manifest, Found};
use crate::memtable::LogPlace;
use crate::table::meta::TableMeta;
use crate::version::ValueFileState;

/// What the manifest's edits add up to.
#[derive(Default)]
pub(crate) struct Described {
    pub tables: BTreeMap<FileId, (usize, TableMeta)>,
    pub values: BTreeMap<FileId, ValueFileState>,
    pub flushed: Sequence,
    pub logs: LogPlace,
    pub next_file: FileId,
    pub discarded: Sequence,
    pub dropped: Sequence,
    pub late: Late,
    pub banned: Option<Banned>,
    pub threshold: Option<u64>,
}

impl Described {
    pub fn fold(found: Found) -> Result<Described> {
        let mut described = Described::default();
        for edit in found.edits {
            described.take(edit)?;
        }
        Ok(described)
    }

    /// One edit that says all of it.
    pub fn base(&self) -> Edit {
        let values = self.values.iter();
        let mut base: Edit = values
            .map(|(id, state)| Part::Values(*id, *state))
            .collect();
        let tables = self.tables.values();
        base.extend(tables.map(|(level, meta)| Part::AddTable(*level, meta.clone())));
        base.push(Part::Flushed(self.flushed));
        base.push(Part::Logs(self.logs));
        base.push(Part::NextFile(self.next_file));
        base.push(Part::Discarded(self.discarded));
        base.push(Part::Dropped(self.dropped));
        base.push(Part::Late(self.late));
        base.extend(self.threshold.map(Part::Threshold));
        base.extend(self.banned.iter().flat_map(bans));
        base
    }

    fn ban(&mut self, offset: usize, namespace: u64) -> Result<()> {
        let banned = self.banned.get_or_insert_with(|| Banned {
            offset,
            ..Banned::default()
        });
        if banned.offset != offset {
            let what = "namespaces are banned at two places of keys";
            return Err(damage(manifest::NAME, 0, what));
        }
        banned.namespaces.insert(namespace);
        Ok(())
    }

    fn take(&mut self, edit: Edit) -> Result<()> {
        // A table that moves down is removed and added under one number.
        for part in &edit {
            if let Part::RemoveTable(_, id) = part
                && self.tables.remove(id).is_none()
            {
                return Err(damage(manifest::NAME, 0, "an unknown table is removed"));
            }
        }
        for part in edit {
            match part {
                Part::AddTable(level, meta) => {
                    let id = meta.id;
                    if level >= LEVELS || self.tables.insert(id, (level, meta)).is_some() {
                        return Err(damage(manifest::NAME, 0, "a table is added twice"));
                    }
                }
                Part::RemoveTable(..) => {}
                Part::Flushed(sequence) => self.flushed = sequence,
                Part::Logs(logs) => self.logs = logs,
                Part::NextFile(id) => self.next_file = id,
                Part::Values(id, state) => drop(self.values.insert(id, state)),
                Part::RemoveValues(id) => drop(self.values.remove(&id)),
                Part::Discarded(sequence) => self.discarded = self.discarded.max(sequence),
                Part::Threshold(bytes) => self.threshold = Some(bytes),
                Part::Late(late) => self.late = late,
                Part::Dropped(sequence) => self.dropped = sequence,
                Part::Ban(offset, namespace) => self.ban(offset, namespace)?,
            }
        }
        Ok(())
    }
}
