//~ cannot open sessions
//~ `on_open` takes an `async fn` of axum extractors (at most eight, each `FromRequestParts`), then a `Session`

use anywire::Events;

async fn login() {}

pub fn events() -> Events {
    Events::new().on_open(login)
}
