//! The disk below the cache: what is durable, and what is on its way there.
//!
//! Invariants:
//! * changes on their way keep the order they were made in; a crash keeps any subset of them;
//! * a change whose fate is `Certain` survives every crash, and stays in the queue only while an
//!   uncertain change to the same file or name stands before it;
//! * a change to a file whose sync failed is `Doomed`: it may be on the disk or not, and no later
//!   sync can bring it there.

use std::collections::HashSet;
use std::ffi::OsString;
use std::ops::Range;

use crate::choice::{Choice, SECTOR_BYTES, sectors};
use crate::event::Event;
use crate::image::Image;
use crate::rng::Rng;
use crate::volume::{Effect, Volume};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Volatile,
    Doomed,
    Certain,
}

#[derive(Clone, Debug)]
struct Pending {
    effect: Effect,
    fate: Fate,
    sequence: u64,
    /// The sequence number of a change this one never survives without.
    needs: Option<u64>,
}

/// The thing a change is made to: changes to different things do not mind each other's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    File(u64),
    Name(u64, OsString),
}

fn target(effect: &Effect) -> Target {
    match effect {
        Effect::Write { inode, .. } | Effect::SetLen { inode, .. } => Target::File(*inode),
        Effect::Name {
            directory, name, ..
        } => Target::Name(*directory, name.clone()),
    }
}

/// The number of the file or directory whose sync makes this change durable.
fn node(effect: &Effect) -> u64 {
    match effect {
        Effect::Write { inode, .. } | Effect::SetLen { inode, .. } => *inode,
        Effect::Name { directory, .. } => *directory,
    }
}

/// A change whose survival is open, as the enumerator sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    /// Sectors that a write touches; 0 for anything else.
    pub(crate) sectors: usize,
    /// Whether a write reaches past the durable end, so that the length can survive without it.
    pub(crate) extends: bool,
    /// The place among the units of one that this one never survives without.
    pub(crate) needs: Option<usize>,
}

/// Durable contents and the queue of changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Medium {
    durable: Volume,
    pending: Vec<Pending>,
    sequence: u64,
}

impl Medium {
    /// A disk on which all of `volume` is durable.
    pub(crate) fn new(volume: Volume) -> Medium {
        Medium {
            durable: volume,
            ..Medium::default()
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Change { effect, tied } => {
                let needs = tied.then_some(self.sequence);
                self.sequence += 1;
                self.pending.push(Pending {
                    effect: effect.clone(),
                    fate: Fate::Volatile,
                    sequence: self.sequence,
                    needs,
                });
            }
            Event::SyncFile { inode, all: true } => self.sync_file(*inode, 0..u64::MAX, u64::MAX),
            Event::SyncFile { inode, all: false } => self.sync_file(*inode, 0..u64::MAX, 0),
            Event::SyncBytes { inode, start, end } => self.sync_file(*inode, *start..*end, 0),
            Event::SyncDirectory { directory } => self.sync_directory(*directory),
            Event::FailedSync { node, reverted } => self.fail_sync(*node, *reverted),
            Event::Failed { .. } | Event::Mark(_) => {}
        }
    }

    /// The file as it is read back after its cache was thrown away.
    pub(crate) fn settled_file(&self, inode: u64) -> Image {
        let mut image = self.durable.file(inode).cloned().unwrap_or_default();
        for pending in &self.pending {
            if pending.fate != Fate::Certain || target(&pending.effect) != Target::File(inode) {
                continue;
            }
            match &pending.effect {
                Effect::Write { offset, bytes, .. } => image.write(*offset, bytes),
                Effect::SetLen { len, .. } => image.set_len(*len),
                Effect::Name { .. } => {}
            }
        }
        image
    }

