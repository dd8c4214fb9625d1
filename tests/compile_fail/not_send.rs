//~ `fn(Session) -> impl Future<Output = ()> {waits}` cannot handle events
//~ its future must be `Send`: it must not hold an `Rc`

use std::rc::Rc;

use anywire::{Events, Session};

async fn waits(session: Session) {
    let kept = Rc::new(5_u32);
    let _ = session.acknowledged().await;
    drop(kept);
}

pub fn events() -> Events {
    Events::new().on("waits", waits)
}
