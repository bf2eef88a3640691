//! W11: values of 4 and of 64 KiB.

use crate::engine::{Keeping, Result};
use crate::measure::{Caps, EACH, READS, measure};
use crate::random::Random;
use crate::steps::Chain;
use crate::steps::commits::{TO_THE_END, put};
use crate::steps::reads::read_at_random;

/// Bytes of all values, when a million keys are asked for.
const ALL_BYTES: u64 = 256 << 20;

/// Bytes of the values of one transaction, each durable.
const TRANSACTION_BYTES: u64 = 4 << 20;

impl Chain {
    /// Load, read, overwrite half, compact.
    pub(super) fn large_values(&mut self, size: &str, value_bytes: usize) -> Result<()> {
        let bytes = value_bytes as u64;
        let keys = (ALL_BYTES / bytes * self.plan.keys / 1_000_000).max(64);
        let keys_each = TRANSACTION_BYTES / bytes;
        self.plan.data.value_bytes = value_bytes;
        self.plan.keys = keys;
        let (data, caps) = (self.plan.data, self.plan.caps);
        #[expect(clippy::cast_precision_loss, reason = "a small size")]
        let megabytes_each = bytes as f64 / 1e6;

        let before = self.device_bytes();
        let measured = self.put_all(0, keys, keys_each, Keeping::Durable)?;
        self.note(measured.rate(format!("W11-{size}-load"), megabytes_each, "MB/s"))?;
        self.note_written(&format!("W11-{size}-written"), before, keys * bytes, "x")?;
        self.note_space(&format!("W11-{size}-loaded"), keys)?;

        self.count()?;
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS / 16, 1, |_, budget| {
            read_at_random(store, data, keys, 1100, budget)
        })?;
        self.note(measured.rate(format!("W11-{size}-read"), 1.0, "ops/s"))?;

        let before = self.device_bytes();
        let measured = self.overwrite_half(keys_each)?;
        self.note(measured.rate(format!("W11-{size}-overwrite"), megabytes_each, "MB/s"))?;
        let written = format!("W11-{size}-overwrite-written");
        self.note_written(&written, before, keys / 2 * bytes, "x")?;
        self.note_space(&format!("W11-{size}-overwritten"), keys)?;
        self.compact()?;
        self.note_space(&format!("W11-{size}-compacted"), keys)
    }

    fn overwrite_half(&mut self, keys_each: u64) -> Result<crate::measure::Measured> {
        let (data, half) = (self.plan.data, self.plan.keys / 2);
        let caps = Caps {
            seconds: TO_THE_END,
            operations: half,
        };
        let store = self.store(Keeping::Durable)?;
        measure(caps, EACH, 1, |_, budget| {
            let (mut random, mut value, mut next) = (Random::new(1110), Vec::new(), 0);
            while next < half && budget.spend(keys_each.min(half - next)) {
                let end = half.min(next + keys_each);
                store.write(&mut |writer| {
                    (next..end).try_for_each(|index| {
                        put(writer, data, 2 * index, random.draw(), &mut value)
                    })
                })?;
                next = end;
            }
            Ok(())
        })
    }
}
