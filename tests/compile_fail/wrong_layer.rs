//~ expected `Result<Answered, Fault>`, found `()`

use anywire::{Events, Incoming, Next};

pub fn events() -> Events {
    Events::new().layer(async |event: Incoming, next: Next| drop(next.run(event).await))
}
