//! Medians and quartiles.

/// The middle of some figures and the quarter points on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// The spread of `values`; none if there are none. Between two values, points in between.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            low: at(&sorted, 0.25)?,
            median: at(&sorted, 0.5)?,
            high: at(&sorted, 0.75)?,
        })
    }

    /// The distance of the quartiles, as a share of the median.
    pub fn share(&self) -> f64 {
        (self.high - self.low) / self.median
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among a few values"
)]
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)? as f64);
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values() {
        let (low, median, high) = (2.0, 3.0, 4.0);
        let wanted = Spread { low, median, high };
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0, 5.0]), Some(wanted));
        assert_eq!(
            Spread::of(&[1.0, 2.0]).map(|spread| spread.median),
            Some(1.5)
        );
        assert_eq!(Spread::of(&[]), None);
    }
}
