//! The commit protocol, whole, and the only place that syncs.
//!
//! The argument, in the order of the code:
//!
//! 1. *The base is on the disk.* After opening, the meta that was chosen may exist in the
//!    system's cache only (its sync may have failed in another process). It is written and synced
//!    again before anything else is written, because from now on pages that an older meta needs
//!    may be reused.
//! 2. *Pages go where no one looks.* They are allocated from pages that no held version needs,
//!    the durable one included, so until step 4 the durable meta stays true whatever happens.
//! 3. *Lengths, then bytes, are durable before they are named*: the file is grown and synced,
//!    pages are written and synced.
//! 4. *The meta names them*: it goes to the slot that does not hold the durable meta. Torn, it
//!    fails its checksum and the durable one still stands.
//! 5. *The meta is durable before it is shown*: only after its sync is the version published.
//!
//! A failure before step 4 leaves the database as it was: **not committed**. A refusal for space
//! leaves the handle usable; a failed write or sync stops it, because the system may have dropped
//! the bytes and marked them clean. A failure in step 4 or 5 is **in doubt**: reopening tells.

use std::sync::Arc;
use std::time::Instant;

use btree::Buckets;
use kv_api::{Durability, Error, Result};
use pager::{
    FreelistImage, META_WRITE_BYTES, Meta, NO_FREELIST, PageId, PageSink, PageSource, Pager,
    PagesNeeded, Slot, Tier, TxId, freelist_bytes,
};

use crate::cleaner::clean;
use crate::error::{from_pager, from_tree};
use crate::grant::LARGE_COMMIT_PAGES;
use crate::names::sync_parent;
use crate::options::FreelistStorage;
use crate::version::Version;
use crate::write_set::WriteSet;
use crate::writer::Writer;

/// Writes what `buckets` changed as version `txid` and answers that version. It is durable if
/// `durability` says so, and not published yet.
pub(crate) fn commit(
    writer: &mut Writer,
    buckets: &mut Buckets,
    txid: TxId,
    durability: Durability,
) -> Result<Arc<Version>> {
    let span = tracing::debug_span!("commit", txid = txid.0);
    let _entered = span.enter();
    // A sync may have failed since the transaction began.
    writer.refuse_poisoned()?;
    persist_base(writer)?;
    let storage = writer.rules.freelist;
    let storage = if durability == Durability::Deferred {
        FreelistStorage::Never
    } else {
        storage
    };
    let version = write_version(writer, buckets, txid, storage)?;
    if durability != Durability::Deferred {
        make_durable(writer, &version)?;
    }
    writer.accept(Arc::clone(&version));
    Ok(version)
}

/// Makes the current version durable, if it is not; also one that this handle has only found in
/// the system's cache.
pub(crate) fn sync_current(writer: &mut Writer) -> Result<()> {
    persist_base(writer)?;
    if writer.current.meta.txid == writer.durable.meta.txid {
        return Ok(());
    }
    writer.refuse_poisoned()?;
    let current = Arc::clone(&writer.current);
    make_durable(writer, &current)
}

/// The same for who asks by name: the option `no_sync` spares commits their syncs, not this one.
pub(crate) fn sync_for_certain(writer: &mut Writer) -> Result<()> {
    sync_current(writer)?;
    if !writer.rules.no_sync {
        return Ok(());
    }
    let synced = writer.pager.sync_all();
    synced.map_err(|failure| writer.stop(failure))
}

/// Stores the list of free pages, if the durable version does not.
pub(crate) fn store_freelist(writer: &mut Writer) -> Result<()> {
    if writer.durable.meta.freelist != NO_FREELIST {
        return Ok(());
    }
    writer.prepare()?;
    persist_base(writer)?;
    let (txid, meta) = (writer.next_txid(), writer.current.meta);
    let mut unchanged = Buckets::new(meta.root, meta.root_sequence);
    let version = write_version(writer, &mut unchanged, txid, FreelistStorage::Always)?;
    make_durable(writer, &version)?;
    writer.accept(version);
    Ok(())
}

