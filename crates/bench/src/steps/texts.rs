//! S1 to S4: search in values; and how the time of a search moves as texts become more.

use crate::engine::{Asked, Indexing, Result, Texts};
use crate::figure::Figure;
use crate::measure::{Caps, EACH, Measured, measure_alone};
use crate::steps::Chain;
use crate::steps::commits::TO_THE_END;
use crate::steps::growth::Growing;
use crate::texts::Vocabulary;

/// Texts of one transaction.
const TEXTS_EACH: u64 = 10_000;

/// Questions of each kind. Whole passes over all of them are made, so that the mix is the same
/// for a slow engine and a fast one.
const QUESTIONS: usize = 60;

/// Rows of an answer where only the first ones are wanted.
const FIRST_ROWS: u64 = 10;

impl Chain {
    /// Makes the index, or one for each kind of question, and asks.
    pub(super) fn texts(&mut self) -> Result<()> {
        let Some(kind) = &self.plan.kind.texts else {
            return self.without_texts();
        };
        let vocabulary = Vocabulary::new();
        let mut texts = (kind.open)(&self.plan.directory, Indexing::Words)?;
        let mut measured = add_texts(&mut *texts, &vocabulary, 0, self.plan.keys)?;
        self.note(measured.rate("S4", 1.0, "texts/s"))?;
        texts.settle()?;
        self.questions("S1", &*texts, &vocabulary, Asked::Token)?;
        self.questions("S2", &*texts, &vocabulary, Asked::Prefix)?;
        if !self.wants_any(&["S3", "S4"]) {
            return Ok(());
        }
        if !kind.serves_all {
            drop(texts);
            texts = (kind.open)(&self.plan.directory, Indexing::Inside)?;
            measured = add_texts(&mut *texts, &vocabulary, 0, self.plan.keys)?;
            texts.settle()?;
        }
        self.note(measured.rate("S4-inside", 1.0, "texts/s"))?;
        self.questions("S3", &*texts, &vocabulary, Asked::Inside)
    }

    fn without_texts(&self) -> Result<()> {
        let name = self.plan.kind.name;
        crate::report::complain(&format!("skipped: {name} has no search in values"));
        Ok(())
    }

    /// Notes questions a second, and how many rows all answers of one pass have: figures that
    /// must be the same for every engine.
    #[expect(clippy::cast_precision_loss, reason = "counts fit 53 bits")]
    fn questions(
        &self,
        name: &str,
        texts: &dyn Texts,
        vocabulary: &Vocabulary,
        asked: Asked,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let parts = vocabulary.questions(asked, QUESTIONS);
        let (measured, rows) = ask(texts, asked, &parts, None, self.plan.caps)?;
        self.note(measured.rate(name, 1.0, "queries/s"))?;
        self.note(Figure::still(format!("{name}-rows"), rows as f64, "rows"))
    }

    /// The part of W18 that searches: from a hundredth of the texts to ten times as many.
    #[expect(clippy::cast_precision_loss, reason = "counts fit 53 bits")]
    pub(super) fn text_growth(&mut self) -> Result<()> {
        let Some(kind) = self.plan.kind.texts.as_ref().filter(|kind| kind.serves_all) else {
            return self.without_texts();
        };
        let vocabulary = Vocabulary::new();
        let parts = vocabulary.questions(Asked::Token, QUESTIONS);
        let mut texts = (kind.open)(&self.plan.directory, Indexing::Words)?;
        let (mut from, mut growing) = (0, Growing::start(self.plan.growth_seconds));
        for count in self.sizes() {
            if !growing.goes_on(count) {
                break;
            }
            let measured = add_texts(&mut *texts, &vocabulary, from, count)?;
            self.note_time("index", count, &measured)?;
            from = count;
            let caps = self.point_caps();
            let (measured, _) = ask(&*texts, Asked::Token, &parts, Some(FIRST_ROWS), caps)?;
            self.note_time("search", count, &measured)?;
            let (measured, rows) = ask(&*texts, Asked::Token, &parts, None, caps)?;
            let passes = measured.operations() / parts.len() as u64;
            let each = measured.seconds() * 1e6 / (passes * rows).max(1) as f64;
            self.note(measured.figure(format!("W18-search-row-{count}"), each, "us"))?;
        }
        Ok(())
    }
}

/// Adds the texts numbered from `from` up to `to`.
fn add_texts(
    texts: &mut dyn Texts,
    vocabulary: &Vocabulary,
    from: u64,
    to: u64,
) -> Result<Measured> {
    let caps = Caps {
        seconds: TO_THE_END,
        operations: to - from,
    };
    measure_alone(caps, EACH, |budget| {
        let mut next = from;
        while next < to && budget.spend(TEXTS_EACH.min(to - next)) {
            let end = to.min(next + TEXTS_EACH);
            let batch: Vec<String> = (next..end).map(|number| vocabulary.text(number)).collect();
            texts.add(next, &batch)?;
            next = end;
        }
        Ok(())
    })
}

/// Asks for every part again and again; also answers how many rows one pass has.
fn ask(
    texts: &dyn Texts,
    asked: Asked,
    parts: &[String],
    limit: Option<u64>,
    caps: Caps,
) -> Result<(Measured, u64)> {
    let pass = || {
        let rows = parts.iter().map(|part| texts.find(asked, part, limit));
        rows.sum::<Result<u64>>()
    };
    let wanted = pass()?;
    let measured = measure_alone(caps, EACH, |budget| {
        while budget.spend(parts.len() as u64) {
            if pass()? != wanted {
                return Err("the same question had another answer".into());
            }
        }
        Ok(())
    })?;
    Ok((measured, wanted))
}
