//~ a handler that takes `Data<String>` and returns `()` does not fit the name `Request<String, u32>`

use anywire::{Data, Events, Request};

const SAVE: Request<String, u32> = Request::new("save");

async fn save(Data(_): Data<String>) {}

pub fn events() -> Events {
    Events::new().on(SAVE, save)
}
