//! People who log in by a cookie or a token, notifications from a REST route, who is online, and kicking.
//!
//! `cargo run --example dashboard`, then open <http://127.0.0.1:8080> in two browsers.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may draw random numbers")]

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use anywire::{Anywire, Args, Auth, Event, Events, Live, Session};
use axum::{
    Form, Json, Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const MAX_LOGINS: usize = 1000;

/// The events that pages receive: who they are and their token, who has how many pages open, and notes with their senders.
const YOU: Event<Args<(String, String)>> = Event::new("you");
const ONLINE: Event<BTreeMap<String, usize>> = Event::new("online");
const NOTE: Event<Args<(String, String)>> = Event::new("note");

#[derive(Clone)]
struct App {
    live: Live,
    /// The person of each secret: that of the cookie, which no script can read, and the token for programs.
    logins: Arc<Mutex<BTreeMap<String, User>>>,
}

impl App {
    fn logins(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, User>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person who is logged in: an extractor for routes and for sessions.
#[derive(Clone)]
struct User {
    name: String,
    token: String,
}

impl FromRequestParts<App> for User {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        // The value that a page gave to `connect` as `auth`; a plain request has none.
        let auth: Option<Auth<String>> = Option::from_request_parts(parts, app).await.unwrap_or_default();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let bearer = header(header::AUTHORIZATION).strip_prefix("Bearer ");
        let cookie = header(header::COOKIE).split("; ").find_map(|cookie| cookie.strip_prefix("login="));
        let token = auth.as_ref().map(|Auth(token)| token.as_str()).or(bearer).or(cookie);
        let user = token.and_then(|token| app.logins().get(token).cloned());
        user.ok_or((StatusCode::UNAUTHORIZED, "please log in"))
    }
}

/// Runs before a session opens. The extractor refuses those that nobody is logged in to. Pages send nothing: what
/// they want done, they ask of the routes.
async fn open(user: User, State(app): State<App>, session: Session) {
    session.insert(user.clone());
    session.join(&user.name);
    let _ = session.emit(YOU, Args((user.name, user.token))).await;
    announce(&app.live);
}

/// Runs when it is over.
async fn end(live: Live, session: Session) {
    session.remove::<User>();
    announce(&live);
}

/// Tells everybody who is online. A page that is cut or reloads counts for the grace time. One on a slow line gets
/// the latest list only.
fn announce(live: &Live) {
    let mut online = BTreeMap::<String, usize>::new();
    for user in live.sessions().iter().filter_map(Session::get::<User>) {
        *online.entry(user.name).or_default() += 1;
    }
    live.all().latest("online").emit(ONLINE, online);
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn login(State(app): State<App>, Form(Name { name }): Form<Name>) -> Result<impl IntoResponse, StatusCode> {
    let fits = (1..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fits || app.logins().len() >= MAX_LOGINS {
        return Err(StatusCode::BAD_REQUEST);
    }
    let [secret, token] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    let user = User { name, token: token.clone() };
    app.logins().extend([(secret.clone(), user.clone()), (token, user)]);
    let cookie = format!("login={secret}; Path=/; HttpOnly; SameSite=Strict");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")))
}

async fn logout(user: User, State(app): State<App>) -> impl IntoResponse {
    app.logins().retain(|_, other| other.token != user.token);
    let of_login = |session: &Session| session.get().is_some_and(|other: User| other.token == user.token);
    for session in app.live.members(&user.name).into_iter().filter(of_login) {
        session.close(3000, "logged out");
    }
    ([(header::SET_COOKIE, "login=; Path=/; Max-Age=0")], Redirect::to("/"))
}

#[derive(Deserialize, Serialize)]
struct Notification {
    to: String,
    text: String,
}

async fn notify(user: User, State(app): State<App>, Json(note): Json<Notification>) -> Json<Value> {
    let delivered = app.live.to(&note.to).emit(NOTE, Args((user.name, note.text)));
    Json(json!({ "pages": delivered.sent }))
}

async fn kick(user: User, State(app): State<App>, Path(name): Path<String>) {
    app.live.to(&name).close(3001, format!("{} has kicked you", user.name));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = Events::new().on_open(open).on_end(end);
    let live = Anywire::builder().events(events).build();
    let page = Html(include_str!("dashboard.html"));
    let app = Router::new()
        .route("/", get(page))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/notify", post(notify))
        .route("/kick/{name}", post(kick))
        .nest("/live", live.routes())
        .with_state(App { live: live.live(), logins: Arc::default() });

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
