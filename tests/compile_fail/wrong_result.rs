//~ cannot handle events
//~ the handler returns `()`, `Reply<T>`, `Fault` or a `Result` with `Fault`

use anywire::Events;

async fn count() -> u32 {
    5
}

pub fn events() -> Events {
    Events::new().on("count", count)
}
