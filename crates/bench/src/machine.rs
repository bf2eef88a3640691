//! What the machine says: processors kept busy by others, bytes written to the device, memory.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::Result;

/// Clock ticks in which the kernel counts processor time.
const TICKS_PER_SECOND: f64 = 100.0;

/// How often memory is looked at.
const MEMORY_POLL: Duration = Duration::from_millis(5);

/// Processor time since it was started: all of the machine's, and this process's.
pub struct Processors {
    began: Instant,
    all: u64,
    own: u64,
}

impl Processors {
    /// Starts counting.
    pub fn start() -> Processors {
        Processors {
            began: Instant::now(),
            all: busy_ticks(),
            own: own_ticks(),
        }
    }

    /// Cores that others kept busy since.
    #[expect(clippy::cast_precision_loss, reason = "ticks of one run are few")]
    pub fn foreign_cores(&self) -> f64 {
        let seconds = self.began.elapsed().as_secs_f64();
        let all = busy_ticks().saturating_sub(self.all) as f64;
        let own = own_ticks().saturating_sub(self.own) as f64;
        ((all - own) / TICKS_PER_SECOND / seconds.max(0.01)).max(0.0)
    }
}

/// Ticks in which any processor was busy: all but idle and waiting for the device.
fn busy_ticks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(8);
    let numbers = fields.map(|field| field.parse().unwrap_or(0_u64));
    numbers
        .enumerate()
        .filter(|(place, _)| !matches!(place, 3 | 4))
        .map(|(_, ticks)| ticks)
        .sum()
}

/// Ticks of this process and of children that ended.
fn own_ticks() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks, come the fields from the third on.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(4);
    times.map(|field| field.parse().unwrap_or(0_u64)).sum()
}

/// Bytes written so far to the device that `directory` lies on, by anyone. Asks for everything
/// pending to be written first. The kernel's own count per process is of no use here: it counts
/// whole large folios for a page.
pub fn device_bytes_written(directory: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    nix::unistd::sync();
    let device = fs::metadata(directory).ok()?.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let text = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * 512)
}

/// Bytes of the device that the files under `path` take.
pub fn bytes_on_disk(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += bytes_on_disk(&entry?.path())?;
    }
    Ok(sum)
}

/// Bytes as megabytes.
#[expect(clippy::cast_precision_loss, reason = "bytes of one run fit 53 bits")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Watches this process's anonymous memory until it is dropped.
pub struct MemoryWatch {
    peak_bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl MemoryWatch {
    /// Starts watching.
    pub fn start() -> MemoryWatch {
        let (peak_bytes, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (peak, ended) = (Arc::clone(&peak_bytes), Arc::clone(&stop));
        let watcher = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_bytes(), Ordering::Relaxed);
                std::thread::sleep(MEMORY_POLL);
            }
        });
        MemoryWatch {
            peak_bytes,
            stop,
            watcher: Mutex::new(Some(watcher)),
        }
    }

    /// The most seen so far.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes
            .fetch_max(anonymous_bytes(), Ordering::Relaxed)
            .max(anonymous_bytes())
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let watcher = self.watcher.lock().ok().and_then(|mut held| held.take());
        watcher.map(JoinHandle::join);
    }
}

fn anonymous_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// The machine, as a report names it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    file_system: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores of {}, {} MiB, Linux {}, {}",
            self.cores, self.processor, self.memory_mib, self.kernel, self.file_system
        )
    }
}

impl Machine {
    /// This machine, with the file system that `directory` lies on.
    pub fn here(directory: &Path) -> Machine {
        let first = |path: &str, prefix: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(prefix));
            let value = line.and_then(|line| line.split(':').nth(1));
            value.unwrap_or_default().trim().to_owned()
        };
        let memory = first("/proc/meminfo", "MemTotal");
        let kib = memory.split_whitespace().next().unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        // The release's number, without what a host has put behind it.
        let kernel = kernel.trim().split('-').next().unwrap_or_default();
        let mut find = Command::new("findmnt");
        find.args(["-n", "-o", "FSTYPE", "-T"]).arg(directory);
        Machine {
            processor: first("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory_mib: kib.parse::<u64>().unwrap_or(0) >> 10,
            kernel: kernel.to_owned(),
            file_system: file_system(find),
        }
    }
}

fn file_system(mut find: Command) -> String {
    let output = find.output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default())
        .trim()
        .to_owned()
}
