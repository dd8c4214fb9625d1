//! A client's link over streams or polls, with uploads beside it.

use std::{future::pending, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use crate::{
    client::{Client, End, Kind},
    http::{Answer, Broken, PATIENCE, Stream},
    support::Record,
};

/// A poll is held for five seconds; whoever answers later than this is dead.
const HELD: Duration = Duration::from_secs(9);

/// A stream on which nothing comes for this time is dead: the server asks after three.
const SILENT: Duration = Duration::from_millis(6_500);

/// An upload that failed is made again behind this time.
const AGAIN: Duration = Duration::from_millis(300);

/// The answer that brings messages.
enum Down {
    Polling(BoxFuture<'static, Result<Answer, Broken>>),
    Opening(BoxFuture<'static, Result<Stream, Broken>>),
    Open(Stream),
}

enum Came {
    Answer(Answer),
    Records(Vec<Record>),
    Over,
    Broken,
}

impl Down {
    /// Cancel-safe.
    async fn next(&mut self) -> Came {
        loop {
            match self {
                Down::Polling(answer) => return answer.await.map_or(Came::Broken, Came::Answer),
                Down::Opening(stream) => match stream.await {
                    Ok(stream) => *self = Down::Open(stream),
                    Err(Broken) => return Came::Broken,
                },
                Down::Open(stream) => return stream.next().await.map_or(Came::Over, Came::Records),
            }
        }
    }
}

/// The upload under way, if there is one.
enum Up {
    Idle,
    Waits(Instant),
    Sent(BoxFuture<'static, Result<Answer, Broken>>),
}

impl Up {
    /// The answer to the upload; `None` if the next one is due. Cancel-safe.
    async fn next(&mut self) -> Option<Result<Answer, Broken>> {
        match self {
            Up::Idle => pending().await,
            Up::Waits(moment) => {
                sleep_until(*moment).await;
                None
            }
            Up::Sent(answer) => Some(answer.await),
        }
    }
}

impl Client {
    /// Attaches, or opens, and carries messages until the link ends.
    pub(super) async fn over_http(&mut self) -> End {
        if self.is_open() {
            self.peer.switch();
        } else {
            let body = self.opening();
            let answer = self.balancer.ask(&mut self.random, "open?bytes=0".to_owned(), body.bytes, PATIENCE);
            match answer.await {
                Ok(answer) => {
                    if let Some(end) = self.answered(&answer) {
                        return end;
                    }
                }
                Err(Broken) => {
                    self.count("openings broken");
                    return End::Again;
                }
            }
        }
        self.turns().await
    }

    async fn turns(&mut self) -> End {
        let mut orders = self.orders.clone();
        orders.mark_unchanged();
        let (mut up, mut failed) = (Up::Idle, false);
        let mut down = self.down();
        let mut leave: Option<Instant> = None;
        let mut came_last = Instant::now();
        if !self.peer.outbox.is_empty() {
            up = self.upload();
        }
        loop {
            if let Some(delay) = self.peer.go_away.take() {
                leave = Some(Instant::now() + Duration::from_millis(delay));
            }
            let patience = if self.kind == Kind::Poll { HELD } else { SILENT };
            let leaving = async { if let Some(moment) = leave { sleep_until(moment).await } else { pending().await } };
            let mut wants_upload = false;
            tokio::select! {
                came = down.next() => {
                  came_last = Instant::now();
                  match came {
                    Came::Answer(answer) => {
                        if let Some(end) = self.answered(&answer) {
                            return end;
                        }
                        wants_upload = answer.records.contains(&Record::AckRequest);
                        down = self.down();
                    }
                    Came::Records(records) => {
                        if let Some(end) = self.take(&records) {
                            return end;
                        }
                        let asks = |record: &Record| matches!(record, Record::AckRequest | Record::Ping(_));
                        wants_upload = records.iter().any(asks);
                    }
                    Came::Over if self.peer.seen => down = self.down(),
                    Came::Over | Came::Broken => {
                        self.count("downlinks broken");
                        return End::Again;
                    }
                  }
                }
                answer = up.next() => {
                    up = Up::Idle;
                    match answer {
                        None => wants_upload = true,
                        Some(Ok(answer)) => match self.answered(&answer) {
                            Some(End::Later(wait)) => up = Up::Waits(Instant::now() + wait),
                            Some(End::Again) => up = Up::Waits(Instant::now() + AGAIN),
                            Some(end) => return end,
                            None => {
                                if std::mem::take(&mut failed) {
                                    // The path has changed: what waits may wait on the older one.
                                    down = self.down();
                                }
                                wants_upload = !self.peer.outbox.is_empty();
                            }
                        },
                        Some(Err(Broken)) => {
                            self.count("uploads broken");
                            failed = true;
                            up = Up::Waits(Instant::now() + AGAIN);
                        }
                    }
                }
                () = sleep_until(self.next_send) => wants_upload = self.compose().is_some(),
                () = leaving => {
                    leave = None;
                    self.peer.switch();
                    down = self.down();
                }
                () = sleep_until(came_last + patience) => {
                    self.count("downlinks silent");
                    return End::Again;
                }
                changed = orders.changed() => {
                    if self.ordered(changed.is_ok()) {
                        return End::Stop;
                    }
                }
            }
            if wants_upload && matches!(up, Up::Idle) {
                up = self.upload();
            }
        }
    }

    /// Takes an answer; what is to be done, if it is a refusal or the end of the link.
    fn answered(&mut self, answer: &Answer) -> Option<End> {
        match self.take(&answer.records) {
            Some(End::Again) if !answer.wait.is_zero() => Some(End::Later(answer.wait)),
            None if answer.status != 200 => {
                self.count(format!("status {}", answer.status));
                Some(End::Again)
            }
            end => end,
        }
    }

    /// The next turn.
    fn down(&mut self) -> Down {
        self.peer.turn += 1;
        let body = self.peer.resume().bytes;
        if self.kind == Kind::Poll {
            let path = self.peer.path("xhr-poll");
            Down::Polling(Box::pin(self.balancer.ask(&mut self.random, path, body, HELD)))
        } else {
            let path = self.peer.path("fetch-stream");
            Down::Opening(Box::pin(self.balancer.stream(&mut self.random, path, body)))
        }
    }

    fn upload(&mut self) -> Up {
        let mut body = self.peer.upload_head();
        if self.peer.paused.is_none() {
            body = self.peer.flight(body);
        }
        let path = self.peer.path("send");
        Up::Sent(Box::pin(self.balancer.ask(&mut self.random, path, body.bytes, PATIENCE)))
    }
}
