//! Nodes, cursors and buckets over pages.
