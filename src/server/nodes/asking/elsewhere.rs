//! A request of this node, as the others tell what becomes of it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::body::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, SelectAll},
};
use tokio::sync::watch;

use crate::{
    cluster::asking::{Question, Tally, Told, Why, Words},
    pool::Pool,
    server::{
        nodes::{membership::Living, peers::PeerLinks, rooms::AskedHere},
        other_nodes::{Absent, AskedElsewhere, ToldElsewhere, TooManyAsked},
    },
};

/// The name under which other nodes ask for this.
pub(super) const MOUNT: &str = "requests";

/// The most requests of this node that wait for others at a time.
const MOST: usize = 1_024;

/// A place among the requests that wait for other nodes.
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    pub(super) fn begin(all: &Arc<AtomicUsize>) -> Result<Self, TooManyAsked> {
        if all.fetch_add(1, Ordering::Relaxed) >= MOST {
            all.fetch_sub(1, Ordering::Relaxed);
            return Err(TooManyAsked);
        }
        Ok(UnderWay(all.clone()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that other nodes were asked for. It runs in the task that waits for it; dropped, they forget the request.
pub(super) struct Elsewhere {
    tally: Tally,
    nodes: Vec<Asked>,
    news: SelectAll<BoxStream<'static, News>>,
    pool: Pool,
    asked: Arc<AskedHere>,
    _place: UnderWay,
}

/// A node that was asked.
struct Asked {
    name: String,
    process: u64,
    words: Words,
}

/// Something that the node at a place says, or that is said of all.
enum News {
    Bytes(usize, Bytes),
    /// It says nothing more.
    Gone(usize),
    Living(Arc<Living>),
}

impl Elsewhere {
    /// Asks all other nodes that live. Without parts none is asked, and all are told as not reached.
    #[expect(clippy::too_many_arguments, reason = "all are kept, or are what is asked")]
    pub(super) fn new(
        links: &PeerLinks,
        living: watch::Receiver<Arc<Living>>,
        question: &Question,
        lost: bool,
        pool: Pool,
        limit: usize,
        asked: Arc<AskedHere>,
        place: UnderWay,
    ) -> Self {
        let now = living.borrow().clone();
        let others = now.nodes.iter().filter(|node| node.incarnation != question.publisher);
        let nodes: Vec<Asked> = others
            .map(|node| Asked { name: node.name.clone(), process: node.incarnation, words: Words::new(limit) })
            .collect();
        let mut tally = Tally::new(nodes.len(), lost);
        let mut news = SelectAll::new();
        if question.parts.is_empty() {
            (0..nodes.len()).for_each(|node| tally.gone(node));
        } else {
            let question = question.write();
            for (at, node) in nodes.iter().enumerate() {
                news.push(heard(at, links.open(&node.name, MOUNT, question.clone())));
            }
            news.push(changes(living));
        }
        Elsewhere { tally, nodes, news, pool, asked, _place: place }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Bytes(at, bytes) => self.read(at, &bytes),
            News::Gone(at) => self.tally.gone(at),
            News::Living(living) => {
                for (at, node) in self.nodes.iter().enumerate() {
                    if living.nodes.iter().all(|other| other.incarnation != node.process) {
                        self.tally.gone(at);
                    }
                }
            }
        }
    }

    fn read(&mut self, at: usize, bytes: &[u8]) {
        let node = &mut self.nodes[at];
        node.words.push(bytes);
        while !self.tally.is_node_over(at) {
            let said = match node.words.next() {
                Ok(None) => return,
                Ok(Some(said)) => self.tally.said(at, said),
                Err(malformed) => Err(malformed),
            };
            if said.is_err() {
                tracing::warn!(node = node.name, "another node says of a request to a room what cannot be");
                self.asked.malformed.add(1);
                self.tally.gone(at);
            }
        }
    }

    fn tell(&self, told: Told) -> ToldElsewhere {
        match told {
            Told::Answered { session, packet } => {
                let held = self.pool.hold(packet.len());
                ToldElsewhere::Answered { session, packet, held }
            }
            Told::Missing { session, why } => ToldElsewhere::Missing { session, why: absent(why) },
            Told::Unreached(at) => ToldElsewhere::Unreached(self.nodes[at].name.clone()),
        }
    }
}

impl AskedElsewhere for Elsewhere {
    fn next(&mut self) -> BoxFuture<'_, Option<ToldElsewhere>> {
        Box::pin(async move {
            loop {
                if let Some(told) = self.tally.poll() {
                    return Some(self.tell(told));
                }
                if self.tally.is_over() {
                    return None;
                }
                match self.news.next().await {
                    Some(news) => self.take(news),
                    None => (0..self.nodes.len()).for_each(|at| self.tally.gone(at)),
                }
            }
        })
    }

    fn give_up(&mut self) -> VecDeque<ToldElsewhere> {
        let mut all = VecDeque::new();
        // The words that have come meanwhile still count.
        while let Some(Some(told)) = self.next().now_or_never() {
            all.push_back(told);
        }
        self.tally.times_up();
        while let Some(told) = self.tally.poll() {
            all.push_back(self.tell(told));
        }
        all
    }
}

/// The words of a node, until it says nothing more.
fn heard(at: usize, answer: BoxFuture<'static, Option<axum::body::Body>>) -> BoxStream<'static, News> {
    let pieces = answer.into_stream().flat_map(move |body| match body {
        None => stream::empty().boxed(),
        Some(body) => {
            let whole = body.into_data_stream().take_while(|piece| std::future::ready(piece.is_ok()));
            whole.filter_map(move |piece| std::future::ready(piece.ok().map(|bytes| News::Bytes(at, bytes)))).boxed()
        }
    });
    pieces.chain(stream::once(async move { News::Gone(at) })).boxed()
}

/// The changes of who lives.
fn changes(living: watch::Receiver<Arc<Living>>) -> BoxStream<'static, News> {
    let next = async |mut living: watch::Receiver<Arc<Living>>| {
        living.changed().await.ok()?;
        let now = living.borrow_and_update().clone();
        Some((News::Living(now), living))
    };
    stream::unfold(living, next).boxed()
}

fn absent(why: Why) -> Absent {
    match why {
        Why::Full => Absent::Full,
        Why::OutboxFull => Absent::OutboxFull,
        Why::NoEvents => Absent::NoEvents,
        Why::Closed => Absent::Closed,
        Why::Unknown => Absent::Unknown,
        Why::Timeout => Absent::Timeout,
        Why::Unreachable => Absent::Unreachable,
    }
}
