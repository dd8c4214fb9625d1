//! A server that is replaced while its clients go on. This program starts the real server as a process of its
//! own, and the next version of it when that one begins to shut down, or crashes. The page shows that nothing
//! is lost.
//!
//! `cargo run --example deploy`, then open <http://127.0.0.1:8080>.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may start tasks")]

use std::{error::Error, io, process::Stdio, sync::Arc, time::Duration};

use anywire::{Anywire, Session};
use axum::{Router, extract::State, http::StatusCode, response::Html, routing::get, routing::post};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
    process::Command,
    sync::Notify,
};

/// The time within which all clients move to the next server.
const WINDOW: Duration = Duration::from_secs(1);
/// The line that a server prints when it begins to shut down.
const DRAINING: &str = "draining";

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct App {
    version: u32,
    stop: Arc<Notify>,
}

/// Answers each order with its number and the version that took it.
async fn shop(State(app): State<App>, session: Session) {
    while let Some(order) = session.recv_json::<u64>().await {
        let Ok(number) = order else {
            return session.close(3000, "an order is a number");
        };
        let answer = json!({ "number": number, "version": app.version });
        if session.send(answer.to_string()).await.is_err() {
            return;
        }
    }
}

async fn serve(port: u16, version: u32) -> Result<(), Failure> {
    let app = App { version, stop: Arc::default() };
    let live = Anywire::builder().handler(shop).build();
    let page = Html(include_str!("deploy.html"));
    let router = Router::new()
        .route("/", get(page))
        .route("/deploy", post(async |State(app): State<App>| app.stop.notify_one()))
        .route("/crash", post(async || -> StatusCode { std::process::exit(1) }))
        .nest("/live", live.routes())
        .with_state(app.clone());

    let listener = bind(port).await?;
    println!("version {version} is listening on http://{}", listener.local_addr()?);
    let stop = async move {
        app.stop.notified().await;
        println!("{DRAINING}");
    };
    anywire::serve(listener, router).with_graceful_shutdown(stop).sessions(&live, WINDOW).await?;
    Ok(())
}

/// Takes the port as soon as the server before this one has let go of it.
async fn bind(port: u16) -> io::Result<TcpListener> {
    for _ in 0..500 {
        match anywire::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            done => return done,
        }
    }
    anywire::bind(("127.0.0.1", port)).await
}

/// Starts one version after the other.
async fn supervise(port: u16) -> Result<(), Failure> {
    for version in 1.. {
        let mut server = Command::new(std::env::current_exe()?)
            .args([port.to_string(), version.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(server.stdout.take().ok_or("no output")?).lines();
        let mut listens = false;
        while let Some(line) = lines.next_line().await? {
            println!("{line}");
            if line == DRAINING {
                break;
            }
            listens = true;
        }
        if !listens {
            return Err(format!("version {version} did not start").into());
        }
        // The old server still moves its clients while the next one starts.
        tokio::spawn(async move { server.wait().await });
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u32>());
    let port = u16::try_from(numbers.next().unwrap_or(Ok(8080))?)?;
    let Some(version) = numbers.next() else {
        // The port stays the same for all versions.
        let port = anywire::bind(("127.0.0.1", port)).await?.local_addr()?.port();
        return supervise(port).await;
    };
    // A server does not outlive the one that started it.
    tokio::spawn(async {
        let _ = tokio::io::stdin().read(&mut [0]).await;
        std::process::exit(0);
    });
    serve(port, version?).await?;
    std::process::exit(0);
}
