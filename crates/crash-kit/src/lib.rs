//! Recorder, post-crash states, fault injection and the oracle that judges recovery.
