//! Two halves of a session against each other and a seeded, hostile wire.
//!
//! Time is virtual and all chance comes from the seed, so that a seed that fails fails again. The oracle knows what each
//! half sent and when a session may be lost; any other loss, gap, repeat, disorder or standstill is a failure.
//!
//! `ANYWIRE_SEEDS` says how many seeds to run, `ANYWIRE_FIRST_SEED` where to begin.

mod applications;
mod chooser;
mod client;
mod client_under_test;
mod coverage;
mod faults;
mod js_client;
mod js_host;
mod log;
mod oracle;
mod packet;
mod random;
mod run;
mod scenario;
mod server;
mod server_write;
mod state;
mod wire;
mod world;