    /// Makes writes to `range` certain, and lengths up to `needed_bytes` or what those need.
    fn sync_file(&mut self, inode: u64, range: Range<u64>, mut needed_bytes: u64) {
        // Walking backwards: how far the changes made later need the file to reach.
        for pending in self.pending.iter_mut().rev() {
            let certain = match &pending.effect {
                Effect::Write {
                    inode: of,
                    offset,
                    bytes,
                } if *of == inode => {
                    let end = offset + bytes.len() as u64;
                    let synced = *offset < range.end && range.start < end;
                    if synced {
                        needed_bytes = needed_bytes.max(end);
                    }
                    synced
                }
                // Growing by length alone is not needed to read anything back.
                Effect::SetLen {
                    inode: of,
                    len,
                    len_before,
                } if *of == inode => {
                    let cuts = len < len_before;
                    if cuts {
                        needed_bytes = u64::MAX;
                    }
                    cuts || *len <= needed_bytes
                }
                _ => false,
            };
            if certain && pending.fate == Fate::Volatile {
                pending.fate = Fate::Certain;
            }
        }
        self.settle();
    }

    fn sync_directory(&mut self, directory: u64) {
        let mut needed = HashSet::new();
        for pending in self.pending.iter_mut().rev() {
            let named = matches!(&pending.effect, Effect::Name { directory: of, .. }
                if *of == directory);
            let certain = named && pending.fate == Fate::Volatile;
            if certain || needed.contains(&pending.sequence) {
                pending.fate = Fate::Certain;
                needed.extend(pending.needs);
            }
        }
        self.settle();
    }

    fn fail_sync(&mut self, failed: u64, reverted: bool) {
        let concerns =
            |pending: &Pending| pending.fate == Fate::Volatile && node(&pending.effect) == failed;
        if reverted {
            self.pending.retain(|pending| !concerns(pending));
            return;
        }
        for pending in &mut self.pending {
            // Names go through a journal, which either comes through later or stays broken.
            if concerns(pending) && matches!(target(&pending.effect), Target::File(_)) {
                pending.fate = Fate::Doomed;
            }
        }
    }

    /// Moves what is certain into the durable volume, where nothing uncertain stands before it.
    fn settle(&mut self) {
        let mut uncertain = HashSet::new();
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            let target = target(&pending.effect);
            if pending.fate == Fate::Certain && !uncertain.contains(&target) {
                durable.apply(&pending.effect);
                return false;
            }
            uncertain.insert(target);
            true
        });
    }

    fn open(&self) -> impl Iterator<Item = &Pending> {
        self.pending
            .iter()
            .filter(|pending| pending.fate != Fate::Certain)
    }

    /// How long the file is for certain where the change numbered `before` was made.
    fn certain_len(&self, inode: u64, before: u64) -> u64 {
        let earlier = self
            .pending
            .iter()
            .take_while(|pending| pending.sequence < before);
        let certain = earlier.filter(|pending| pending.fate == Fate::Certain);
        certain.fold(
            self.durable.file_len(inode),
            |len, pending| match &pending.effect {
                Effect::Write {
                    inode: of,
                    offset,
                    bytes,
                } if *of == inode => len.max(offset + bytes.len() as u64),
                Effect::SetLen { inode: of, len, .. } if *of == inode => *len,
                _ => len,
            },
        )
    }

    /// The changes that a crash now may keep or lose, in order.
    pub(crate) fn units(&self) -> Vec<Unit> {
        let place = |sequence| self.open().position(|other| other.sequence == sequence);
        self.open()
            .map(|pending| {
                let (sectors, extends) = match &pending.effect {
                    Effect::Write {
                        inode,
                        offset,
                        bytes,
                    } => (
                        sectors(*offset, bytes.len()).count(),
                        offset + bytes.len() as u64 > self.certain_len(*inode, pending.sequence),
                    ),
                    _ => (0, false),
                };
                Unit {
                    sectors,
                    extends,
                    needs: pending.needs.and_then(place),
                }
            })
            .collect()
    }

    /// What a crash leaves that makes these choices, one per unit.
    pub(crate) fn survivor(&self, choices: &[Choice]) -> Volume {
        let mut volume = self.durable.clone();
        let mut choices = choices.iter();
        for pending in &self.pending {
            let choice = match pending.fate {
                Fate::Certain => Choice::Kept,
                _ => choices.next().copied().unwrap_or(Choice::Lost),
            };
            match (&pending.effect, choice) {
                (_, Choice::Lost) => {}
                (effect, Choice::Kept) => volume.apply(effect),
                (
                    Effect::Write {
                        inode,
                        offset,
                        bytes,
                    },
                    choice,
                ) => {
                    let certain_bytes = self.certain_len(*inode, pending.sequence);
                    let image = volume.file_mut(*inode);
                    write_in_part(image, *offset, bytes, choice, certain_bytes);
                }
                _ => {}
            }
        }
        volume
    }
}

