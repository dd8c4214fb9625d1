//! The application for clients of STOMP. Native clients reach it too.

use std::{collections::BTreeMap, time::Duration};

use anywire::{Args, Auth, Data, Events, Fault, Reply, Session, Stomp};

use crate::any::Any;

/// The headers of CONNECT.
type Login = BTreeMap<String, String>;

/// How many messages wait in a queue.
const QUEUE: usize = 100;

/// The settings, with heart-beats this often.
pub(crate) fn settings(interval: Duration) -> Stomp {
    Stomp::new().topic("lobby").heartbeat(interval, interval).queue(QUEUE, 8 << 20)
}

async fn enter(login: Option<Auth<Login>>, session: Session) -> Result<(), Fault> {
    let login = login.map_or_else(Login::new, |Auth(login)| login);
    if login.get("passcode").is_some_and(|passcode| passcode == "wrong") {
        return Err(Fault::new("login", "wrong passcode"));
    }
    session.insert(login);
    Ok(())
}

async fn double(Data(number): Data<u64>) -> Result<Reply<u64>, Fault> {
    match number {
        0 => Err(Fault::new("zero", "it is nothing")),
        number => Ok(Reply(2 * number)),
    }
}

pub(crate) fn events() -> Events {
    Events::new()
        .on_open(enter)
        .on("who", async |session: Session| {
            let _ = session.emit("login", session.get::<Login>().unwrap_or_default()).await;
        })
        .on("echo", async |Args(all): Args<Vec<Any>>, session: Session| {
            let _ = session.emit("echoed", Args(all)).await;
        })
        .on("say", async |Data(text): Data<String>, session: Session| {
            session.within("lobby").emit("said", text);
        })
        .on("show", async |Data(value): Data<Any>, session: Session| {
            session.within("lobby").emit("shown", value);
        })
        .on("join", async |session: Session| {
            session.join("lobby");
            Reply(session.rooms())
        })
        .on("double", double)
        .on("kick", async |session: Session| session.close(3005, "kicked"))
}
