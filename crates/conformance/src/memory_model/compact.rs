//! Putting the model in order: it is.

use kv_api::Result;
use kv_api::capability::Compact;

use super::MemoryModel;

impl Compact for MemoryModel {
    fn compact(&self) -> Result<()> {
        self.check_open()
    }
}
