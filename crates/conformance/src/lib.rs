//! The laws of kv-api, one named test per law, for any engine.
