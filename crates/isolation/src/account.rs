//! Accounts as pairs: a number as the key, a balance and some padding as the value.

use crate::random::Random;

/// What every account begins with.
pub(crate) const BALANCE: u64 = 100;

/// What a transfer moves.
pub(crate) const AMOUNT: u64 = 5;

/// One account in so many may be closed and opened again.
pub(crate) const CLOSABLE: u32 = 10;

/// What keys of accounts begin with.
const PREFIX: &[u8] = b"account/";

/// Where keys of accounts end.
pub(crate) const END: &[u8] = b"account0";

/// Where they begin.
pub(crate) const START: &[u8] = PREFIX;

/// How many accounts are open.
pub(crate) const COUNT_KEY: &[u8] = b"accounts open";

pub(crate) fn key(account: u32) -> Vec<u8> {
    [PREFIX, &account.to_be_bytes()].concat()
}

/// The account that `key` is of.
pub(crate) fn number(key: &[u8]) -> Option<u32> {
    let bytes = key.strip_prefix(PREFIX)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A balance as it is stored, with padding behind it half of the time.
pub(crate) fn value(balance: u64, padding_bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut value = balance.to_le_bytes().to_vec();
    if padding_bytes > 0 && random.percent(50) {
        value.resize(8 + padding_bytes, balance.to_le_bytes()[0]);
    }
    value
}

/// The balance in a value; none if it is none, or its padding is not what was written.
pub(crate) fn balance(value: &[u8]) -> Option<u64> {
    let (head, padding) = value.split_first_chunk()?;
    let is_whole = padding.iter().all(|byte| *byte == head[0]);
    is_whole.then(|| u64::from_le_bytes(*head))
}
