//! The links between nodes, over wires that can be cut.
#![allow(clippy::disallowed_methods)]

mod bodies;
mod calls;
mod faults;
mod lab;
mod prefaces;
mod requests;
mod sockets;
mod tcp;
mod writes;
