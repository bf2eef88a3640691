//! Random numbers with fixed seeds: splitmix64, and the Zipfian choice of YCSB.

/// The finishing step of splitmix64: one number made of another, all bits of it stirred.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The number at place `index` of the sequence of `seed`.
pub fn mixed(seed: u64, index: u64) -> u64 {
    mix(mix(seed).wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A sequence of random numbers.
pub struct Random {
    seed: u64,
    place: u64,
}

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Random {
        Random { seed, place: 0 }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.place += 1;
        mixed(self.seed, self.place)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Chooses among numbers below a limit, small ones far more often: the rank of popularity.
pub struct Zipfian {
    count: f64,
    theta: f64,
    alpha: f64,
    eta: f64,
    zeta: f64,
}

impl Zipfian {
    /// The choice among `count` numbers with exponent `theta`, as YCSB defines it. O(`count`).
    #[expect(clippy::cast_precision_loss, reason = "counts of keys fit 53 bits")]
    pub fn new(count: u64, theta: f64) -> Zipfian {
        let zeta_of = |count: u64| (1..=count).map(|i| (i as f64).powf(-theta)).sum::<f64>();
        let (zeta, two) = (zeta_of(count), zeta_of(2));
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - theta)) / (1.0 - two / zeta);
        Zipfian {
            count: count as f64,
            theta,
            alpha: 1.0 / (1.0 - theta),
            eta,
            zeta,
        }
    }

    /// The next rank.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the count, not negative"
    )]
    pub fn draw(&self, random: &mut Random) -> u64 {
        let share = random.share();
        let scaled = share * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(self.theta) {
            return 1;
        }
        let rank = self.count * (self.eta * share - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.count as u64 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_thousand_is_drawn_about_an_eighth_of_the_time() {
        let (zipfian, mut random) = (Zipfian::new(1000, 0.99), Random::new(1));
        let mut first = 0;
        for _ in 0..100_000 {
            let rank = zipfian.draw(&mut random);
            assert!(rank < 1000);
            first += u32::from(rank == 0);
        }
        // 1 / (the sum of i^-0.99 for i up to 1000) is 0.129.
        assert!((12_000..14_000).contains(&first), "{first}");
    }

    #[test]
    fn numbers_below_a_limit_reach_both_ends() {
        let mut random = Random::new(2);
        let drawn: Vec<u64> = (0..200).map(|_| random.below(5)).collect();
        assert!((0..5).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|number| *number < 5));
    }
}
