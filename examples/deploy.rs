//! A server that is replaced while its clients go on. This program starts the real server as a process of its own, and
//! another one, the next version, when it is to be replaced or has crashed. Both are nodes of one cluster on this machine:
//! when the old one stops, its sessions move to the new one, and nothing is sent twice. Behind a crash the page sends again
//! what was under way. The page shows that no order is lost.
//!
//! `cargo run --example deploy --features host`, then open <http://127.0.0.1:8080>.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may start tasks")]

use std::{error::Error, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anywire::{Anywire, Host, Session};
use axum::{Router, extract::State, http::StatusCode, response::Html, routing::get, routing::post};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::Notify,
};

/// The time within which all clients come to the next server.
const WINDOW: Duration = Duration::from_secs(1);
/// The line that a server prints when it is to be replaced.
const REPLACE: &str = "replace";

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct App {
    version: u32,
}

/// Answers each order with its number, the version that took it, and how many orders the session has had. The count goes
/// along when the session moves.
async fn shop(State(app): State<App>, session: Session) {
    let mut count = session.restored::<u64>().ok().flatten().unwrap_or_default();
    while let Some(order) = session.recv_json::<u64>().await {
        let Ok(number) = order else {
            return session.close(3000, "an order is a number");
        };
        count += 1;
        let answer = json!({ "number": number, "version": app.version, "count": count });
        if session.send(answer.to_string()).await.is_err() || session.save(&count).is_err() {
            return;
        }
    }
}

async fn serve(port: u16, version: u32) -> Result<(), Failure> {
    let live = Anywire::builder().cluster(Host::at(folder(port))?).movable().handler(shop).build();
    let page = Html(include_str!("deploy.html"));
    let router = Router::new()
        .route("/", get(page))
        .route("/deploy", post(async || println!("{REPLACE}")))
        .route("/crash", post(async || -> StatusCode { std::process::exit(1) }))
        .nest("/live", live.routes())
        .with_state(App { version });

    // The old server and the new one listen on one port, and know each other before the old one stops.
    let listener = anywire::bind_shared(("127.0.0.1", port)).await?;
    live.live().ready().await;
    println!("version {version} is listening on http://{}", listener.local_addr()?);
    let stop = Arc::new(Notify::new());
    tokio::spawn(orders(stop.clone()));
    let stop = async move { stop.notified().await };
    anywire::serve(listener, router).with_graceful_shutdown(stop).sessions(&live, WINDOW).await?;
    Ok(())
}

/// Obeys the program that has started this server: the first line stops it, and it does not outlive that program.
async fn orders(stop: Arc<Notify>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        stop.notify_one();
    }
    std::process::exit(0);
}

/// Where the servers of a port find each other.
fn folder(port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("anywire-deploy-{port}"))
}

fn start(port: u16, version: u32) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([port.to_string(), version.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command.spawn()?)
}

/// Starts one version after the other. The one before it stops when the next one listens.
async fn supervise(port: u16) -> Result<(), Failure> {
    let mut before: Option<ChildStdin> = None;
    for version in 1.. {
        let mut server = start(port, version)?;
        let mut lines = BufReader::new(server.stdout.take().ok_or("no output")?).lines();
        let listens = lines.next_line().await?.ok_or("the next version did not start")?;
        println!("{listens}");
        if let Some(mut before) = before.take() {
            // If that one has crashed, there is nothing to stop.
            let _ = before.write_all(b"stop\n").await;
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(before);
            });
        }
        // It says when it is to be replaced; if it crashes, its output ends.
        while let Some(line) = lines.next_line().await?.filter(|line| line != REPLACE) {
            println!("{line}");
        }
        before = server.stdin.take();
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
    serve(port, version?).await?;
    std::process::exit(0);
}
