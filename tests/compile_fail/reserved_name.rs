//~ this name is reserved: clients use it for events of their own

use anywire::Event;

pub const OPEN: Event<()> = Event::new("connect");