fn write_in_part(image: &mut Image, offset: u64, bytes: &[u8], choice: Choice, certain_bytes: u64) {
    let end = offset + bytes.len() as u64;
    let count = sectors(offset, bytes.len()).count();
    let mut rng = Rng::new(end ^ 0x6761_7262_6167_6521);
    match choice {
        Choice::SizeOnly => image.grow_to(end),
        Choice::Garbage => {
            // Only blocks that were never durable can show what their last owner left there.
            let start = offset.max(certain_bytes).min(end);
            let mut garbage = vec![0; usize::try_from(end - start).unwrap_or(0)];
            rng.fill(&mut garbage);
            image.write(start, &garbage);
        }
        _ => {
            for (number, range) in sectors(offset, bytes.len()).enumerate() {
                let at = offset + range.start as u64;
                let Some(part) = bytes.get(range) else {
                    continue;
                };
                if choice.scrambles(number) {
                    let mut garbage = [0; SECTOR_BYTES];
                    rng.fill(&mut garbage);
                    image.write(at, garbage.get(..part.len()).unwrap_or_default());
                } else if choice.keeps(number, count) {
                    image.write(at, part);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grow(len_before: u64, len: u64) -> Event {
        change(Effect::SetLen {
            inode: 2,
            len,
            len_before,
        })
    }

    fn change(effect: Effect) -> Event {
        Event::Change {
            effect,
            tied: false,
        }
    }

    #[test]
    fn a_durable_write_takes_its_length_along_and_no_other_write() {
        let mut medium = Medium::default();
        let write = |offset| Effect::Write {
            inode: 2,
            offset,
            bytes: vec![7; 512].into(),
        };
        for event in [grow(0, 1536), grow(1536, 4096)] {
            medium.apply(&event);
        }
        medium.apply(&change(write(0)));
        medium.apply(&change(write(1024)));
        medium.apply(&Event::SyncBytes {
            inode: 2,
            start: 1024,
            end: 1536,
        });
        let open: Vec<usize> = medium.units().iter().map(|unit| unit.sectors).collect();
        assert_eq!(open, [0, 1], "the longer length and the first write");
        let left = medium.survivor(&[Choice::Lost, Choice::Lost]);
        assert_eq!(left.file_len(2), 1536);
    }

    #[test]
    fn a_write_below_a_certain_length_extends_nothing_whatever_failed_before() {
        let mut medium = Medium::default();
        let failed = Event::FailedSync {
            node: 2,
            reverted: false,
        };
        let synced = Event::SyncFile {
            inode: 2,
            all: true,
        };
        let write = Effect::Write {
            inode: 2,
            offset: 2048,
            bytes: vec![7; 2048].into(),
        };
        for event in [grow(0, 4096), failed, grow(4096, 0), grow(0, 4096)] {
            medium.apply(&event);
        }
        medium.apply(&synced);
        medium.apply(&change(write));
        let extending: Vec<bool> = medium.units().iter().map(|unit| unit.extends).collect();
        assert_eq!(extending, [false, false], "the doomed length and the write");
    }
}
