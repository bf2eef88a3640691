//! The bolt engine: transactions over one file in bbolt's format.
