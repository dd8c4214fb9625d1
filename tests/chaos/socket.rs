//! A client's link over a WebSocket.

use std::{future::pending, time::Duration};

use futures::{SinkExt, future::BoxFuture};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, End, Work},
    http::{Broken, PATIENCE},
    support::{Record, Socket, SocketEvent},
};

/// A link is dead that brings nothing for this time, while an answer is due, and while none is.
const DEAD: [Duration; 2] = [Duration::from_millis(3_500), Duration::from_millis(6_500)];

/// The link that takes the place of the present one.
enum Next {
    None,
    /// It is to be made at this moment.
    At(Instant),
    Connecting(BoxFuture<'static, Result<Socket, Broken>>),
    Attaching(Box<Socket>),
}

enum Event {
    Due,
    Connected(Result<Box<Socket>, Broken>),
    Came(SocketEvent),
}

impl Next {
    fn is_under_way(&self) -> bool {
        matches!(self, Next::Connecting(_) | Next::Attaching(_))
    }

    /// Cancel-safe.
    async fn event(&mut self) -> Event {
        match self {
            Next::None => pending().await,
            Next::At(moment) => {
                sleep_until(*moment).await;
                Event::Due
            }
            Next::Connecting(connecting) => Event::Connected(connecting.await.map(Box::new)),
            Next::Attaching(socket) => Event::Came(socket.next().await),
        }
    }
}

impl Client {
    /// Attaches, or opens, and carries messages until the link ends.
    pub(super) async fn over_socket(&mut self) -> End {
        let connected = self.connecting().await;
        let Ok(mut socket) = connected else { return self.broken("WebSockets refused") };
        if self.begin(&mut socket).await.is_err() {
            return self.broken("WebSockets broken");
        }
        let Ok(event) = timeout(PATIENCE, socket.next()).await else {
            return self.broken("WebSockets without an answer");
        };
        match self.came(&event) {
            Some(end) => end,
            None if self.confirm(&mut socket).await.is_err() => self.broken("WebSockets broken"),
            None => self.carry(socket).await,
        }
    }

    fn connecting(&mut self) -> BoxFuture<'static, Result<Socket, Broken>> {
        let path = if self.is_open() { format!("websocket?session={}", self.peer.id) } else { "websocket".to_owned() };
        Box::pin(self.balancer.socket(&mut self.random, path))
    }

    /// Sends the first record.
    async fn begin(&mut self, socket: &mut Socket) -> Result<(), Broken> {
        let body = if self.is_open() {
            self.peer.switch();
            self.peer.resume()
        } else {
            self.opening()
        };
        write(socket, String::from_utf8(body.bytes).unwrap()).await
    }

    /// Confirms the link, and sends what is not acknowledged.
    async fn confirm(&mut self, socket: &mut Socket) -> Result<(), Broken> {
        write(socket, "v:".to_owned()).await?;
        timeout(PATIENCE, self.flight(socket)).await.unwrap_or(Err(Broken))
    }

    async fn flight(&mut self, socket: &mut Socket) -> Result<(), Broken> {
        for (number, payload) in &self.peer.outbox {
            let crate::support::Payload::Text(text) = payload else { unreachable!() };
            socket.io.feed(Message::text(format!("n{number}:m{text}"))).await.map_err(|_| Broken)?;
        }
        socket.io.flush().await.map_err(|_| Broken)
    }

    fn broken(&mut self, what: &str) -> End {
        self.count(what);
        End::Again
    }

    /// Takes what came; the end of the link, if it is one.
    fn came(&mut self, event: &SocketEvent) -> Option<End> {
        match event {
            SocketEvent::Records(records) => self.take(records),
            SocketEvent::Closed(1005..=1011, _) | SocketEvent::Broken => Some(self.broken("WebSockets broken")),
            SocketEvent::Closed(code, _) => Some(self.judge(*code)),
        }
    }

