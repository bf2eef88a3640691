//! An open file of a crash disk.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::{Arc, MutexGuard};

use ::disk::{Access, File, FileIdentity, LockKind, MapOptions, View, write_all_at};

use crate::core::{Core, Shared, lock};
use crate::fault::Call;
use crate::view::CrashView;

pub(crate) struct CrashFile {
    core: Shared,
    inode: u64,
    handle: u64,
    mode: u32,
    access: Access,
}

impl CrashFile {
    pub(crate) fn new(
        core: Shared,
        inode: u64,
        handle: u64,
        mode: u32,
        access: Access,
    ) -> CrashFile {
        CrashFile {
            core,
            inode,
            handle,
            mode,
            access,
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    fn may_write(&self) -> io::Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl File for CrashFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut core = self.core();
        let count = core.pass(Call::Read)?.min(buffer.len());
        let part = buffer.get_mut(..count).unwrap_or_default();
        Ok(core.image(self.inode)?.read(offset, part))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.may_write()?;
        let mut core = self.core();
        let count = core.pass(Call::Write)?.min(bytes.len());
        let part = bytes.get(..count).unwrap_or_default();
        core.write(self.inode, offset, part)?;
        Ok(count)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let whole: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter())
            .copied()
            .collect();
        self.write_at(&whole, offset)
    }

    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(self, bytes, offset)?;
        let end = offset.saturating_add(bytes.len() as u64);
        // Nothing else of the file becomes durable with them.
        self.core().sync_bytes(self.inode, offset, end)
    }

    fn len(&self) -> io::Result<u64> {
        let mut core = self.core();
        core.pass(Call::Len)?;
        Ok(core.live.file_len(self.inode))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.may_write()?;
        let mut core = self.core();
        core.pass(Call::SetLen)?;
        core.set_len(self.inode, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.core().sync(Call::SyncData, self.inode)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.core().sync(Call::SyncAll, self.inode)
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let mut core = self.core();
        core.pass(Call::Lock)?;
        Ok(core.try_lock(self.inode, self.handle, kind))
    }

    fn unlock(&self) -> io::Result<()> {
        self.core().unlock(self.inode, self.handle);
        Ok(())
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity {
            device: self.core().device,
            inode: self.inode,
        })
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(self.mode)
    }

    #[allow(
        unsafe_code,
        reason = "the trait's contract; nothing here relies on it"
    )]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        let mut core = self.core();
        core.pass(Call::Map)?;
        let view = CrashView::new(&self.core, &mut core, self.inode, options.len);
        Ok(Arc::new(view))
    }
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        self.core().unlock(self.inode, self.handle);
    }
}

impl fmt::Debug for CrashFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashFile")
            .field("inode", &self.inode)
            .field("handle", &self.handle)
            .finish()
    }
}
