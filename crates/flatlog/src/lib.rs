//! The flat engine.
#![allow(dead_code)]
mod ids;
mod index;
mod place;
