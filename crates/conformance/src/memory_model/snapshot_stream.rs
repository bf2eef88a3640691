//! The model's whole state as a stream: its backup, and a sum at the end.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Buf;
use kv_api::capability::{Progress, ReportProgress, SnapshotStream};
use kv_api::{Error, Place, Result};

use super::backup::{decode, encode};
use super::turn::Turns;
use super::version::Version;
use super::{MemoryModel, Writers};

/// Bytes between two reports.
const PIECE_BYTES: usize = 10_000;

fn sum_of(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, add)
}

fn pairs_of(version: &Version) -> u64 {
    let pairs = version.buckets.values().map(|bucket| bucket.pairs.len());
    pairs.sum::<usize>() as u64
}

fn told(report: ReportProgress<'_>, progress: Progress) -> Result<()> {
    if report(progress) {
        return Ok(());
    }
    let cancelled = std::io::Error::other("cancelled");
    Err(Error::io("a snapshot stream", cancelled))
}

impl SnapshotStream for MemoryModel {
    fn write_snapshot(&self, to: &mut dyn Write, report: ReportProgress<'_>) -> Result<u64> {
        self.check_open()?;
        let version = self.newest();
        let mut bytes = encode(&version);
        bytes.extend_from_slice(&sum_of(&bytes).to_le_bytes());
        let mut progress = Progress {
            pairs_total: pairs_of(&version),
            ..Progress::default()
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            told(report, progress)?;
            let written = to.write_all(piece);
            written.map_err(|error| Error::io("writing a snapshot stream", error))?;
            progress.bytes += piece.len() as u64;
        }
        progress.pairs = progress.pairs_total;
        told(report, progress)?;
        Ok(progress.bytes)
    }

    fn restore_snapshot(&self, from: &mut dyn Read, report: ReportProgress<'_>) -> Result<()> {
        self.check_open()?;
        let mut bytes = Vec::new();
        let mut piece = [0; PIECE_BYTES];
        loop {
            let read = from.read(&mut piece);
            match read.map_err(|error| Error::io("reading a snapshot stream", error))? {
                0 => break,
                read => bytes.extend_from_slice(&piece[..read]),
            }
            let progress = Progress {
                bytes: bytes.len() as u64,
                ..Progress::default()
            };
            told(report, progress)?;
        }
        let damaged = || Error::corrupt(Place::Store, "the stream does not match its sum");
        let (body, mut sum) = bytes
            .split_last_chunk::<8>()
            .map(|(b, s)| (b, &s[..]))
            .ok_or_else(damaged)?;
        if sum.get_u64_le() != sum_of(body) {
            return Err(damaged());
        }
        let version = decode(body)?;
        let pairs = pairs_of(&version);
        let done = Progress {
            pairs,
            pairs_total: pairs,
            bytes: bytes.len() as u64,
        };
        told(report, done)?;
        let _turn =
            (self.shared.writers == Writers::OneAtATime).then(|| Turns::take(&self.shared.turns));
        *self.shared.newest.lock().unwrap() = Arc::new(version);
        Ok(())
    }
}
