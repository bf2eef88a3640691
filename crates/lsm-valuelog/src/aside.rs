//! What recovery cuts off is kept aside, in files that nothing reads again, for whoever wants to
//! know what was lost: `NNNNNN.wal.torn`, `NNNNNN.vlog.torn` and `MANIFEST.torn`.

use disk::{Create, OpenOptions, read_up_to_at, write_all_at};

use crate::table::reader::Reading;
use crate::wire::to_usize;

/// What the names of such files end with.
pub(crate) const SUFFIX: &str = ".torn";

/// The most bytes of one file that are kept.
const KEPT_BYTES_MAX: u64 = 1 << 20;

/// Keeps the bytes of the file `name` from `from` to `to`, and answers the name they have now.
/// Where that fails they are lost, which is told: what was cut was promised to nobody.
pub(crate) fn keep(reading: &Reading, name: &str, from: u64, to: u64) -> Option<String> {
    let aside = format!("{name}{SUFFIX}");
    let kept = copy(reading, name, &aside, (from, to.min(from + KEPT_BYTES_MAX)));
    match kept {
        Ok(true) => {
            tracing::warn!(name, from, to, %aside, "a torn tail was cut off and kept aside");
            Some(aside)
        }
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(name, from, to, %error, "a torn tail could not be kept aside");
            None
        }
    }
}

/// Copies bytes and makes them durable; answers whether there were any.
fn copy(
    reading: &Reading,
    name: &str,
    aside: &str,
    (from, to): (u64, u64),
) -> std::io::Result<bool> {
    let directory = &reading.directory;
    let file = reading
        .disk
        .open(&directory.join(name), &OpenOptions::READ)?;
    let mut bytes = vec![0; to_usize(to.saturating_sub(from))];
    let read = read_up_to_at(&*file, &mut bytes, from)?;
    bytes.truncate(read);
    if bytes.is_empty() {
        return Ok(false);
    }
    let options = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    let kept = reading.disk.open(&directory.join(aside), &options)?;
    kept.set_len(0)?;
    write_all_at(&*kept, &bytes, 0)?;
    kept.sync_all()?;
    reading.disk.sync_directory(directory)?;
    Ok(true)
}
