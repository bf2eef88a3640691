//! How long the mapping and the file must be for so many pages.

use crate::{Error, PageId, Result};

/// The file grows by this much at a time once it is larger than this.
pub const ALLOCATION_STEP_BYTES: u64 = 16 << 20;

const MAP_BYTES_FIRST: u64 = 32 << 10;
const MAP_STEP_BYTES: u64 = 1 << 30;

/// The longest mapping: 256 TiB, or 2 GiB where addresses have 32 bits.
pub const MAP_BYTES_MAX: u64 = if cfg!(target_pointer_width = "64") {
    256 << 40
} else {
    (2 << 30) - 1
};

/// The rules by which mapping and file grow.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Bytes per page.
    pub page_bytes: u64,
    /// Bytes the file grows by once it is larger than this.
    pub step_bytes: u64,
    /// The longest the file may become; `None` for no limit but the mapping's.
    pub file_bytes_max: Option<u64>,
}

impl Growth {
    /// The mapping for a file of `bytes`: 32 KiB, doubling up to 1 GiB, then by whole GiB.
    pub fn map_bytes(&self, bytes: u64) -> Result<u64> {
        let limit = Error::Limit {
            what: "mapping limit",
            bytes_max: MAP_BYTES_MAX,
        };
        if bytes > MAP_BYTES_MAX {
            return Err(limit);
        }
        if bytes <= MAP_STEP_BYTES {
            return Ok(bytes.max(MAP_BYTES_FIRST).next_power_of_two());
        }
        let whole = bytes.div_ceil(MAP_STEP_BYTES) * MAP_STEP_BYTES;
        Ok((whole.div_ceil(self.page_bytes) * self.page_bytes).min(MAP_BYTES_MAX))
    }

    /// The file for pages below `high_water`, given its present length and the mapping's.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if the pages do not fit below `file_bytes_max`.
    pub fn file_bytes(&self, high_water: PageId, present: u64, map_bytes: u64) -> Result<u64> {
        let needed = high_water.0.saturating_mul(self.page_bytes);
        if needed > MAP_BYTES_MAX {
            return Err(Error::Limit {
                what: "mapping limit",
                bytes_max: MAP_BYTES_MAX,
            });
        }
        let limit = self.file_bytes_max.unwrap_or(u64::MAX);
        if needed > limit && needed > present {
            return Err(Error::Limit {
                what: "database size limit",
                bytes_max: limit,
            });
        }
        let wanted = needed + self.page_bytes;
        if wanted <= present {
            return Ok(present);
        }
        let grown = if map_bytes <= self.step_bytes {
            map_bytes
        } else {
            wanted + self.step_bytes
        };
        Ok(grown.min(limit).max(needed).max(present))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Growth = Growth {
        page_bytes: 4096,
        step_bytes: ALLOCATION_STEP_BYTES,
        file_bytes_max: None,
    };

    #[test]
    fn the_mapping_doubles_to_a_gibibyte_and_then_adds_one() -> Result<()> {
        assert_eq!(RULES.map_bytes(0)?, 32 << 10);
        assert_eq!(RULES.map_bytes((32 << 10) + 1)?, 64 << 10);
        assert_eq!(RULES.map_bytes(1 << 30)?, 1 << 30);
        assert_eq!(RULES.map_bytes((1 << 30) + 1)?, 2 << 30);
        assert_eq!(RULES.map_bytes((3 << 30) + 1)?, 4 << 30);
        assert!(RULES.map_bytes(MAP_BYTES_MAX + 1).is_err());
        Ok(())
    }

    #[test]
    fn the_file_follows_the_mapping_and_then_grows_by_steps() -> Result<()> {
        assert_eq!(RULES.file_bytes(PageId(6), 16 << 10, 32 << 10)?, 32 << 10);
        assert_eq!(RULES.file_bytes(PageId(6), 32 << 10, 32 << 10)?, 32 << 10);
        let pages = (20 << 20) / 4096;
        let grown = RULES.file_bytes(PageId(pages), 16 << 20, 32 << 20)?;
        assert_eq!(grown, (20 << 20) + 4096 + (16 << 20));
        Ok(())
    }

    #[test]
    fn a_size_limit_can_be_filled_to_the_last_page() -> Result<()> {
        let rules = Growth {
            file_bytes_max: Some(40 << 20),
            ..RULES
        };
        assert_eq!(
            rules.file_bytes(PageId(10 << 8), 9 << 20, 64 << 20)?,
            (10 << 20) + 4096 + (16 << 20)
        );
        assert_eq!(
            rules.file_bytes(PageId(40 << 8), 36 << 20, 64 << 20)?,
            40 << 20
        );
        assert!(
            rules
                .file_bytes(PageId((40 << 8) + 1), 40 << 20, 64 << 20)
                .is_err()
        );
        Ok(())
    }
}