/// Step 1. The slot holds these very bytes or older ones, so tearing it cannot lose anything.
fn persist_base(writer: &mut Writer) -> Result<()> {
    if writer.meta_persisted || writer.rules.no_sync {
        return Ok(());
    }
    writer.refuse_poisoned()?;
    let meta = writer.durable.meta;
    write_meta(writer, writer.durable_slot, &meta)?;
    sync_length(writer)?;
    // The file's name too: whoever made it may have died before syncing the directory.
    let lease = Arc::clone(&writer.current.lease);
    sync_parent(&*lease.disk, &lease.path).map_err(|failure| writer.stop(failure))?;
    writer.meta_persisted = true;
    Ok(())
}

/// Steps 2 and 3, but for the sync of the pages.
fn write_version(
    writer: &mut Writer,
    buckets: &mut Buckets,
    txid: TxId,
    storage: FreelistStorage,
) -> Result<Arc<Version>> {
    let base = Arc::clone(&writer.current);
    let counters = Arc::clone(&base.counters);
    let settling = Instant::now();
    clean(writer, buckets);
    let needed = buckets.settle(&base.pages).map_err(from_tree)?;
    counters.add_time(&counters.settle_ns, settling.elapsed());
    let writing = Instant::now();
    let mut set = WriteSet::new(writer, sync_length);
    let written = stage(&mut set, buckets, &base, txid, needed, storage).and_then(|meta| {
        set.flush()?;
        let pages = set.writer.pager.view(meta.high_water).map_err(from_pager)?;
        let lease = Arc::clone(&base.lease);
        Ok(Arc::new(Version::new(
            meta,
            pages,
            Arc::clone(&counters),
            lease,
        )))
    });
    let checked = written.and_then(|version| {
        if set.writer.rules.strict {
            crate::check::expect_clean(&version, &set.extents_free_after_restart())?;
        }
        Ok(version)
    });
    counters.add_time(&counters.write_ns, writing.elapsed());
    match checked {
        Ok(version) => {
            set.keep(txid);
            Ok(version)
        }
        Err(error) => {
            let first = set.undo();
            Err(first.unwrap_or(error))
        }
    }
}

/// Hands every changed page to the set and answers the meta that will name them.
fn stage(
    set: &mut WriteSet<'_>,
    buckets: &mut Buckets,
    base: &Version,
    txid: TxId,
    mut needed: PagesNeeded,
    storage: FreelistStorage,
) -> Result<Meta> {
    // A small commit gets one more, so that the list of free pages is a neighbour, too. It comes
    // from free pages and goes back to them if unused; a large one may have grown the file for it.
    let stores = matches!(
        storage,
        FreelistStorage::Always | FreelistStorage::WhileSmall
    );
    if stores && needed.total() + 1 < LARGE_COMMIT_PAGES {
        needed.add(Tier::Upper, 1);
    }
    set.expect_pages(needed);
    let root = buckets.write(&base.pages, set).map_err(from_tree)?;
    let root_sequence = buckets.sequence(Buckets::TOP).map_err(from_tree)?;
    if base.meta.freelist != NO_FREELIST {
        let old = base.pages.page(base.meta.freelist).map_err(from_pager)?;
        set.free(old.id, old.run_pages()).map_err(from_pager)?;
    }
    set.give_back_end();
    let freelist = stage_freelist(set, storage).map_err(from_pager)?;
    Ok(Meta {
        root,
        root_sequence,
        freelist,
        high_water: set.high_water,
        txid,
        ..base.meta
    })
}

