//! Looking for damage: every byte of every file that the store names.

use std::sync::Arc;

use disk::read_exact_at;
use kv_api::capability::{Backup, Check, CheckSummary, Finding};
use kv_api::{Error, Place as Where, Result};

use crate::db::Db;
use crate::ids::SpaceId;
use crate::log::batch::Op;
use crate::log::record::{self, Kind};
use crate::log::scan::{Frame, Frames};
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment, encode_header, salt_of};
use crate::names;
use crate::reader::Source;
use crate::root::Root;
use crate::state_file::StateFile;

impl Check for Db {
    /// Reads every frame of the log, and for every key the record its entry names. Runs beside
    /// readers and writers, on the version that was newest when it began.
    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        let root = self.shared.current()?;
        let mut checking = Checking {
            report,
            summary: CheckSummary::default(),
        };
        checking.state_file(&root)?;
        let ends: Vec<u32> = root
            .segments
            .order()
            .iter()
            .map(|segment| segment.readable())
            .collect();
        for (segment, end) in root.segments.order().iter().zip(ends) {
            checking.segment(&root, segment, end)?;
        }
        checking.index(&root);
        Ok(checking.summary)
    }
}

impl Backup for Db {
    fn backup(&self, to: &mut dyn std::io::Write) -> Result<u64> {
        self.snapshot_to(to, |_| true)
    }
}

struct Checking<'a> {
    report: &'a mut dyn FnMut(Finding),
    summary: CheckSummary,
}

impl Checking<'_> {
    fn found(&mut self, place: Where, what: impl Into<String>) {
        self.summary.findings += 1;
        (self.report)(Finding {
            place,
            what: what.into(),
        });
    }

    /// Damage is a finding; anything else ends the check.
    fn damage<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Corrupt { place, what }) => {
                self.found(place, what);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn state_file(&mut self, root: &Root) -> Result<()> {
        self.summary.units += 1;
        let read = StateFile::read(&*root.lease.disk, &root.lease.directory);
        let Some(state) = self.damage(read)? else {
            return Ok(());
        };
        let Some(state) = state else {
            self.found(Where::Store, "meta.state is missing");
            return Ok(());
        };
        if let Some(number) = state.checkpoint {
            let read = crate::checkpoint::verify(root, number);
            self.damage(read)?;
            self.summary.units += 1;
        }
        Ok(())
    }

    fn segment(&mut self, root: &Root, segment: &Segment, end: u32) -> Result<()> {
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        let read = read_exact_at(&*segment.file, &mut header, 0);
        read.map_err(|error| Error::io("reading a segment", error))?;
        if header.as_slice() != encode_header(&segment.seal).as_slice() {
            let damage = Err::<(), _>(segment.damaged(0, "this is not the header of this segment"));
            self.damage(damage)?;
        }
        self.summary.units += 1;
        let file = Arc::clone(&segment.file);
        let mut frames = Frames::new(file, segment.seal, SEGMENT_HEADER_BYTES, 0)?;
        while frames.at < end
            && let Some(frame) = frames.next()?
        {
            self.summary.units += 1;
            for op in &frame.ops {
                self.not_older(root, segment, &frame, op);
            }
        }
        if frames.at < end {
            let damage = segment.damaged(frames.at, "a damaged commit");
            self.damage(Err::<(), _>(damage))?;
        }
        Ok(())
    }

    /// No entry is older than a record of its key in the log, and the one that leads to a record
    /// has its commit index.
    fn not_older(&mut self, root: &Root, segment: &Segment, frame: &Frame, op: &Op) {
        if !matches!(op.kind, Kind::Put | Kind::Delete) || op.commit_index > root.last_commit_index
        {
            return;
        }
        let key = op.key(&frame.body);
        let item = root.space(op.space).and_then(|space| space.get(key));
        let Some(item) = item else {
            return;
        };
        let offset = frame.body_start + op.record_start;
        let is_there = (item.place.segment(), item.place.offset) == (segment.id(), offset);
        if item.commit_index < op.commit_index || is_there && item.commit_index != op.commit_index {
            let what = "the index leads to an older record of this key, or gives it another index";
            let place = Where::Offset {
                file: names::segment(segment.id()),
                offset: offset.into(),
            };
            self.found(place, what);
        }
    }

    /// Every entry leads to a record of its own key.
    fn index(&mut self, root: &Root) {
        let source = Source::of(root);
        let salt = |segment: &Segment| salt_of(&segment.seal.store);
        for (id, space) in root.spaces() {
            let (mut walk, mut count) = (source.walk(id), 0);
            let mut before: Option<&[u8]> = None;
            let mut entry = walk.first();
            while let Some((key, item)) = entry {
                self.summary.units += 1;
                count += 1;
                if before.is_some_and(|before| before >= key) {
                    self.found(Where::Store, format!("keys of space {} out of order", id.0));
                }
                before = Some(key);
                let checked = root.segments.get(item.place.segment()).and_then(|segment| {
                    let whole = segment.record(item.place)?;
                    let record = record::read(&whole, salt(segment));
                    let own = record.is_some_and(|record| {
                        (record.kind, record.space, record.key) == (Kind::Put, id, key)
                    });
                    let other = "the record of another key, or one that does not match its sum";
                    if own {
                        Ok(())
                    } else {
                        Err(segment.damaged(item.place.offset, other))
                    }
                });
                if let Err(error) = checked {
                    let place = match &error {
                        Error::Corrupt { place, .. } => place.clone(),
                        _ => Where::Store,
                    };
                    self.found(place, error.to_string());
                }
                entry = walk.next();
            }
            if count != space.len() {
                let what = format!(
                    "space {} counts {} keys and holds {count}",
                    id.0,
                    space.len()
                );
                self.found(Where::Store, what);
            }
        }
        for (name, named) in root.names.iter() {
            if named.id == SpaceId::DEFAULT || root.space(named.id).is_none() {
                let what = format!("the space {} leads nowhere", name.escape_ascii());
                self.found(Where::Store, what);
            }
        }
    }
}
