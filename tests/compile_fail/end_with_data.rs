//~ cannot handle events
//~ Plain, _), _>` is not implemented for fn item

use anywire::{Data, Events};

async fn left(Data(_): Data<String>) {}

pub fn events() -> Events {
    Events::new().on_end(left)
}
