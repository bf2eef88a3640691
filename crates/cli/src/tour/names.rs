//! Every character of Unicode that has an official name.

/// A character with its name.
#[derive(Clone, Debug)]
pub struct Named {
    pub character: char,
    pub name: String,
}

impl Named {
    /// The code point as people write it, with as many digits for each, so that keys sort as
    /// characters do.
    pub fn code_point(&self) -> String {
        format!("U+{:06X}", u32::from(self.character))
    }

    /// The bucket of the plane it lies on, one of seventeen.
    pub fn plane(&self) -> String {
        format!("plane {:02}", u32::from(self.character) >> 16)
    }
}

/// Named characters in the order of their code points.
pub struct Names(Vec<Named>);

impl Names {
    /// All of them, or the first `limit`.
    pub fn of_unicode(limit: usize) -> Names {
        let named = ('\0'..=char::MAX).filter_map(|character| {
            let name = unicode_names2::name(character)?.to_string();
            Some(Named { character, name })
        });
        Names(named.take(limit).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(|named| named.name.len()).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Named> {
        self.0.iter()
    }

    /// So many of them, in an order that looks like none and is the same each time.
    pub fn scattered(&self, count: usize) -> impl Iterator<Item = &Named> {
        let len = self.0.len().max(1);
        // A stride without a common factor visits every place before any twice.
        let stride = (len * 5 / 8).max(1) | 1;
        (0..count).filter_map(move |index| self.0.get(index.wrapping_mul(stride) % len))
    }
}