/// Writes the list of free pages where the rules ask for it.
fn stage_freelist(set: &mut WriteSet<'_>, storage: FreelistStorage) -> pager::Result<PageId> {
    let page_bytes = set.writer.pager.page_bytes() as u64;
    let count_before = set.free_after_restart();
    let bytes = freelist_bytes(count_before);
    let store = match storage {
        FreelistStorage::Always => true,
        FreelistStorage::Deferred | FreelistStorage::Never => false,
        FreelistStorage::WhileSmall => bytes <= page_bytes,
    };
    let counters = &set.writer.current.counters;
    counters.set(&counters.freelist_bytes, bytes);
    counters.set(&counters.free_pages, set.writer.free.pages());
    counters.set(
        &counters.pending_pages,
        count_before - set.writer.free.pages(),
    );
    if !store {
        return Ok(NO_FREELIST);
    }
    // Taking pages for the list can only shorten it, so it fits what it was given.
    let pages = bytes.div_ceil(page_bytes);
    let id = set.allocate(Tier::Upper, pages)?;
    let mut runs: Vec<(PageId, u64)> = set.runs_free_after_restart().collect();
    runs.sort_unstable();
    let count = runs.iter().map(|(_, pages)| pages).sum();
    let ids = runs
        .iter()
        .flat_map(|(start, pages)| start.0..start.0 + pages);
    let overflow = u32::try_from(pages - 1)
        .map_err(|_| pager::Error::page(id, "a freelist longer than 2^32 pages"))?;
    FreelistImage::write(set.image(id, pages, &[])?, id, overflow, count, ids);
    Ok(id)
}

/// Steps 3 to 5: `version`'s pages have been written, its meta has not.
fn make_durable(writer: &mut Writer, version: &Arc<Version>) -> Result<()> {
    if writer.length_unsynced {
        sync_length(writer)?;
    } else {
        sync_data(writer)?;
    }
    let slot = Slot::of(version.meta.txid);
    if slot == writer.durable_slot {
        vacate(writer, slot)?;
    }
    write_meta_durably(writer, slot, &version.meta).map_err(|cause| Error::InDoubt {
        txid: version.meta.txid.0,
        cause: Arc::new(cause),
    })?;
    writer.durable = Arc::clone(version);
    writer.durable_slot = slot;
    Ok(())
}

/// Makes the durable meta stand in the other slot too, so that `slot` may be written. Needed only
/// where a sync came between a transaction's beginning, when it took its number, and its commit.
fn vacate(writer: &mut Writer, slot: Slot) -> Result<()> {
    let (other, meta) = (slot.other(), writer.durable.meta);
    write_meta_durably(writer, other, &meta)?;
    writer.durable_slot = other;
    Ok(())
}

/// A write and its sync in one: nothing but the meta is waiting for a sync by now.
fn write_meta_durably(writer: &mut Writer, slot: Slot, meta: &Meta) -> Result<()> {
    if writer.rules.no_sync {
        return write_meta(writer, slot, meta);
    }
    let began = Instant::now();
    let written = writer.pager.write_meta_durably(slot, meta);
    let counters = &writer.current.counters;
    counters.add(&counters.writes, 1);
    counters.add(&counters.bytes_written, META_WRITE_BYTES as u64);
    counters.add(&counters.syncs, 1);
    counters.add_time(&counters.sync_ns, began.elapsed());
    written.map_err(|failure| writer.stop(failure))
}

fn write_meta(writer: &mut Writer, slot: Slot, meta: &Meta) -> Result<()> {
    let counters = &writer.current.counters;
    counters.add(&counters.writes, 1);
    counters.add(&counters.bytes_written, META_WRITE_BYTES as u64);
    let written = writer.pager.write_meta(slot, meta);
    // Whatever the reason, even a full disk: part of it may be on its way.
    written.map_err(|failure| writer.stop(failure))
}

/// Makes the file's new length durable, and whatever was written before.
fn sync_length(writer: &mut Writer) -> Result<()> {
    sync(writer, Pager::sync_all)?;
    writer.length_unsynced = false;
    Ok(())
}

fn sync_data(writer: &mut Writer) -> Result<()> {
    sync(writer, Pager::sync_data)
}

/// A failed sync is final, whatever its reason: the system may have marked the lost pages clean,
/// so that a second sync would succeed without writing them.
fn sync(writer: &mut Writer, how: fn(&Pager) -> pager::Result<()>) -> Result<()> {
    if writer.rules.no_sync {
        return Ok(());
    }
    let began = Instant::now();
    let synced = how(&writer.pager);
    let counters = &writer.current.counters;
    counters.add(&counters.syncs, 1);
    counters.add_time(&counters.sync_ns, began.elapsed());
    synced.map_err(|failure| writer.stop(failure))
}
