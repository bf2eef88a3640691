//! Running one phase under its caps, on one thread or several.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engine::Result;
use crate::figure::Figure;
use crate::machine::Processors;

/// How long a phase may take.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Seconds after which it stops.
    pub seconds: f64,
    /// Operations after which it stops.
    pub operations: u64,
}

/// Counts a thread's operations and says when to stop.
pub struct Budget {
    left: u64,
    done: u64,
    /// Operations between two looks at the clock.
    stride: u64,
    until_look: u64,
    deadline: Instant,
}

impl Budget {
    fn new(caps: Caps, stride: u64) -> Budget {
        Budget {
            left: caps.operations,
            done: 0,
            stride,
            until_look: stride,
            deadline: Instant::now() + Duration::from_secs_f64(caps.seconds),
        }
    }

    /// Whether `operations` more may be done; they are counted.
    pub fn spend(&mut self, operations: u64) -> bool {
        if operations > self.left {
            return false;
        }
        self.until_look = self.until_look.saturating_sub(operations);
        if self.until_look == 0 {
            self.until_look = self.stride;
            if Instant::now() > self.deadline {
                return false;
            }
        }
        self.left -= operations;
        self.done += operations;
        true
    }
}

/// How a phase went.
pub struct Measured {
    operations: u64,
    seconds: f64,
    foreign_cores: f64,
}

/// Looks at the clock once in so many reads, because a read is faster than a look.
pub const READS: u64 = 256;

/// Looks at the clock before every operation.
pub const EACH: u64 = 1;

/// Runs `work` on `threads` threads at once until the caps are reached. Each is told its number.
pub fn measure(
    caps: Caps,
    stride: u64,
    threads: u64,
    work: impl Fn(u64, &mut Budget) -> Result<()> + Sync,
) -> Result<Measured> {
    let each = Caps {
        operations: caps.operations / threads,
        ..caps
    };
    let gate = Barrier::new(usize::try_from(threads)?);
    let processors = Processors::start();
    let began = Instant::now();
    let done = std::thread::scope(|scope| {
        let (gate, work) = (&gate, &work);
        let run = move |thread| {
            gate.wait();
            let mut budget = Budget::new(each, stride);
            work(thread, &mut budget).map(|()| budget.done)
        };
        // The first runs here, so that a phase of one thread starts none.
        let others: Vec<_> = (1..threads)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        let mut sum = run(0)?;
        for other in others {
            sum += other.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<u64, crate::engine::Failure>(sum)
    })?;
    Ok(Measured {
        operations: done,
        seconds: began.elapsed().as_secs_f64(),
        foreign_cores: processors.foreign_cores(),
    })
}

/// The same on this thread alone, for work that cannot be shared.
pub fn measure_alone(
    caps: Caps,
    stride: u64,
    work: impl FnOnce(&mut Budget) -> Result<()>,
) -> Result<Measured> {
    let processors = Processors::start();
    let began = Instant::now();
    let mut budget = Budget::new(caps, stride);
    work(&mut budget)?;
    Ok(Measured {
        operations: budget.done,
        seconds: began.elapsed().as_secs_f64(),
        foreign_cores: processors.foreign_cores(),
    })
}

impl Measured {
    /// The figure called `name`, of `scale` units an operation: entries, keys or megabytes.
    #[expect(clippy::cast_precision_loss, reason = "counts fit 53 bits")]
    pub fn rate(&self, name: impl Into<String>, scale: f64, unit: &str) -> Figure {
        let rate = self.operations as f64 * scale / self.seconds;
        self.figure(name, rate, unit)
    }

    /// A figure of this phase that is no rate.
    pub fn figure(&self, name: impl Into<String>, value: f64, unit: &str) -> Figure {
        Figure {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            seconds: self.seconds,
            operations: self.operations,
            foreign_cores: self.foreign_cores,
        }
    }

    /// Operations done.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Seconds taken.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Longer ones count as this long.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Latencies of one thread, in nanoseconds.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Latencies> {
        Ok(Latencies(Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)?))
    }

    /// Runs `work` and notes how long it took.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds);
        done
    }

    /// Adds those of another thread.
    pub fn add(&mut self, others: &Latencies) -> Result<()> {
        Ok(self.0.add(&others.0)?)
    }

    /// The latency that `share` of all stay below, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds fit 53 bits")]
    pub fn quantile_us(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }
}
