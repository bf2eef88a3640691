//! A thread of the bank: transfers, and now and then an account opened or closed.

use std::collections::BTreeMap;

use kv_api::Error;

use crate::account::{self, AMOUNT, BALANCE, CLOSABLE};
use crate::random::Random;
use crate::subject::{Subject, SubjectTransaction};
use crate::violation::{BankReport, Violation};

/// What acknowledged transactions changed, by account: money, and how often it was opened less how
/// often it was closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(BTreeMap<u32, (i64, i64)>);

impl Ledger {
    fn note(&mut self, account: u32, money: i64, opened: i64) {
        let entry = self.0.entry(account).or_default();
        entry.0 += money;
        entry.1 += opened;
    }

    pub fn take(&mut self, other: &Ledger) {
        for (account, (money, opened)) in &other.0 {
            self.note(*account, *money, *opened);
        }
    }

    /// The balance that an account must have; none if it must be closed.
    pub fn balance(&self, account: u32) -> Option<u64> {
        let (money, opened) = self.0.get(&account).copied().unwrap_or_default();
        let balance = u64::try_from(i64::try_from(BALANCE).unwrap_or(0) + money);
        (opened == 0).then(|| balance.unwrap_or(u64::MAX))
    }
}

/// A thread's own part.
pub(crate) struct Teller {
    accounts: u32,
    padding_bytes: usize,
    random: Random,
    pub ledger: Ledger,
}

/// What a transaction would have done.
enum Plan {
    Nothing,
    Transfer(u32, u32),
    /// Closes or opens the first, whose balance goes to or comes from the second.
    Turnover {
        account: u32,
        other: u32,
        money: u64,
        opens: bool,
    },
}

impl Teller {
    pub fn new(accounts: u32, padding_bytes: usize, seed: u64, thread: u64) -> Teller {
        Teller {
            accounts: accounts.max(2),
            padding_bytes,
            random: Random::new(seed.wrapping_mul(1_000_003).wrapping_add(thread + 1)),
            ledger: Ledger::default(),
        }
    }

    fn choose(&mut self) -> u32 {
        u32::try_from(self.random.below(u64::from(self.accounts))).unwrap_or(0)
    }

    /// Does one transaction, over again if others come first.
    pub fn serve<S: Subject>(&mut self, subject: &S) -> Result<BankReport, Violation> {
        let mut done = BankReport::default();
        let is_turnover = self.random.percent(2);
        let first = self.choose();
        let mut second = self.choose();
        if first == second {
            second = (second + 1) % self.accounts;
        }
        loop {
            let mut transaction = subject.begin()?;
            let plan = if is_turnover {
                self.turn_over(&mut transaction, first - first % CLOSABLE, second)?
            } else {
                self.transfer(&mut transaction, first, second)?
            };
            done.look_ups += 2;
            if matches!(plan, Plan::Nothing) {
                done.abandoned += 1;
                return Ok(done);
            }
            match transaction.commit() {
                Ok(()) => {
                    self.note(&plan);
                    done.transfers += u64::from(!is_turnover);
                    done.turnovers += u64::from(is_turnover);
                    return Ok(done);
                }
                Err(Error::Conflict) => done.conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn note(&mut self, plan: &Plan) {
        let signed = |money: u64| i64::try_from(money).unwrap_or(i64::MAX);
        match *plan {
            Plan::Nothing => {}
            Plan::Transfer(from, to) => {
                self.ledger.note(from, -signed(AMOUNT), 0);
                self.ledger.note(to, signed(AMOUNT), 0);
            }
            Plan::Turnover {
                account,
                other,
                money,
                opens,
            } => {
                let (money, opened) = if opens {
                    (signed(money), 1)
                } else {
                    (-signed(money), -1)
                };
                self.ledger.note(account, money, opened);
                self.ledger.note(other, -money, 0);
            }
        }
    }

    /// An account's balance; none if it is closed.
    fn look_up<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        account: u32,
    ) -> Result<Option<u64>, Violation> {
        let key = account::key(account);
        let found = if self.random.percent(50) {
            transaction.get(&key)?
        } else {
            transaction.seek(&key)?
        };
        match found {
            None if account.is_multiple_of(CLOSABLE) => Ok(None),
            None => Err(Violation::Missing { account }),
            Some(value) => {
                let balance = account::balance(&value);
                balance.map(Some).ok_or(Violation::Malformed { key })
            }
        }
    }

    fn set<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        account: u32,
        balance: u64,
    ) -> Result<(), Violation> {
        let value = account::value(balance, self.padding_bytes, &mut self.random);
        Ok(transaction.set(&account::key(account), Some(&value))?)
    }

    fn transfer<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        from: u32,
        to: u32,
    ) -> Result<Plan, Violation> {
        let before = self.look_up(transaction, from)?;
        let (Some(has), Some(gets)) = (before, self.look_up(transaction, to)?) else {
            return Ok(Plan::Nothing);
        };
        if has < AMOUNT {
            return Ok(Plan::Nothing);
        }
        self.set(transaction, from, has - AMOUNT)?;
        self.set(transaction, to, gets + AMOUNT)?;
        // Its own change is what it reads from now on.
        if self.look_up(transaction, from)? != Some(has - AMOUNT) {
            return Err(Violation::Unstable { account: from });
        }
        Ok(Plan::Transfer(from, to))
    }

    fn turn_over<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        account: u32,
        other: u32,
    ) -> Result<Plan, Violation> {
        // Counted, not looked up: whoever lets another account appear meanwhile, miscounts.
        let pairs = transaction.scan(account::START, account::END)?;
        let count = pairs.len() as u64;
        let (here, there) = (
            self.look_up(transaction, account)?,
            self.look_up(transaction, other)?,
        );
        let (count, plan) = match (here, there) {
            _ if account == other => return Ok(Plan::Nothing),
            (Some(money), Some(balance)) => {
                transaction.set(&account::key(account), None)?;
                self.set(transaction, other, balance + money)?;
                let plan = Plan::Turnover {
                    account,
                    other,
                    money,
                    opens: false,
                };
                (count - 1, plan)
            }
            (None, Some(balance)) if balance >= AMOUNT => {
                self.set(transaction, account, AMOUNT)?;
                self.set(transaction, other, balance - AMOUNT)?;
                let plan = Plan::Turnover {
                    account,
                    other,
                    money: AMOUNT,
                    opens: true,
                };
                (count + 1, plan)
            }
            _ => return Ok(Plan::Nothing),
        };
        transaction.set(account::COUNT_KEY, Some(&count.to_le_bytes()))?;
        Ok(plan)
    }
}
