//! Rooms whose histories an engine keeps: stories of one node, and seeds with a hostile engine.

mod engine;
mod node;
mod seeds;
mod stories;
mod world;
