//! Numbers, keys and values that every peer draws alike from the same seed.

/// splitmix64: tiny, and equal in every language.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// So many bytes, each number little-endian, the last one cut off.
    pub fn fill(&mut self, bytes: u64) -> Vec<u8> {
        let numbers = (0..bytes.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        let mut filled: Vec<u8> = numbers.collect();
        filled.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        filled
    }

    /// One of 2,000 keys: most short and counted, some of random bytes, a few long.
    pub fn key(&mut self) -> Vec<u8> {
        let id = self.below(2000);
        if id < 1500 {
            return format!("key-{id:05}").into_bytes();
        }
        let mut own = Random::new(id);
        let longest = if id < 1950 { 60 } else { 600 };
        let bytes = 1 + own.below(longest);
        own.fill(bytes)
    }

    /// 0 to 20,000 bytes, most of them few.
    pub fn value(&mut self) -> Vec<u8> {
        let (class, drawn) = (self.below(100), self.next());
        let mut own = Random::new(self.next());
        match class {
            0..5 => Vec::new(),
            5..70 => own.fill(drawn % 64),
            70..92 => own.fill(drawn % 1000),
            92..98 => own.fill(drawn % 4096),
            _ => own.fill(drawn % 20_001),
        }
    }

    /// The names of one to three nested buckets. All three are drawn, however many are used.
    pub fn path(&mut self) -> Vec<Vec<u8>> {
        let depth = 1 + self.below(3);
        let mut path: Vec<Vec<u8>> = (0..3)
            .map(|level| {
                let index = self.below(4) & self.below(4);
                let tail = if index == 3 {
                    "x".repeat(150)
                } else {
                    String::new()
                };
                format!("bucket-{level}-{index}{tail}").into_bytes()
            })
            .collect();
        path.truncate(usize::try_from(depth).unwrap_or(0));
        path
    }
}
