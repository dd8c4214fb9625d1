//~ `fn(Data<String>, u16) -> impl Future<Output = Reply<u32>> {save}` cannot handle events
//~ at most one is `Data<T>` or `Args<(..)>`; the others implement `FromEvent`

use anywire::{Data, Events, Reply, Request};

const SAVE: Request<String, u32> = Request::new("save");

async fn save(Data(_): Data<String>, _: u16) -> Reply<u32> {
    Reply(7)
}

pub fn events() -> Events {
    Events::new().on(SAVE, save)
}
