//! One room for pages with the client and for any program that speaks WebSocket.
//!
//! `cargo run --example websocket`, then open <http://127.0.0.1:8080> in a browser, and connect to
//! `ws://127.0.0.1:8080/socket` with any other WebSocket client (`websocat`, a device, a script).

use anywire::{Anywire, Origins, Session};
use axum::{Router, response::Html, routing::get};

async fn chat(session: Session) {
    session.join("lobby");
    while let Some(message) = session.recv().await {
        session.within("lobby").send(message);
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // Programs send no `Origin` header. Nothing here trusts a cookie, so any origin may connect.
    let live = Anywire::builder().origins(Origins::Any).handler(chat).build();
    let app = Router::new()
        .route("/", get(Html(PAGE)))
        .nest("/live", live.routes()) // the client of this crate
        .nest("/socket", live.raw()); // any other
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = anywire::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>Two kinds of clients</title>
<p>The left half is a session of the client, the right half a bare WebSocket. Type in either.</p>
<div style="display:flex"><section id="a"></section><section id="b"></section></div>
<style>section { flex: 1; white-space: pre-line; border: 1px solid; margin: 4px; padding: 4px; min-height: 9em }</style>
<script src="/live/client.js"></script>
<script>
  const pane = (id, send) => {
    const section = document.getElementById(id)
    const input = section.appendChild(document.createElement('input'))
    input.onchange = () => { send(input.value); input.value = '' }
    return text => section.append('\n' + text)
  }
  const session = anywire.connect('/live')
  session.on('message', pane('a', text => session.send(text)))
  const socket = new WebSocket('ws://' + location.host + '/socket')
  const show = pane('b', text => socket.send(text))
  socket.onmessage = event => show(event.data)
</script>"#;
