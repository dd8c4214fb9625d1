//! The parameters of handlers.

use axum::{
    Extension,
    extract::{FromRef, State},
};

use super::*;
use crate::{
    dialect::{Data, Fault, Reply},
    server::{
        Live,
        events::{EventName, FromEvent},
    },
};

#[derive(Clone)]
struct App {
    name: &'static str,
    limit: u8,
}

#[derive(Clone)]
struct Limit(u8);

impl FromRef<App> for Limit {
    fn from_ref(app: &App) -> Self {
        Limit(app.limit)
    }
}

#[derive(Clone)]
struct User(&'static str);

/// An argument of an application's own.
struct Admin;

impl FromEvent<App> for Admin {
    async fn from_event(event: &Incoming, state: &App) -> Result<Self, Fault> {
        match event.session().get::<User>() {
            Some(User("ada")) => Ok(Admin),
            _ => Err(Fault::new("forbidden", format!("not in {}", state.name))),
        }
    }
}

const APP: App = App { name: "app", limit: 3 };

#[tokio::test]
async fn arguments_are_made_of_state_session_and_event() {
    let bench = Bench::new().await;
    bench.session.insert(User("bob"));
    let events = Events::new()
        .on("state", async |State(app): State<App>, State(Limit(limit)): State<Limit>| Reply((app.name, limit)))
        .on("user", async |Extension(User(name)): Extension<User>| Reply(name))
        .on("session", async |session: Session, live: Live| Reply(live.session(session.id()).is_some()))
        .on("name", async |name: EventName| Reply(name.as_ref().len()))
        .on("options", async |user: Option<Extension<User>>, none: Option<Extension<u64>>, admin: Option<Admin>| {
            Reply((user.is_some(), none.is_some(), admin.is_some()))
        });
    let asked = [r#"["state"]"#, r#"["user"]"#, r#"["session"]"#, r#"["name"]"#, r#"["options"]"#];
    let answers = bench.ask(events, APP, &asked).await;
    assert_eq!(answers, [r#"31[["app",3]]"#, r#"32["bob"]"#, "33[true]", "34[4]", "35[[true,false,false]]"]);
}

#[tokio::test]
async fn an_argument_that_cannot_be_made_is_the_answer() {
    let bench = Bench::new().await;
    let notes = Notes::default();
    let (first, second) = (notes.clone(), notes.clone());
    let events = Events::new()
        .on("admin", async move |_: Admin| first.add("reached"))
        .on("value", async move |_: Extension<u64>, Data(_): Data<u8>| second.add("reached"))
        .on("order", async |Data(_): Data<u8>, _: Admin| {})
        .on("fault", async |_: Fault| {});
    let asked = [r#"["admin"]"#, r#"["value"]"#, r#"["order"]"#, r#"["fault"]"#];
    let answers = bench.ask(events, APP, &asked).await;
    assert_eq!(answers[0], r#"71{"code":"forbidden","message":"not in app"}"#);
    assert_eq!(answers[1], r#"72{"code":"missing","message":"the session lacks what this event needs"}"#);
    assert!(answers[2].starts_with(r#"73{"code":"data""#), "arguments are made in their order: {}", answers[2]);
    assert_eq!(answers[3], r#"74{"code":"missing","message":"this event has no fault"}"#);
    assert_eq!(notes.all(), [""; 0]);
}
