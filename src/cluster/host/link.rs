//! A node's connection to the sequencer.

use std::{
    collections::HashMap,
    io,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    net::UnixStream,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    frames::{Answer, Ask, NO_ID},
    streams::{Inlet, Outlet, Pushed},
};
use crate::{
    cluster::{
        engine::{BusEvent, EngineError},
        pauses::Pauses,
    },
    sync::lock,
};

/// The time within which the sequencer answers.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// The time between two questions whether it is still there.
const CHECK: Duration = Duration::from_secs(2);

/// The time to read what came before the connection broke.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The bytes that may wait to be written.
const MOST_WAITING: usize = 64 << 20;

/// It is called with an answer before anybody else learns of it, and not if there is none.
pub(super) type Note = Box<dyn FnOnce(&Answer) + Send>;

/// It takes what is published.
pub(super) type Take = Box<dyn Fn(BusEvent) + Send + Sync>;

/// A node's ears for all that the sequencer says unasked.
pub(super) struct Ears {
    pub(super) take: Take,
    /// Takes the sequencer's place, if this process is one that may have it.
    pub(super) take_over: Box<dyn Fn() + Send + Sync>,
}

/// Moves the bytes of a connection. It ends with it, and says why; dropped, it closes the connection.
pub(super) type Driver = BoxFuture<'static, EngineError>;

/// A connection that others use while its driver runs.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    /// The number of the sequencer's epoch.
    epoch: u64,
    outlet: Outlet,
    pending: Mutex<Pending>,
    /// Something has come since it was looked at.
    heard: AtomicBool,
    /// The last word of the epoch has come.
    over: AtomicBool,
}

#[derive(Default)]
struct Pending {
    last: u32,
    asked: HashMap<u32, Asked>,
    closed: bool,
}

struct Asked {
    note: Option<Note>,
    answer: oneshot::Sender<Answer>,
}

fn lost() -> EngineError {
    EngineError::new("the connection to the sequencer is lost")
}

impl Link {
    pub(super) fn open(stream: UnixStream, epoch: u64, ears: Ears) -> (Link, Driver) {
        let link = Link(Arc::new(Inner {
            epoch,
            outlet: Outlet::new(MOST_WAITING),
            pending: Mutex::default(),
            heard: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }));
        // Whoever asks learns that the connection is gone, also if its driver is dropped before it has run.
        let closing = Closing(link.clone());
        let driver = Box::pin(async move {
            let (read, mut write) = stream.into_split();
            let link = &closing.0;
            let mut listening = pin!(link.listen(Inlet::new(read), &ears));
            let error = tokio::select! {
                error = &mut listening => error,
                // The last words of a sequencer that has ended are heard.
                error = link.0.outlet.run(&mut write) => timeout(LAST_WORDS, listening).await.unwrap_or(error),
            };
            EngineError::new(error)
        });
        (link, driver)
    }

    async fn listen(&self, mut inlet: Inlet, Ears { take, take_over }: &Ears) -> io::Error {
        loop {
            let frame = match inlet.next().await {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            self.0.heard.store(true, Ordering::Relaxed);
            match Answer::read(frame) {
                Some((NO_ID, Answer::Publication { topic, body })) => take(BusEvent::Received(topic, body)),
                Some((NO_ID, Answer::Recorded(record))) => take(BusEvent::Recorded(record)),
                Some((NO_ID, Answer::TakeOver)) => {
                    take_over();
                    // A connection that has ended says itself that it has.
                    let _ = self.say(&Ask::Begun);
                }
                Some((NO_ID, Answer::Over)) => {
                    self.0.over.store(true, Ordering::Relaxed);
                    return io::Error::other("another process takes the sequencer's place");
                }
                Some((id, answer)) => {
                    let asked = lock(&self.0.pending).asked.remove(&id);
                    let Some(Asked { note, answer: waits }) = asked else { continue };
                    if let Some(note) = note {
                        note(&answer);
                    }
                    let _ = waits.send(answer);
                }
                None => return io::Error::new(io::ErrorKind::InvalidData, "the sequencer says something unknown"),
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0.pending).closed
    }

    /// The number of the sequencer's epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Whether the epoch has ended in good order: all that was published in it has come, and another one has begun.
    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        self.0.outlet.close();
    }

    /// Says something that has no answer. Never waits.
    pub(super) fn say(&self, ask: &Ask) -> Result<(), EngineError> {
        self.give(ask, NO_ID)
    }

    fn give(&self, ask: &Ask, id: u32) -> Result<(), EngineError> {
        let frame = ask.write(id).ok_or_else(|| EngineError::new("it is longer than the engine carries"))?;
        match self.0.outlet.push(frame) {
            Pushed::Waits => Ok(()),
            Pushed::Closed => Err(lost()),
            Pushed::Full => Err(EngineError::new("too much waits for the sequencer")),
        }
    }

    /// Asks for something, and waits for the answer or for the end of the connection. Cancel-safe: the note is called all
    /// the same.
    pub(super) async fn ask(&self, ask: &Ask, note: Option<Note>) -> Result<Answer, EngineError> {
        let (answer, waits) = oneshot::channel();
        let id = {
            let mut pending = lock(&self.0.pending);
            if pending.closed {
                return Err(lost());
            }
            pending.last = pending.last.checked_add(1).unwrap_or(1);
            let id = pending.last;
            pending.asked.insert(id, Asked { note, answer });
            id
        };
        if let Err(error) = self.give(ask, id) {
            lock(&self.0.pending).asked.remove(&id);
            return Err(error);
        }
        waits.await.map_err(|_| lost())
    }

    /// Asks for something that is done or refused.
    pub(super) async fn done(&self, ask: &Ask) -> Result<(), EngineError> {
        match self.ask(ask, None).await? {
            Answer::Refused(why) => Err(refused(&why)),
            _ => Ok(()),
        }
    }

    /// Asks whether the sequencer is there, again and again. Returns when it is not.
    pub(super) async fn still_there(&self) -> EngineError {
        loop {
            sleep(CHECK).await;
            if let Err(error) = self.while_heard(self.done(&Ask::Ping)).await {
                return error;
            }
        }
    }

    /// Waits for an answer, as long as anything comes: publications may stand in front of it.
    pub(super) async fn while_heard<T>(
        &self,
        question: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let mut question = pin!(question);
        loop {
            self.0.heard.store(false, Ordering::Relaxed);
            match timeout(ANSWER, &mut question).await {
                Ok(answer) => return answer,
                Err(_) if self.0.heard.load(Ordering::Relaxed) => {}
                Err(_) => return Err(silent()),
            }
        }
    }
}

/// The pauses between connections, in milliseconds: the next sequencer is there at once.
pub(super) fn pauses() -> Pauses {
    Pauses::between(10, 500)
}

pub(super) fn silent() -> EngineError {
    EngineError::new("the sequencer does not answer")
}

pub(super) fn refused(why: &[u8]) -> EngineError {
    EngineError::new(String::from_utf8_lossy(why))
}

/// Waits for something that needs the connection.
pub(super) async fn beside<T>(
    driver: &mut Driver,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        error = driver => Err(error),
    }
}

struct Closing(Link);

impl Drop for Closing {
    fn drop(&mut self) {
        let asked = {
            let mut pending = lock(&self.0.0.pending);
            pending.closed = true;
            std::mem::take(&mut pending.asked)
        };
        self.0.0.outlet.close();
        drop(asked);
    }
}
