//! Prices and orders for clients of STOMP and for our own, in the same rooms and by the same handlers.
//!
//! `npm install @stomp/stompjs sockjs-client` in some folder, then
//! `cargo run --example stomp_ticker -- 8080 <folder>/node_modules`, and open <http://127.0.0.1:8080>. One page has three
//! clients: ours, `@stomp/stompjs` by SockJS, and `@stomp/stompjs` on a session of our client.
#![allow(clippy::disallowed_methods, reason = "an example is a program: it may start tasks and read the clock")]

use std::{error::Error, fs, io, time::Duration};

use anywire::{Anywire, Data, Events, Fault, Live, Session, Stomp};
use axum::{
    Router,
    http::header,
    response::Html,
    routing::{MethodRouter, get},
};
use serde::{Deserialize, Serialize};

const SYMBOLS: [&str; 6] = ["AMBR", "BIRK", "CEDR", "DUNE", "ELMS", "FJRD"];
const TICK: Duration = Duration::from_millis(100);

/// The scripts of other people: the path of each here, and its file among the packages. A frame of SockJS loads its
/// script from beside the mount.
const SCRIPTS: [(&str, &str); 2] = [
    ("/stomp.umd.min.js", "@stomp/stompjs/bundles/stomp.umd.min.js"),
    ("/sockjs.min.js", "sockjs-client/dist/sockjs.min.js"),
];

#[derive(Serialize)]
struct Price {
    symbol: &'static str,
    /// Counts the prices of the symbol.
    number: u64,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Order {
    symbol: String,
    count: u32,
    /// The client that it comes from.
    by: String,
}

/// The room of a symbol, which is the topic `/topic/price-<symbol>` too.
fn room(symbol: &str) -> Result<String, Fault> {
    match SYMBOLS.contains(&symbol) {
        true => Ok(format!("price-{symbol}")),
        false => Err(Fault::new("symbol", format!("there is no symbol {symbol}"))),
    }
}

/// Our own client asks for a room by an event; STOMP's clients subscribe.
async fn watch(Data(symbol): Data<String>, session: Session) -> Result<(), Fault> {
    session.join(&room(&symbol)?);
    Ok(())
}

/// `session.request('order', order)`, or a SEND to `/app/order`. The reply is the client's RECEIPT.
async fn order(Data(order): Data<Order>, live: Live) -> Result<(), Fault> {
    room(&order.symbol)?;
    live.to("orders").emit("order", order);
    Ok(())
}

/// Moves a price of each symbol up or down, ten times a second.
async fn trade(live: Live) {
    let mut prices = SYMBOLS.map(|symbol| Price { symbol, number: 0, cents: 10_000 });
    let (mut tick, mut random) = (tokio::time::interval(TICK), 1_u64);
    loop {
        tick.tick().await;
        for price in &mut prices {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            price.cents = (price.cents + (random >> 33) % 41).saturating_sub(20).max(100);
            price.number += 1;
            // A slow client gets fewer prices, each of them the newest.
            live.to(format!("price-{}", price.symbol)).latest(price.symbol).emit("price", &*price);
        }
    }
}

/// The routes of the scripts among these packages.
fn scripts(packages: &str) -> io::Result<Router> {
    let script = |file: &str| -> io::Result<MethodRouter> {
        let path = format!("{packages}/{file}");
        let text =
            fs::read_to_string(&path).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        Ok(get(async move || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text.clone())))
    };
    SCRIPTS.iter().try_fold(Router::new(), |router, (path, file)| Ok(router.route(path, script(file)?)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let port = words.next().map_or(Ok(8080), |port| port.parse::<u16>())?;
    let packages = words.next().map_or(Ok(Router::new()), |folder| scripts(&folder))?;

    let events = Events::new()
        .on_open(async |session: Session| {
            session.join("orders");
        })
        .on("watch", watch)
        .on("order", order);
    let live = Anywire::builder().events(events).build();
    tokio::spawn(trade(live.live()));

    let page = Html(include_str!("stomp_ticker.html").replace("SYMBOLS", &SYMBOLS.join(" ")));
    let app = Router::new()
        .route("/", get(page))
        .merge(packages)
        .nest("/live", live.routes())
        .merge(live.stomp_with("/stomp", Stomp::new().topic("price-*").topic("orders")));
    let listener = anywire::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    anywire::serve(listener, app).await?;
    Ok(())
}
