//! Where collection has moved values: a table at the end of a file that collection made.

use kv_api::Result;

use crate::id::FileId;
use crate::table::table::Reading;
use crate::version::ValueFileState;

/// Old and new places of values, by old place.
pub(crate) type Moves = Box<[(u64, u64)]>;

/// The moves of the file behind `id`; none if collection did not make it.
pub(crate) fn read(_reading: &Reading, _id: FileId, _state: &ValueFileState) -> Result<Moves> {
    Ok(Box::default())
}
