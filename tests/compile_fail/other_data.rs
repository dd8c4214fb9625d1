//~ a handler that takes `Data<u64>` and returns `Result<Reply<u32>, Fault>` does not fit the name `Request<String, u32>`
//~ for a `Request<T, R>` it takes `Data<T>` or no data, and returns `Reply<R>` or `Result<Reply<R>, Fault>`

use anywire::{Data, Events, Fault, Reply, Request};

const SAVE: Request<String, u32> = Request::new("save");

async fn save(Data(_): Data<u64>) -> Result<Reply<u32>, Fault> {
    Ok(Reply(7))
}

pub fn events() -> Events {
    Events::new().on(SAVE, save)
}
