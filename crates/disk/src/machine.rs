//! What the machine has: the size of its pages and of its memory.

/// Bytes of one of the operating system's pages.
pub fn os_page_bytes() -> u32 {
    use nix::unistd::{SysconfVar, sysconf};
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u32::try_from(size).ok())
        .unwrap_or(4096)
}

/// Bytes of memory the machine has, if the system tells.
pub(crate) fn os_memory_bytes() -> Option<u64> {
    use nix::unistd::{SysconfVar, sysconf};
    let pages = sysconf(SysconfVar::_PHYS_PAGES).ok().flatten()?;
    let pages = u64::try_from(pages).ok()?;
    Some(pages.saturating_mul(u64::from(os_page_bytes())))
}
