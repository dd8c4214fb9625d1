//~ this name carries `String`, not `{integer}`
//~ `String` or `&String` is wanted

use anywire::{Event, Sends};

const CHANGED: Event<String> = Event::new("changed");

fn emit<D>(name: impl Sends<D>, data: D) {
    drop((name, data));
}

pub fn send() {
    emit(CHANGED, 5);
}
