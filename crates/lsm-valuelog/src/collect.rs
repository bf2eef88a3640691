//! Collecting the value log: giving back the space of values that nobody points at.

use kv_api::Result;

use crate::error::locked;
use crate::id::FileId;
use crate::manifest::edit::Part;
use crate::shared::Shared;
use crate::version::Version;

impl Shared {
    /// Removes a value-log file that nothing points at; answers whether there was one.
    pub fn collect_one(&self) -> Result<bool> {
        let version = self.state.load().version.clone();
        let Some(id) = self.empty_file(&version) else {
            return Ok(false);
        };
        let mut files = locked(&self.files);
        let file = version.values.get(&id).cloned();
        self.install(&mut files, vec![Part::RemoveValues(id)], |_, version| {
            version.values.remove(&id);
            version.value_states.remove(&id);
        })?;
        drop(files);
        if let Some(file) = file {
            file.make_obsolete();
        }
        Ok(true)
    }

    /// A sealed file all of whose commits are in tables and whose values nobody points at.
    fn empty_file(&self, version: &Version) -> Option<FileId> {
        let referenced = version.referenced();
        let logs = locked(&self.files).logs;
        let first = logs.values.map(|(id, _)| id).unwrap_or_default();
        let mut files = version.value_states.iter();
        let found = files.find(|(id, state)| {
            let is_replayed = **id == state.physical && **id >= first;
            state.is_sealed && !is_replayed && referenced.get(id).is_none_or(|bytes| *bytes == 0)
        });
        found.map(|(id, _)| *id)
    }

    /// Ends the value log's newest file if much of it is dead, so that it can be collected;
    /// answers whether it did.
    pub fn seal_wasteful(&self) -> Result<bool> {
        let mut core = locked(&self.core);
        let Some(values) = &core.values else {
            return Ok(false);
        };
        let version = self.state.load().version.clone();
        let live = version.referenced().get(&values.log.id).copied();
        let dead = values.value_bytes.saturating_sub(live.unwrap_or(0));
        let is_wasteful = self.state.load().memtable.is_empty()
            && dead * 100 > values.value_bytes * self.options.garbage_percent;
        if !is_wasteful {
            return Ok(false);
        }
        self.seal_values(&mut core)?;
        self.rotate(&mut core)?;
        Ok(true)
    }
}
