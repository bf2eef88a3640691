//! A view of a crash disk's file: it reads at the first asking, and remembers what it lent.
//!
//! Invariants:
//! * bytes once read are never changed, moved or dropped before the view;
//! * every range read is registered while the disk is locked, so no write can slip between the
//!   reading and the registering.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use ::disk::View;

use crate::choice::SECTOR_BYTES;
use crate::core::{Core, Shared, lock};
use crate::lent::Lent;

/// Sectors per group of the table.
const GROUP_SECTORS: usize = 64;

/// What was read at one sector; longer questions at the same place are read anew behind it.
#[derive(Default)]
struct Slot {
    bytes: OnceLock<Box<[u8]>>,
    longer: OnceLock<Box<Slot>>,
}

pub(crate) struct CrashView {
    core: Shared,
    lent: Arc<Lent>,
    len: u64,
    groups: Box<[OnceLock<Box<[Slot]>>]>,
}

impl CrashView {
    pub(crate) fn new(shared: &Shared, core: &mut Core, inode: u64, len: u64) -> CrashView {
        let lent = Arc::new(Lent::new(inode));
        core.views.retain(|view| view.strong_count() > 0);
        core.views.push(Arc::downgrade(&lent));
        let sectors = len.div_ceil(SECTOR_BYTES as u64);
        let groups = sectors.div_ceil(GROUP_SECTORS as u64);
        CrashView {
            core: Arc::clone(shared),
            lent,
            len,
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
        }
    }

    fn slot(&self, sector: usize) -> Option<&Slot> {
        let group = self.groups.get(sector / GROUP_SECTORS)?;
        let slots = group.get_or_init(|| (0..GROUP_SECTORS).map(|_| Slot::default()).collect());
        slots.get(sector % GROUP_SECTORS)
    }

    fn read(&self, start: u64, len: usize) -> io::Result<Box<[u8]>> {
        let mut core = lock(&self.core);
        let mut bytes = vec![0; len];
        if core.image(self.lent.inode)?.read(start, &mut bytes) < len {
            // A real mapping would end the process here.
            let end = start + len as u64;
            core.violations.push(format!(
                "view asked for {start}..{end}, past the file's end"
            ));
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.lent.add(start, start + len as u64);
        Ok(bytes.into_boxed_slice())
    }
}

impl View for CrashView {
    fn len(&self) -> u64 {
        self.len
    }

    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let last = offset.checked_add(len as u64).ok_or_else(end)?;
        if last > self.len {
            return Err(end());
        }
        if len == 0 {
            return Ok(&[]);
        }
        let at = usize::try_from(offset).map_err(|_| end())?;
        let (sector, skipped) = (at / SECTOR_BYTES, at % SECTOR_BYTES);
        let mut slot = self.slot(sector).ok_or_else(end)?;
        loop {
            let held = match slot.bytes.get() {
                Some(held) => held,
                None => {
                    let read = self.read(offset - skipped as u64, skipped + len)?;
                    slot.bytes.get_or_init(|| read)
                }
            };
            if let Some(found) = held.get(skipped..skipped + len) {
                return Ok(found);
            }
            slot = slot.longer.get_or_init(Box::default);
        }
    }

    fn follows_writes(&self) -> bool {
        false
    }
}

impl fmt::Debug for CrashView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashView")
            .field("inode", &self.lent.inode)
            .field("len", &self.len)
            .finish()
    }
}
