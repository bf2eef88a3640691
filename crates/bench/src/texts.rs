//! Texts to search in, and what to ask for: computed, the same for every engine.
//!
//! A text is a level and ten words, drawn from a vocabulary of 100,000 with a frequency of about
//! one over the rank, as in natural text. Words are letters only, made of syllables of which the
//! levels are not made.

use std::collections::BTreeSet;

use crate::engine::Asked;
use crate::random::{Random, mixed};

const WORDS: usize = 100_000;
const WORDS_EACH: usize = 10;
const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];
const SYLLABLES: [&str; 40] = [
    "bo", "bal", "ce", "cor", "da", "dul", "fe", "fan", "ga", "gem", "hi", "hol", "ja", "ke",
    "kon", "la", "lim", "mo", "mer", "na", "nis", "o", "pa", "pel", "qua", "ri", "ros", "sa",
    "sem", "ta", "tul", "u", "va", "ven", "we", "xi", "yar", "yo", "ze", "zin",
];

/// The longest part of a word that is asked for.
const PART_BYTES: usize = 5;

/// Makes texts and questions.
pub struct Vocabulary {
    /// By rank, the most frequent first.
    words: Vec<String>,
}

impl Vocabulary {
    /// The one vocabulary.
    pub fn new() -> Vocabulary {
        let mut random = Random::new(9000);
        let mut words = BTreeSet::new();
        while words.len() < WORDS {
            let syllables = 2 + random.below(4);
            let word: String = (0..syllables)
                .map(|_| pick(&SYLLABLES, &mut random))
                .collect();
            // A question is for at least three letters: a trigram finds no fewer.
            if word.len() >= PART_BYTES {
                words.insert(word);
            }
        }
        let mut words: Vec<String> = words.into_iter().collect();
        words.sort_by_cached_key(|word| {
            word.bytes()
                .fold(9001, |state, byte| mixed(state, byte.into()))
        });
        Vocabulary { words }
    }

    /// The text numbered `number`.
    pub fn text(&self, number: u64) -> String {
        let mut random = Random::new(mixed(9002, number));
        let mut text = pick(&LEVELS, &mut random).to_owned();
        for _ in 0..WORDS_EACH {
            text.push(' ');
            text.push_str(self.word(&mut random));
        }
        text
    }

    /// `count` questions, words asked for as often as they stand in texts.
    pub fn questions(&self, asked: Asked, count: usize) -> Vec<String> {
        let mut random = Random::new(9010 + asked as u64);
        let question = |_| {
            let word = self.word(&mut random);
            let part = match asked {
                Asked::Token => Some(word),
                Asked::Prefix => word.get(..PART_BYTES),
                Asked::Inside => word.get(1..PART_BYTES),
            };
            part.unwrap_or(word).to_owned()
        };
        (0..count).map(question).collect()
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank below the number of words"
    )]
    fn word(&self, random: &mut Random) -> &str {
        let rank = (self.words.len() as f64).powf(random.share()) as usize;
        self.words
            .get(rank.saturating_sub(1))
            .map_or("", String::as_str)
    }
}

fn pick<'t>(among: &[&'t str], random: &mut Random) -> &'t str {
    let place = usize::try_from(random.below(among.len() as u64)).unwrap_or(0);
    among.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_some_of_many_texts_and_not_in_all() {
        let vocabulary = Vocabulary::new();
        let texts: Vec<String> = (0..2000).map(|number| vocabulary.text(number)).collect();
        for asked in [Asked::Token, Asked::Prefix, Asked::Inside] {
            let matches = |part: &String| {
                let fits = |text: &&String| match asked {
                    Asked::Token => text.split(' ').any(|word| word == part),
                    Asked::Prefix => text.split(' ').any(|word| word.starts_with(part.as_str())),
                    Asked::Inside => text.contains(part.as_str()),
                };
                texts.iter().filter(fits).count()
            };
            let counts: Vec<usize> = vocabulary
                .questions(asked, 50)
                .iter()
                .map(matches)
                .collect();
            assert!(
                counts.iter().any(|count| *count > 0),
                "{asked:?} {counts:?}"
            );
            assert!(
                counts.iter().all(|count| *count < 2000),
                "{asked:?} {counts:?}"
            );
        }
    }

    #[test]
    fn no_level_begins_with_a_part_that_is_asked_for() {
        let vocabulary = Vocabulary::new();
        for part in vocabulary.questions(Asked::Prefix, 1000) {
            assert!(
                LEVELS.iter().all(|level| !level.starts_with(&part)),
                "{part}"
            );
        }
    }
}
