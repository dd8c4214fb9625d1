//! Recovery: the channels of a client of Socket.IO 4 outlive its connection. While it is away they are parked, and what
//! is sent in them is kept. When it comes back, the session that it had goes on with its new connection, so that
//! nothing that knows the session has to know another one.

mod coming_back;
mod logs;
mod parking;
mod state;

pub(super) use state::{Moved, Recovery};
