//! A snapshot's stream led into a store.

use kv_api::{Error, Result};

use crate::snapshot_stream::{Restore, SnapshotStream, StreamReport};

/// Replaces everything `to` holds by what `from` holds, commit indexes included, as
/// [`Restore`] does. Both must be of one engine. `report` is told how far it is and answers
/// whether to go on.
///
/// # Errors
///
/// Those of writing the stream, else those of restoring it: then `to` is what it was.
pub fn transfer(
    from: &dyn SnapshotStream,
    to: &dyn Restore,
    report: StreamReport<'_>,
) -> Result<()> {
    let (mut reader, mut writer) =
        std::io::pipe().map_err(|error| Error::io("making a pipe", error))?;
    let (written, restored) = std::thread::scope(|scope| {
        let writing = scope.spawn(move || from.write_stream(&mut writer, &mut |_| true));
        let restored = to.restore_stream(&mut reader, report);
        // Whoever writes to a pipe that nobody reads is told so.
        drop(reader);
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (written, restored)
    });
    match written {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            restored
        }
        // The reason why the stream was cut.
        Err(error) => Err(error),
        Ok(_) => restored,
    }
}
