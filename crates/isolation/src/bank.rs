//! A bank: transfers between accounts by many threads, and auditors that let nothing pass.
//!
//! What is held against the store, stronger than that a sum stays what it was:
//! * every audit, of a snapshot, sees the sum, as many accounts as the count says, two scans that
//!   are equal, and by every lookup what the scan showed;
//! * accounts are opened and closed by transactions that first count all accounts: a phantom
//!   shows as a wrong count;
//! * an account that is never closed is always found;
//! * at the end every account has the balance that the acknowledged transfers add up to: an
//!   update that is lost whole is missing there, though no sum says so.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::account::{self, BALANCE, CLOSABLE};
use crate::random::Random;
use crate::subject::{Subject, SubjectTransaction};
use crate::teller::{Ledger, Teller};
use crate::violation::{BankReport, Violation};

/// A bank to be run.
#[derive(Clone, Debug)]
pub struct Bank {
    /// Accounts at the beginning.
    pub accounts: u32,
    /// Threads that move money.
    pub threads: usize,
    /// For how long.
    pub lasting: Duration,
    /// Bytes behind half of the balances: choose it so that they go where large values go.
    pub padding_bytes: usize,
    /// The same seed makes the same choices.
    pub seed: u64,
}

/// What the bank's threads share.
#[derive(Default)]
pub(crate) struct Counters {
    transfers: AtomicU64,
    conflicts: AtomicU64,
    abandoned: AtomicU64,
    turnovers: AtomicU64,
    audits: AtomicU64,
    look_ups: AtomicU64,
}

impl Counters {
    pub fn add(&self, done: &BankReport) {
        for (counter, more) in [
            (&self.transfers, done.transfers),
            (&self.conflicts, done.conflicts),
            (&self.abandoned, done.abandoned),
            (&self.turnovers, done.turnovers),
            (&self.audits, done.audits),
            (&self.look_ups, done.look_ups),
        ] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn report(&self) -> BankReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BankReport {
            transfers: read(&self.transfers),
            conflicts: read(&self.conflicts),
            abandoned: read(&self.abandoned),
            turnovers: read(&self.turnovers),
            audits: read(&self.audits),
            look_ups: read(&self.look_ups),
        }
    }
}

