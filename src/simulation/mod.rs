//! Two halves of a session against each other and a seeded, hostile wire.
//!
//! Time is virtual and all randomness comes from the seed, so that a seed that fails fails again. The oracle
//! knows what each half sent and when a session may be lost. Any other loss, gap, repeat, disorder or
//! standstill fails.
//!
//! `ANYWIRE_SEEDS` is the number of seeds to run, `ANYWIRE_FIRST_SEED` the first one.

mod applications;
mod chooser;
mod client;
mod client_under_test;
mod coverage;
mod events;
mod faults;
mod js_client;
mod js_host;
mod log;
mod nodes;
mod oracle;
mod packet;
mod pages;
mod pending;
mod queue;
pub(crate) mod random;
mod requests;
mod run;
mod scenario;
mod seeds;
mod server;
mod server_slow;
mod server_write;
mod socketio;
mod state;
mod tests;
mod wire;
mod world;
