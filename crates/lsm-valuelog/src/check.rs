//! Looking for damage, and accounting for every file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kv_api::capability::{CheckSummary, Finding};
use kv_api::{Error, Place, Result};

use crate::aside;
use crate::crypt::registry;
use crate::db::Db;
use crate::entry::{Entry, Kind};
use crate::error::locked;
use crate::id::FileId;
use crate::lease;
use crate::manifest::file as manifest;
use crate::pointer::Pointer;
use crate::shared::Shared;
use crate::table::cursor::RunCursor;
use crate::table::meta::TableMeta;
use crate::table::reader::Table;
use crate::values::values_name;
use crate::version::Version;

/// A check under way.
struct Checking<'a> {
    version: &'a Version,
    report: &'a mut dyn FnMut(Finding),
    summary: CheckSummary,
}

impl Checking<'_> {
    fn find(&mut self, file: &str, what: impl Into<String>) {
        self.summary.findings += 1;
        (self.report)(Finding {
            place: Place::Offset {
                file: file.to_owned(),
                offset: 0,
            },
            what: what.into(),
        });
    }

    /// Makes damage a finding; any other failure ends the check.
    fn take(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(Error::Corrupt { place, what }) => {
                self.summary.findings += 1;
                (self.report)(Finding { place, what });
                Ok(())
            }
            other => other,
        }
    }

    fn table(&mut self, table: &Arc<Table>) -> Result<()> {
        let own = table.own_meta()?;
        let known = &table.meta;
        let described = TableMeta {
            bytes: 0,
            ..known.clone()
        };
        if own != described {
            self.find(
                &table.name,
                "the table describes itself in another way than the manifest",
            );
        }
        self.summary.units += table.blocks()? as u64;
        table.verify_all()?;
        let run = std::slice::from_ref(table);
        let mut cursor = RunCursor::in_passing(run);
        cursor.first()?;
        let mut counts = Counts::default();
        while let Some(entry) = cursor.entry() {
            if let Some(what) = counts.take(&entry) {
                let name = table.name.clone();
                self.find(&name, what);
            }
            if entry.kind == Kind::Pointer {
                self.summary.units += 1;
                let verified = self.version.verify_value(entry.value);
                self.take(verified)?;
            }
            cursor.next()?;
        }
        let references = known.references.iter();
        let referenced: BTreeMap<FileId, u64> = references
            .map(|reference| (reference.file, reference.bytes))
            .collect();
        if (counts.entries, counts.tombstones) != (known.entries, known.tombstones)
            || counts.keys != known.keys
            || counts.referenced != referenced
            || counts.first != known.smallest
            || counts.last != known.biggest
        {
            self.find(
                &table.name,
                "the table's description does not fit its records",
            );
        }
        Ok(())
    }
}

/// What a table's records add up to.
#[derive(Default)]
struct Counts {
    entries: u64,
    keys: u64,
    tombstones: u64,
    referenced: BTreeMap<FileId, u64>,
    first: Vec<u8>,
    last: Vec<u8>,
    last_sequence: u64,
}