/// What all tellers wrote down, once they are done.
fn joined(tellers: Vec<std::thread::ScopedJoinHandle<'_, Ledger>>) -> Ledger {
    let mut ledger = Ledger::default();
    for teller in tellers {
        match teller.join() {
            Ok(own) => ledger.take(&own),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    ledger
}

/// A look at every account of one version.
fn audit<S: Subject>(subject: &S, total: u64, accounts: u32) -> Result<BankReport, Violation> {
    let mut version = subject.begin_read()?;
    let pairs = version.scan(account::START, account::END)?;
    let mut sum = 0;
    for (key, value) in &pairs {
        let malformed = || Violation::Malformed { key: key.clone() };
        account::number(key).ok_or_else(malformed)?;
        sum += account::balance(value).ok_or_else(malformed)?;
    }
    if sum != total {
        return Err(Violation::Sum {
            expected: total,
            found: sum,
        });
    }
    let count = version.get(account::COUNT_KEY)?;
    let count = count.as_deref().and_then(account::balance).unwrap_or(0);
    if count != pairs.len() as u64 {
        return Err(Violation::Count {
            expected: count,
            found: pairs.len() as u64,
        });
    }
    let mut expected = pairs.iter().peekable();
    for number in 0..accounts {
        let key = account::key(number);
        let found = if number.is_multiple_of(2) {
            version.get(&key)?
        } else {
            version.seek(&key)?
        };
        let scanned = expected.next_if(|(scanned, _)| *scanned == key);
        if found.is_none() && !number.is_multiple_of(CLOSABLE) {
            return Err(Violation::Missing { account: number });
        }
        if found.as_ref() != scanned.map(|(_, value)| value) {
            return Err(Violation::Unstable { account: number });
        }
    }
    let again = version.scan(account::START, account::END)?;
    if let Some((first, _)) = pairs.iter().zip(&again).find(|(a, b)| a != b) {
        return Err(Violation::Unstable {
            account: account::number(&first.0).unwrap_or_default(),
        });
    }
    Ok(BankReport {
        audits: 1,
        look_ups: u64::from(accounts),
        ..BankReport::default()
    })
}

impl Bank {
    /// 100 accounts, 4 threads, 200 ms: for a test among others.
    pub fn small() -> Bank {
        Bank {
            accounts: 100,
            threads: 4,
            lasting: Duration::from_millis(200),
            padding_bytes: 300,
            seed: 1,
        }
    }

    /// Runs the bank on `subject`, whose accounts it opens first. `chore` is called over and over
    /// by a thread of its own: whatever the store should stand meanwhile, such as collecting and
    /// compacting. `progress` is told now and then, and answers whether to go on.
    ///
    /// # Errors
    ///
    /// The first thing found wrong. A failure of `chore` is one.
    pub fn run<S: Subject>(
        &self,
        subject: &S,
        chore: &(dyn Fn() -> kv_api::Result<()> + Sync),
        progress: &mut dyn FnMut(BankReport) -> bool,
    ) -> Result<BankReport, Violation> {
        self.open_accounts(subject)?;
        let (stop, counters) = (AtomicBool::new(false), Counters::default());
        let found: Mutex<Option<Violation>> = Mutex::new(None);
        let fail = |violation: Violation| {
            let mut first = found.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(violation);
            stop.store(true, Ordering::Relaxed);
        };
        let is_over = || stop.load(Ordering::Relaxed);
        let total = u64::from(self.accounts) * BALANCE;
        let ledger = std::thread::scope(|scope| {
            let tellers: Vec<_> = (0..self.threads as u64)
                .map(|thread| {
                    let (fail, is_over, counters) = (&fail, &is_over, &counters);
                    let mut teller =
                        Teller::new(self.accounts, self.padding_bytes, self.seed, thread);
                    scope.spawn(move || {
                        while !is_over() {
                            match teller.serve(subject) {
                                Ok(done) => counters.add(&done),
                                Err(violation) => fail(violation),
                            }
                        }
                        teller.ledger
                    })
                })
                .collect();
            scope.spawn(|| {
                while !is_over() {
                    match audit(subject, total, self.accounts) {
                        Ok(done) => counters.add(&done),
                        Err(violation) => fail(violation),
                    }
                }
            });
            scope.spawn(|| {
                while !is_over() {
                    if let Err(error) = chore() {
                        fail(Violation::Failed(error));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let began = Instant::now();
            while began.elapsed() < self.lasting && !is_over() {
                let left = self.lasting.saturating_sub(began.elapsed());
                std::thread::sleep(left.min(Duration::from_millis(100)));
                if !progress(counters.report()) {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            joined(tellers)
        });
        if let Some(violation) = found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(violation);
        }
        counters.add(&audit(subject, total, self.accounts)?);
        self.settle(subject, &ledger)?;
        Ok(counters.report())
    }

    fn open_accounts<S: Subject>(&self, subject: &S) -> Result<(), Violation> {
        let mut random = Random::new(self.seed);
        let mut transaction = subject.begin()?;
        for (key, _) in transaction.scan(account::START, account::END)? {
            transaction.set(&key, None)?;
        }
        for number in 0..self.accounts {
            let value = account::value(BALANCE, self.padding_bytes, &mut random);
            transaction.set(&account::key(number), Some(&value))?;
        }
        let count = u64::from(self.accounts).to_le_bytes();
        transaction.set(account::COUNT_KEY, Some(&count))?;
        Ok(transaction.commit()?)
    }

    /// Holds every account against the acknowledged transfers.
    fn settle<S: Subject>(&self, subject: &S, ledger: &Ledger) -> Result<(), Violation> {
        let mut version = subject.begin_read()?;
        for number in 0..self.accounts {
            let found = version.get(&account::key(number))?;
            let found = match found {
                Some(value) => {
                    Some(
                        account::balance(&value).ok_or_else(|| Violation::Malformed {
                            key: account::key(number),
                        })?,
                    )
                }
                None => None,
            };
            let expected = ledger.balance(number);
            if found != expected {
                return Err(Violation::Ledger {
                    account: number,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }
}
