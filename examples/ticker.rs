//! A market with 500 prices a second. A page subscribes to the symbols that it shows; one on a slow line gets
//! fewer prices, each of them the newest.
//!
//! `cargo run --example ticker`, then open <http://127.0.0.1:8080>, and slow the page down in its developer
//! tools.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may start tasks and read the clock")]

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anywire::{Anywire, Live, Message, Session};
use axum::{Router, extract::State, response::Html, routing::get};
use serde::{Deserialize, Serialize};

const SYMBOLS: [&str; 24] = [
    "AMBR", "BIRK", "CEDR", "DUNE", "ELMS", "FJRD", "GLEN", "HAZL", "IRIS", "JADE", "KELP", "LARK", "MOSS", "NOVA",
    "OPAL", "PINE", "QUAY", "REED", "SAGE", "TIDE", "UMBR", "VALE", "WREN", "YARR",
];
const TICK: Duration = Duration::from_millis(20);
const PRICES_A_TICK: usize = 10;

/// A price, as pages get it. The number counts the prices of its symbol.
#[derive(Clone, Serialize)]
struct Price {
    symbol: &'static str,
    number: u64,
    cents: i64,
    /// Milliseconds since 1970.
    at: u128,
}

/// A message of a page.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Subscribe(String),
    Unsubscribe(String),
}

/// The last price of each symbol.
type Market = Arc<Mutex<Vec<Price>>>;

async fn desk(State(market): State<Market>, session: Session) {
    while let Some(request) = session.recv_json().await {
        match request {
            Ok(Request::Subscribe(symbol)) => {
                let last = lock(&market).iter().find(|price| price.symbol == symbol).cloned();
                let Some(last) = last else { return session.close(3000, "no such symbol") };
                session.join(last.symbol);
                let _ = session.send(as_message(&last)).await;
            }
            Ok(Request::Unsubscribe(symbol)) => {
                session.leave(&symbol);
            }
            Err(_) => return session.close(3001, "that was no request"),
        }
    }
}

/// Moves prices about, 500 times a second.
async fn trade(live: Live, market: Market) {
    let mut random = 1_u64;
    let mut draw = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        for _ in 0..PRICES_A_TICK {
            let price = {
                let mut prices = lock(&market);
                let index = usize::try_from(draw(SYMBOLS.len() as u64)).expect("an index of the list");
                let price = &mut prices[index];
                let step = i64::try_from(draw(41)).expect("below 41") - 20;
                *price = Price { number: price.number + 1, cents: (price.cents + step).max(100), at: now(), ..*price };
                price.clone()
            };
            live.to(price.symbol).latest(price.symbol).send(as_message(&price));
        }
    }
}

fn as_message(price: &Price) -> Message {
    Message::json(price).expect("prices are plain JSON")
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn lock(market: &Market) -> std::sync::MutexGuard<'_, Vec<Price>> {
    market.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let first = |symbol| Price { symbol, number: 0, cents: 10_000, at: now() };
    let market: Market = Arc::new(Mutex::new(SYMBOLS.map(first).to_vec()));
    let live = Anywire::builder().handler(desk).build();
    tokio::spawn(trade(live.live(), market.clone()));

    let page = Html(include_str!("ticker.html").replace("SYMBOLS", &SYMBOLS.join(" ")));
    let app = Router::new().route("/", get(page)).nest("/live", live.routes()).with_state(market);
    let port = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse::<u16>())?;
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
