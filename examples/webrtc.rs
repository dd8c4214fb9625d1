//! Video calls and text straight from browser to browser (WebRTC). The session carries what two browsers must
//! tell each other before they can connect: since it loses and reorders nothing, a page needs no retries.
//!
//! `cargo run --example webrtc`, then open <http://127.0.0.1:8080> in two windows.

use std::error::Error;

use anywire::{Anywire, Auth, JsonError, Session};
use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The value that a page gives as its `auth`: the call that it wants to join, its name, and a random id.
#[derive(Deserialize)]
struct Caller {
    call: String,
    id: String,
    name: String,
}

/// A message of a page: something for the page with this id. The server does not look inside.
#[derive(Deserialize)]
struct Signal {
    to: String,
    signal: Value,
}

/// A message to a page.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    /// Somebody came. Those who are there already call the newcomer.
    Joined {
        id: &'a str,
        name: &'a str,
    },
    Signal {
        from: &'a str,
        name: &'a str,
        signal: &'a Value,
    },
    Left {
        id: &'a str,
    },
}

/// Runs for each page. If it fails, the page's session ends with code 1011, and a warning has the error.
async fn signalling(Auth(caller): Auth<Caller>, session: Session) -> Result<(), JsonError> {
    let Caller { call, id, name } = &caller;
    let is_word = |text: &str| (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_word(call) || !is_word(id) || name.len() > 100 {
        session.close(3000, "a call and an id are up to 40 letters and digits");
        return Ok(());
    }
    // A room with one member is an address.
    let address = |id: &str| format!("{call}/{id}");
    session.join(call);
    session.join(&address(id));
    session.to(call).send_json(&Event::Joined { id, name })?;
    while let Some(message) = session.recv_json().await {
        let Ok(Signal { to, signal }) = message else {
            session.close(3001, "that was no signal");
            break;
        };
        session.to(address(&to)).send_json(&Event::Signal { from: id, name, signal: &signal })?;
    }
    session.to(call).send_json(&Event::Left { id })?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let live = Anywire::builder().message_limit(64 * 1024).handler(signalling).build();
    let page = Html(include_str!("webrtc.html"));
    let app = Router::new().route("/", get(page)).nest("/live", live.routes());

    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
