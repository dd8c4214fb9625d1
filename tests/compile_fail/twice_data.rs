//~ cannot handle events
//~ at most one is `Data<T>` or `Args<(..)>`; the others implement `FromEvent`

use anywire::{Data, Events};

async fn twice(Data(_): Data<String>, Data(_): Data<u32>) {}

pub fn events() -> Events {
    Events::new().on("twice", twice)
}
