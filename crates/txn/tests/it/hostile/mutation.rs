//! Damage that knows the format: every field a reader relies on, set to what hurts most.

use pager::{Meta, PageId, TxId};

use super::choices::Choices;

const HEADER: usize = 16;
const ELEMENT: usize = 16;

struct Target<'f, 'c, 'b> {
    file: &'f mut Vec<u8>,
    choices: &'c mut Choices<'b>,
    page_bytes: usize,
}

/// Damages a sound file in up to four places; without choices, in none.
pub fn mutate(file: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let page_bytes = u32_at(file, 24).max(1024) as usize;
    let mut target = Target {
        file,
        choices,
        page_bytes,
    };
    for _ in 0..=target.choices.below(4) {
        if target.choices.is_done() {
            return;
        }
        target.damage();
    }
}

fn u32_at(file: &[u8], at: usize) -> u32 {
    file.get(at..at + 4)
        .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
}

impl Target<'_, '_, '_> {
    fn damage(&mut self) {
        match self.choices.below(16) {
            0 => self.header_id(),
            1 => self.header_flags(),
            2 => self.header_count(),
            3 => self.header_overflow(),
            4..=6 => self.element(),
            7 => self.bucket_root(),
            8 => self.bucket_flag(),
            9 | 10 => self.meta(),
            11 => self.length(),
            12 => self.exchange_pages(),
            13 => self.exchange_elements(),
            14 => self.freelist_word(),
            _ => self.garbage(),
        }
    }

    fn pages(&self) -> usize {
        self.file.len() / self.page_bytes
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        if let Some(target) = self.file.get_mut(at..at + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    }

    /// The offset of a page that is no meta.
    fn page(&mut self) -> usize {
        let pages = self.pages().saturating_sub(2);
        (2 + self.choices.below(pages)) * self.page_bytes
    }

    fn page_id(&mut self) -> u64 {
        let pages = self.pages();
        match self.choices.below(10) {
            0 => 0,
            1 => 1,
            2 => (pages as u64).saturating_sub(1),
            3 => pages as u64,
            4 => u64::MAX - self.choices.number(1) % 3,
            _ => self.choices.below(pages) as u64,
        }
    }

    fn length_word(&mut self) -> u32 {
        let page_bytes = self.page_bytes as u32;
        match self.choices.below(8) {
            0 => 0,
            1 => self.choices.pick(&[1, 15, 16, 17, 32]),
            2 => page_bytes - self.choices.number(1) as u32,
            3 => self
                .choices
                .pick(&[u32::MAX, i32::MAX as u32, u32::MAX - 15, 1 << 31]),
            4 => self.choices.number(2) as u32,
            5 => self.file.len() as u32,
            _ => self.choices.number(1) as u32,
        }
    }

    fn header_id(&mut self) {
        let at = self.page();
        let id = self.page_id();
        self.set(at, &id.to_le_bytes());
    }

    fn header_flags(&mut self) {
        let at = self.page() + 8;
        let random = self.choices.number(2) as u16;
        let flags = self.choices.pick(&[1, 2, 4, 0x10, 3, 0, random]);
        self.set(at, &flags.to_le_bytes());
    }

    fn header_count(&mut self) {
        let at = self.page() + 10;
        let fits = ((self.page_bytes - HEADER) / ELEMENT) as u16;
        let random = self.choices.number(1) as u16;
        let count = self
            .choices
            .pick(&[0, 1, 2, random, fits, fits + 1, 0xFFFE, 0xFFFF]);
        self.set(at, &count.to_le_bytes());
    }

    fn header_overflow(&mut self) {
        let at = self.page();
        let rest = self.pages().saturating_sub(at / self.page_bytes) as u32;
        let small = self.choices.number(1) as u32 % 8;
        let all = [
            0,
            1,
            small,
            rest.saturating_sub(1),
            rest,
            u32::MAX,
            u32::MAX - 1,
        ];
        let overflow = self.choices.pick(&all);
        self.set(at + 12, &overflow.to_le_bytes());
    }

    /// The offset of an element of a page, by that page's own count.
    fn element_at(&mut self) -> usize {
        let page = self.page();
        let count = (u32_at(self.file, page + 8) >> 16) as usize;
        page + HEADER + self.choices.below(count.min(1000)) * ELEMENT
    }

    fn element(&mut self) {
        let at = self.element_at();
        match self.choices.below(6) {
            0 => {
                let id = self.page_id();
                self.set(at + 8, &id.to_le_bytes());
            }
            1 => {
                // All bytes of the page from some place on, which every neighbour may share.
                let position = self.choices.number(1) as u32;
                self.set(at + 4, &position.to_le_bytes());
                let long = self.page_bytes as u32 - 200;
                self.set(at + 12, &long.to_le_bytes());
            }
            field => {
                let word = self.length_word();
                self.set(at + 4 * (field - 2), &word.to_le_bytes());
            }
        }
    }

    /// An element that says it is a bucket, or the first of a page if none does.
    fn bucket_element(&mut self) -> usize {
        let start = self.page();
        let all = self.file.len() / ELEMENT;
        let from = start / ELEMENT + 1;
        let is_bucket = |slot: &usize| {
            let at = slot * ELEMENT;
            u32_at(self.file, at) == 1 && (u32_at(self.file, at + 12) as usize) < self.page_bytes
        };
        (from..all).find(is_bucket).unwrap_or(from) * ELEMENT
    }

    fn bucket_root(&mut self) {
        let at = self.bucket_element();
        let value = at + (u32_at(self.file, at + 4) as usize) + u32_at(self.file, at + 8) as usize;
        let root = self.page_id();
        self.set(value, &root.to_le_bytes());
    }

    fn bucket_flag(&mut self) {
        let at = self.element_at();
        let flags = self.choices.pick(&[1_u32, 0, 2, 3, u32::MAX]);
        self.set(at, &flags.to_le_bytes());
    }

    fn meta(&mut self) {
        let at = self.choices.below(2) * self.page_bytes;
        let record = self.file.get(at + HEADER..).unwrap_or_default();
        let Ok(mut meta) = Meta::decode(record) else {
            return self.garbage();
        };
        match self.choices.below(7) {
            0 => {
                let random = self.choices.number(4) as u32;
                let half = self.page_bytes as u32 / 2;
                let sizes = [
                    0,
                    1,
                    80,
                    1024,
                    1025,
                    half,
                    4 * half,
                    16 << 20,
                    u32::MAX,
                    random,
                ];
                meta.page_bytes = self.choices.pick(&sizes);
            }
            1 => meta.root = PageId(self.page_id()),
            2 => meta.freelist = PageId(self.page_id()),
            3 => meta.high_water = PageId(self.page_id()),
            4 => meta.txid = TxId(u64::MAX - self.choices.number(1) % 4),
            5 => meta.txid = TxId(self.choices.number(1)),
            _ => meta.freelist = meta.root,
        }
        self.set(at + HEADER, &meta.encode());
    }

    fn length(&mut self) {
        let len = match self.choices.below(3) {
            0 => self.choices.below(self.file.len()),
            1 => self.choices.below(self.pages()) * self.page_bytes,
            _ => self.file.len() + self.choices.number(2) as usize,
        };
        self.file.resize(len.max(1), 0);
    }

    fn exchange_pages(&mut self) {
        let (a, b) = (self.page(), self.page());
        if a == b || a.max(b) + self.page_bytes > self.file.len() {
            return;
        }
        let copy = self.file[a..a + self.page_bytes].to_vec();
        if self.choices.below(2) == 0 {
            let other = self.file[b..b + self.page_bytes].to_vec();
            self.set(a, &other);
        }
        self.set(b, &copy);
        if self.choices.below(4) > 0 {
            for at in [a, b] {
                let id = (at / self.page_bytes) as u64;
                self.set(at, &id.to_le_bytes());
            }
        }
    }

    fn exchange_elements(&mut self) {
        let a = self.element_at();
        let b = a + ELEMENT * self.choices.below(4);
        let Some(pair) = self.file.get(a..b + ELEMENT).map(<[u8]>::to_vec) else {
            return;
        };
        self.set(b, &pair[..ELEMENT]);
        self.set(a, &pair[pair.len() - ELEMENT..]);
    }

    /// A word where the freelist's ids would be, whatever page it is.
    fn freelist_word(&mut self) {
        let at = self.page() + HEADER + 8 * self.choices.below(8);
        let id = self.page_id();
        self.set(at, &id.to_le_bytes());
    }

    fn garbage(&mut self) {
        let at = self.choices.below(self.file.len());
        if self.choices.below(2) == 0 {
            let bit = 1 << self.choices.below(8);
            self.file[at] ^= bit;
            return;
        }
        for offset in 0..self.choices.below(64) {
            let byte = self.choices.byte();
            self.set(at + offset, &[byte]);
        }
    }
}
