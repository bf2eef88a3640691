//! Which crashes to try, given the changes whose survival is open.
//!
//! The systematic part comes first and newest change first, because a state that leaves the
//! newest change out was met one point earlier already.

use std::ops::ControlFlow;

use crate::choice::Choice;
use crate::medium::Unit;
use crate::rng::Rng;

/// All boundaries of a write of at most so many sectors are torn; larger ones at as many places,
/// by seed.
const SECTORS_TORN_EACH: usize = 8;

/// Told of each selection; breaks to stop.
pub(crate) type Visit<'a> = dyn FnMut(&[Choice]) -> ControlFlow<()> + 'a;

/// The crashes of one point.
pub(crate) struct Enumerate<'a> {
    pub(crate) units: &'a [Unit],
    /// All subsets are tried for up to so many units.
    pub(crate) exhaustive_units: usize,
    /// Whether the sector being written may turn to noise.
    pub(crate) scramble: bool,
    pub(crate) seed: u64,
}

impl Enumerate<'_> {
    /// Selections in a fixed order of usefulness.
    pub(crate) fn systematic(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        self.uniform(Choice::Kept, visit)?;
        self.uniform(Choice::Lost, visit)?;
        self.prefixes(visit)?;
        if self.units.len() <= self.exhaustive_units.min(16) {
            self.all_subsets(visit)?;
        } else {
            self.singles(visit)?;
        }
        self.tears(visit)?;
        if self.units.len() > self.exhaustive_units {
            self.dropped_pairs(visit)?;
        }
        ControlFlow::Continue(())
    }

    /// One selection after another by chance, until `visit` breaks or `tries` are used up.
    pub(crate) fn random(&self, tries: usize, visit: &mut Visit<'_>) -> ControlFlow<()> {
        let mut rng = Rng::new(self.seed);
        for turn in 0..tries {
            let lost_percent = [5, 50, 95].get(turn % 3).copied().unwrap_or(50);
            let mut choices = self.filled(Choice::Kept);
            for (choice, unit) in choices.iter_mut().zip(self.units) {
                if rng.percent(lost_percent) {
                    *choice = Choice::Lost;
                } else if unit.sectors > 1 && rng.percent(20) {
                    *choice = Choice::Some(rng.next_u64() >> 40);
                }
            }
            self.emit(choices, visit)?;
        }
        ControlFlow::Continue(())
    }

    fn filled(&self, choice: Choice) -> Vec<Choice> {
        vec![choice; self.units.len()]
    }

    fn with(&self, background: Choice, at: usize, choice: Choice) -> Vec<Choice> {
        let mut choices = self.filled(background);
        if let Some(slot) = choices.get_mut(at) {
            *slot = choice;
        }
        choices
    }

    /// Passes a selection on, after taking out what cannot survive alone.
    fn emit(&self, mut choices: Vec<Choice>, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for (at, unit) in self.units.iter().enumerate() {
            let needed = unit.needs.and_then(|needed| choices.get(needed));
            if needed == Some(&Choice::Lost)
                && let Some(choice) = choices.get_mut(at)
            {
                *choice = Choice::Lost;
            }
        }
        visit(&choices)
    }

    fn uniform(&self, choice: Choice, visit: &mut Visit<'_>) -> ControlFlow<()> {
        self.emit(self.filled(choice), visit)
    }

    fn prefixes(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for kept in (1..self.units.len()).rev() {
            let mut choices = self.filled(Choice::Lost);
            choices
                .iter_mut()
                .take(kept)
                .for_each(|c| *c = Choice::Kept);
            self.emit(choices, visit)?;
        }
        ControlFlow::Continue(())
    }

    fn all_subsets(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for bits in 0..1_u32 << self.units.len() {
            let choices = (0..self.units.len())
                .map(|at| match bits >> at & 1 {
                    0 => Choice::Kept,
                    _ => Choice::Lost,
                })
                .collect();
            self.emit(choices, visit)?;
        }
        ControlFlow::Continue(())
    }

    fn singles(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for at in (0..self.units.len()).rev() {
            self.emit(self.with(Choice::Kept, at, Choice::Lost), visit)?;
            self.emit(self.with(Choice::Lost, at, Choice::Kept), visit)?;
        }
        ControlFlow::Continue(())
    }

    fn dropped_pairs(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for later in (1..self.units.len()).rev() {
            for earlier in (0..later).rev() {
                let mut choices = self.with(Choice::Kept, later, Choice::Lost);
                if let Some(choice) = choices.get_mut(earlier) {
                    *choice = Choice::Lost;
                }
                self.emit(choices, visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn tears(&self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        for (at, unit) in self.units.iter().enumerate().rev() {
            for choice in self.tears_of(*unit, at) {
                self.emit(self.with(Choice::Kept, at, choice), visit)?;
                self.emit(self.with(Choice::Lost, at, choice), visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn tears_of(&self, unit: Unit, at: usize) -> Vec<Choice> {
        let mut tears = Vec::new();
        if unit.sectors > 1 {
            let mut rng = Rng::new(self.seed ^ at as u64);
            let mut cuts = vec![1, unit.sectors - 1];
            if unit.sectors <= SECTORS_TORN_EACH {
                cuts.extend(2..unit.sectors - 1);
            } else {
                cuts.extend((0..SECTORS_TORN_EACH).map(|_| 1 + rng.below(unit.sectors - 1)));
            }
            for cut in cuts {
                tears.extend([Choice::First(cut), Choice::Last(cut)]);
            }
            tears.extend([Choice::Even, Choice::Odd]);
        }
        if unit.extends {
            tears.extend([Choice::SizeOnly, Choice::Garbage]);
        }
        if self.scramble && unit.sectors > 0 {
            tears.push(Choice::Scrambled(0));
            tears.push(Choice::Scrambled(unit.sectors - 1));
        }
        tears
    }
}
