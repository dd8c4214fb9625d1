//~ a handler that takes `Data<String>` and returns `Reply<bool>` does not fit the name `Request<String, u32>`

use anywire::{Data, Events, Reply, Request};

const SAVE: Request<String, u32> = Request::new("save");

async fn save(Data(_): Data<String>) -> Reply<bool> {
    Reply(true)
}

pub fn events() -> Events {
    Events::new().on(SAVE, save)
}
