//! Rates and memory of the value index over a million made-up values.
//!
//! `search_rates [VALUES] [DIRECTORY]`; with a directory, values and queries are also written
//! there, one a line, for another engine to be measured with.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a program for people"
)]

use std::fs;
use std::time::Instant;

use flatlog::search::{KeyId, SearchIndex, Side};

const VOCABULARY: usize = 100_000;
const WORDS_PER_VALUE: usize = 10;
const QUERIES: usize = 300;

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 53) as f64
    }
}

fn vocabulary(chance: &mut Chance) -> Vec<String> {
    const SYLLABLES: [&str; 40] = [
        "ba", "be", "bi", "co", "cra", "da", "den", "do", "er", "es", "fa", "fi", "gen", "go",
        "ha", "in", "ka", "ki", "la", "lem", "li", "ma", "mi", "na", "no", "on", "or", "pa", "per",
        "ra", "re", "sa", "sto", "ta", "ti", "tu", "un", "va", "wi", "zo",
    ];
    let mut words = std::collections::BTreeSet::new();
    while words.len() < VOCABULARY {
        let syllables = 2 + chance.below(4);
        words.insert(
            (0..syllables)
                .map(|_| SYLLABLES[chance.below(40)])
                .collect::<String>(),
        );
    }
    let mut words: Vec<_> = words.into_iter().collect();
    for place in (1..words.len()).rev() {
        words.swap(place, chance.below(place + 1));
    }
    words
}

/// Ranks with a frequency of about one over the rank.
fn rank(chance: &mut Chance) -> usize {
    ((VOCABULARY as f64).powf(chance.unit()) as usize).min(VOCABULARY) - 1
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().unwrap());
    let directory = arguments.next();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let words = vocabulary(&mut chance);
    let values: Vec<String> = (0..count)
        .map(|_| {
            let picked: Vec<_> = (0..WORDS_PER_VALUE)
                .map(|_| words[rank(&mut chance)].as_str())
                .collect();
            picked.join(" ")
        })
        .collect();
    let mut queries: Vec<(Side, String)> = Vec::new();
    for _ in 0..QUERIES {
        let word = &words[rank(&mut chance)];
        queries.push((Side::Whole, word.clone()));
        let word = &words[rank(&mut chance)];
        queries.push((Side::Beginning, word[..word.len().min(5)].into()));
        let word = &words[rank(&mut chance)];
        let from = 1.min(word.len() - 3);
        queries.push((Side::Inside, word[from..word.len().min(from + 5)].into()));
    }
    if let Some(directory) = directory {
        fs::write(format!("{directory}/values"), values.join("\n")).unwrap();
        for (side, name) in [
            (Side::Whole, "token"),
            (Side::Beginning, "prefix"),
            (Side::Inside, "inside"),
        ] {
            let of_side: Vec<_> = queries
                .iter()
                .filter(|query| query.0 == side)
                .map(|query| query.1.as_str())
                .collect();
            fs::write(format!("{directory}/{name}"), of_side.join("\n")).unwrap();
        }
    }
    let begun = Instant::now();
    let index = SearchIndex::new();
    for (number, value) in values.iter().enumerate() {
        index.insert(KeyId(number as u32), value.as_bytes(), 1);
    }
    let took = begun.elapsed();
    println!(
        "indexing: {:.0} values/s",
        count as f64 / took.as_secs_f64()
    );
    let memory = index.memory_bytes();
    println!(
        "{} tokens, {memory:?}, {:.1} B/value",
        index.tokens(),
        memory.total() as f64 / count as f64
    );
    let begun = Instant::now();
    let mut bytes = Vec::new();
    index.write_to(&mut bytes).unwrap();
    println!("stored: {} B in {:?}", bytes.len(), begun.elapsed());
    let begun = Instant::now();
    SearchIndex::read_from(&bytes).unwrap();
    println!("read back in {:?}", begun.elapsed());
    for side in [Side::Whole, Side::Beginning, Side::End, Side::Inside] {
        let asked = if side == Side::End {
            Side::Inside
        } else {
            side
        };
        let begun = Instant::now();
        let (mut sum, mut found, mut tokens) = (0u64, 0, 0);
        for (_, part) in queries.iter().filter(|query| query.0 == asked) {
            let result = index.find(part.as_bytes(), side, u64::MAX).unwrap();
            found += result.ids.len();
            tokens += result.tokens;
            sum += result.ids.iter().map(u64::from).sum::<u64>();
        }
        let rate = QUERIES as f64 / begun.elapsed().as_secs_f64();
        println!("{side:?}: {rate:.0} queries/s, {found} ids (sum {sum}) by {tokens} tokens");
    }
    let begun = Instant::now();
    for (number, value) in values.iter().enumerate().take(100_000) {
        let new = &values[(number * 7 + 1) % count];
        index.replace(KeyId(number as u32), value.as_bytes(), new.as_bytes(), 2);
    }
    println!(
        "replacing: {:.0} values/s",
        100_000.0 / begun.elapsed().as_secs_f64()
    );
    let begun = Instant::now();
    let changed = index.changed_after(1).len();
    println!("changed after: {changed} ids in {:?}", begun.elapsed());
}
