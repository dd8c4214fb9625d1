//! All that the wrong programs do wrong, done right.

use std::rc::Rc;

use anywire::{Args, Data, Event, EventName, Events, Fault, Reply, Request, Sends, Session, concurrent};

const SAVE: Request<String, u32> = Request::new("save");
const CHANGED: Event<String> = Event::new("changed");
const MOVED: Event<Args<(u8, u8)>> = Event::new("moved");

async fn save(session: Session, Data(text): Data<String>) -> Result<Reply<u32>, Fault> {
    let length = Rc::new(text.len());
    drop(length);
    session.acknowledged().await.map_err(|reason| Fault::new("closed", reason.to_string()))?;
    Ok(Reply(7))
}

async fn changed(Data(text): Data<String>, name: EventName) {
    drop((text, name));
}

async fn moved(Args((x, y)): Args<(u8, u8)>) {
    drop((x, y));
}

fn emit<D>(name: impl Sends<D>, data: D) {
    drop((name, data));
}

pub fn events() -> Events {
    emit(CHANGED, "text");
    emit(MOVED, Args((1, 2)));
    emit("other", 5);
    Events::new()
        .on(SAVE, concurrent(4, save))
        .on(CHANGED, changed)
        .on(MOVED, moved)
        .on("any", save)
        .on("closure", async |Data(number): Data<u64>| Reply(number))
        .on_end(async |_: Session| {})
}