    async fn carry(&mut self, socket: Socket) -> End {
        let mut socket = Some(socket);
        let mut orders = self.orders.clone();
        orders.mark_unchanged();
        let mut next = Next::None;
        let mut acknowledged = 0;
        self.heard = Instant::now();
        loop {
            if let Some(delay) = self.peer.go_away.take() {
                next = Next::At(Instant::now() + Duration::from_millis(delay));
            }
            let patience = DEAD[usize::from(self.peer.outbox.is_empty())];
            let written = tokio::select! {
                event = next_of(&mut socket) => {
                    let was_paused = self.peer.paused.is_some();
                    match (self.came(&event), &event, &mut socket) {
                        // The one that is to take its place goes on.
                        (Some(End::Again), ..) if next.is_under_way() => {
                            socket = None;
                            Ok(())
                        }
                        (Some(end), ..) => return end,
                        (None, SocketEvent::Records(records), Some(socket)) => {
                            self.replies(socket, records, was_paused).await
                        }
                        _ => Ok(()),
                    }
                }
                event = next.event() => match self.advance(event, &mut next).await {
                    Some(replaced) => {
                        socket = Some(replaced);
                        Ok(())
                    }
                    None if socket.is_none() && !next.is_under_way() => return End::Again,
                    None => Ok(()),
                },
                () = sleep_until(self.next_send) => {
                    let mut text = String::new();
                    if self.peer.received > acknowledged {
                        acknowledged = self.peer.received;
                        text = format!("a{acknowledged}:");
                    }
                    if let Some((number, message)) = self.compose() {
                        text.push_str(&format!("n{number}:m{message}"));
                    }
                    match &mut socket {
                        Some(socket) if !text.is_empty() => write(socket, text).await,
                        _ => Ok(()),
                    }
                }
                () = sleep_until(self.heard + patience) => return self.broken("WebSockets silent"),
                changed = orders.changed() => {
                    if self.ordered(changed.is_ok()) {
                        return End::Stop;
                    }
                    Ok(())
                }
            };
            if written.is_err() {
                return self.broken("WebSockets broken");
            }
        }
    }

    /// There are new orders. Returns whether the client is to stop.
    pub(super) fn ordered(&mut self, are_there: bool) -> bool {
        let work = self.orders.borrow().work;
        self.message = None;
        if let Work::Send { every, .. } = work {
            let begin = self.random.below(every.as_millis() as u64);
            self.next_send = Instant::now() + Duration::from_millis(begin);
        }
        self.report();
        work == Work::Stop || !are_there
    }

    /// Makes the next link, while the present one serves. Returns it once it has begun.
    async fn advance(&mut self, event: Event, next: &mut Next) -> Option<Socket> {
        let again = Next::At(Instant::now() + Duration::from_millis(200));
        match event {
            Event::Due => *next = Next::Connecting(self.connecting()),
            Event::Connected(Ok(mut socket)) => {
                let begun = self.begin(&mut socket).await;
                *next = if begun.is_ok() { Next::Attaching(socket) } else { again };
            }
            Event::Connected(Err(Broken)) => *next = again,
            Event::Came(event) => {
                let attached = matches!(&event, SocketEvent::Records(records) if self.take(records).is_none());
                let Next::Attaching(mut socket) = std::mem::replace(next, Next::None) else { unreachable!() };
                if attached && self.confirm(&mut socket).await.is_ok() {
                    return Some(*socket);
                }
                self.count(format!("next links refused: {event:?}"));
                *next = again;
            }
        }
        None
    }

    async fn replies(&mut self, socket: &mut Socket, records: &[Record], was_paused: bool) -> Result<(), Broken> {
        let mut text = String::new();
        for record in records {
            match record {
                Record::Ping(id) | Record::PingAck(id, _) => text.push_str(&format!("q{id},{}:", self.peer.received)),
                Record::AckRequest => text.push_str(&format!("a{}:", self.peer.received)),
                _ => {}
            }
        }
        if !text.is_empty() {
            write(socket, text).await?;
        }
        match was_paused && self.peer.paused.is_none() {
            true => timeout(PATIENCE, self.flight(socket)).await.unwrap_or(Err(Broken)),
            false => Ok(()),
        }
    }
}

/// The next event of a link, if there is one. Cancel-safe.
async fn next_of(socket: &mut Option<Socket>) -> SocketEvent {
    match socket {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

async fn write(socket: &mut Socket, text: String) -> Result<(), Broken> {
    let written = timeout(PATIENCE, socket.io.send(Message::text(text))).await;
    written.map_err(|_| Broken)?.map_err(|_| Broken)
}
