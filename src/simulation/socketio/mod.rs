//! Clients of Engine.IO and Socket.IO, of both revisions, against the server's half and a seeded, hostile wire.
//!
//! The server's half is what is served: the shared session with its machine, codec and channels, the answers of
//! polls and uploads, and the loop of a WebSocket. Its clock is tokio's, which is paused and moves with the virtual
//! time, and its tasks run when they are woken, so that a wake-up that is lost is a standstill. Only two things are
//! the simulation's own: `routes.rs` decides which request means what, as the routes of the server do, and
//! `application.rs` plays the handlers of namespaces.
//!
//! The client does what the reference clients do: one GET and one POST at a time, the next POST behind the answer to
//! the last, the pause before the upgrade, and the heartbeat of its revision. Sometimes it commits a misdeed.
//!
//! `ANYWIRE_SEEDS` is the number of seeds to run, `ANYWIRE_FIRST_SEED` the first one.

mod application;
mod asking;
mod book;
mod client;
mod coverage;
mod encoding;
mod engine;
mod events;
mod faults;
mod handlers;
mod log;
mod misdeeds;
mod namespaces;
mod oracle;
mod page;
mod pipe;
mod polling;
mod routes;
mod run;
mod saboteur;
mod scenario;
mod serving;
mod spaces;
mod state;
mod tasks;
mod upgrade;
mod wire;
mod world;
