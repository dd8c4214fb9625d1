//! Several nodes, the engine between them, and the links by which they pass requests on.

mod engine;
mod faults;
mod keeping;
mod moving;
mod opening;
mod routing;
pub(super) mod state;