impl Counts {
    /// Takes the next record; answers what is wrong with its place.
    fn take(&mut self, entry: &Entry<'_>) -> Option<&'static str> {
        let is_same = self.entries > 0 && self.last == entry.key;
        let is_wrong = self.entries > 0
            && (self.last.as_slice() > entry.key
                || is_same && self.last_sequence <= entry.sequence.0);
        if self.entries == 0 {
            self.first = entry.key.to_vec();
        }
        self.entries += 1;
        self.keys += u64::from(!is_same);
        self.tombstones += u64::from(entry.kind == Kind::Delete);
        self.last.clear();
        self.last.extend_from_slice(entry.key);
        self.last_sequence = entry.sequence.0;
        if entry.kind == Kind::Pointer
            && let Some(pointer) = Pointer::read(entry.value)
        {
            *self.referenced.entry(pointer.file).or_default() += pointer.len;
        }
        is_wrong.then_some("records are out of order")
    }
}

impl Shared {
    /// Files in the directory that nothing accounts for.
    fn strangers(&self, version: &Version) -> Result<Vec<String>> {
        // Only asked where no thread is making files, and held so that none begins to.
        let files = locked(&self.files);
        let names = self.reading.disk.list(&self.reading.directory);
        let names = names.map_err(|error| Error::io("listing the directory", error))?;
        let current = Arc::clone(&self.state.load().version);
        let mut known: BTreeSet<String> = locked(&self.reading.retired).clone();
        for version in [version, &current] {
            known.extend(version.tables().map(|(_, table)| table.name.clone()));
            let states = version.value_states.values();
            known.extend(states.map(|state| values_name(state.physical)));
        }
        let logs = files.wals.iter().chain(&files.free_logs);
        known.extend(logs.map(|id| crate::logs::wal_name(*id)));
        // A manifest that was refused may still stand beside the one that counts.
        known.extend([manifest::NAME, manifest::NEW_NAME, lease::NAME].map(str::to_owned));
        if self.reading.keys.is_some() {
            // A registry that was refused may still stand beside the one that counts.
            known.extend([registry::NAME, registry::NEW_NAME].map(str::to_owned));
        }
        let names = names.iter().map(|name| name.to_string_lossy().into_owned());
        let is_known = |name: &String| known.contains(name) || name.ends_with(aside::SUFFIX);
        Ok(names.filter(|name| !is_known(name)).collect())
    }

    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        self.refuse_closed()?;
        let state = self.state.load_full();
        let version = Arc::clone(&state.version);
        // Whoever holds the logs may have put newer tables in place than readers may see yet.
        let (last, durable, visible) = {
            let core = locked(&self.core);
            match self.options.is_read_only {
                true => (self.visible(), self.visible(), self.visible()),
                false => (core.last, core.durable, self.visible()),
            }
        };
        let mut checking = Checking {
            version: &version,
            report,
            summary: CheckSummary::default(),
        };
        if let Some(what) = version.disorder() {
            checking.find(manifest::NAME, what);
        }
        for memtable in state.memtables() {
            checking.summary.units += memtable.entries();
        }
        for (_, table) in version.tables() {
            checking.summary.units += 1;
            let checked = checking.table(table);
            checking.take(checked)?;
        }
        for what in version.miscounted() {
            checking.find(manifest::NAME, what);
        }
        for (id, value) in &version.value_states {
            let counted = self.count_values(*id, value);
            match counted {
                Ok(Some(bytes)) if bytes != value.value_bytes => {
                    let what = format!(
                        "values of {bytes} bytes, of which the manifest says {}",
                        value.value_bytes
                    );
                    checking.find(&values_name(value.physical), what);
                }
                other => checking.take(other.map(drop))?,
            }
        }
        for (what, version) in [
            ("readers see", visible),
            ("what is called durable:", durable),
        ] {
            if version > last {
                let what = format!("{what} {version}, and the newest commit is {last}");
                checking.find(manifest::NAME, what);
            }
        }
        for (_, table) in version.tables() {
            let newest = table.meta.max_sequence;
            if newest > last {
                let what = format!("holds version {newest}, and the newest commit is {last}");
                checking.find(&table.name, what);
            }
        }
        if checking.summary.findings == 0 {
            // What is damaged was found above, and would end this.
            match state.misplaced() {
                Ok(Some(what)) => checking.find(manifest::NAME, what),
                other => checking.take(other.map(drop))?,
            }
        }
        // With threads behind the scenes, files come and go that no version names yet or any more.
        // After a failure, the manifest on disk may name what this handle does not. Whoever only
        // reads leaves to the next writer what an opening would remove.
        let is_alone = !self.options.background && !self.options.is_read_only;
        if is_alone && self.poisoned().is_none() {
            for name in self.strangers(&version)? {
                checking.find(&name, "nothing accounts for this file");
            }
        }
        Ok(checking.summary)
    }
}

impl kv_api::capability::Check for Db {
    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        self.shared.check(report)
    }
}
