//! A server of which allocations, lock operations, reads and writes are counted.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    ops::Sub,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use allocation_counter::AllocationInfo;
use anywire::Server;
use axum::{Router, serve::Listener};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::support::{Io, Site};

/// How often an exchange is measured.
pub const TIMES: usize = 20;

/// The payload of each message.
pub const TEXT: &str = "12345678901234567890123456789012";

/// The figures that were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Costs {
    pub allocations: u64,
    pub locks: u64,
    pub reads: u64,
    pub writes: u64,
}

impl Sub for Costs {
    type Output = Costs;

    fn sub(self, before: Costs) -> Costs {
        Costs {
            allocations: self.allocations - before.allocations,
            locks: self.locks - before.locks,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
        }
    }
}

impl Costs {
    /// Holds that these are no more than they may be. What was not counted at all was not measured.
    pub fn check(self, most: Costs) {
        let all = [self.allocations, self.locks, self.reads, self.writes];
        let most_of_all = [most.allocations, most.locks, most.reads, most.writes];
        let within = all.iter().zip(most_of_all).all(|(count, most)| (1..=most).contains(count));
        assert!(within, "{self:?}, and at most {most:?}");
    }
}

/// The counts of a server.
#[derive(Clone, Default)]
struct Counts {
    locks: Arc<AtomicU64>,
    reads: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

/// Counts the events of the target that locks are traced with.
struct Locks(Arc<AtomicU64>);

impl Subscriber for Locks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "anywire::lock"
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A listener whose connections count the reads that gave something, and the writes.
struct Counted<T> {
    io: T,
    counts: Counts,
}

impl Listener for Counted<TcpListener> {
    type Io = Counted<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (io, address) = self.io.accept().await.unwrap();
        io.set_nodelay(true).unwrap();
        (Counted { io, counts: self.counts.clone() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }
}

impl AsyncRead for Counted<TcpStream> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.counts.reads.fetch_add(u64::from(polled.is_ready()), Relaxed);
        polled
    }
}

impl AsyncWrite for Counted<TcpStream> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.counts.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.counts.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A server, and what is counted of it.
pub struct Bench {
    pub runtime: Runtime,
    counts: Counts,
    pub site: Site,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Bench {
    /// A server by `serve`, with a shortcut. The reads and writes of its connections are not counted.
    pub fn with_shortcut(server: &Server<()>) -> Self {
        let router = Router::new().nest("/live", server.routes());
        let server = server.clone();
        Self::serving(|listener, _| async move {
            anywire::serve(listener, router).shortcut("/live", &server).await.unwrap();
        })
    }

    pub fn of(server: &Server<()>) -> Self {
        let router = Router::new().nest("/live", server.routes()).merge(server.socketio("/live/socket.io"));
        let router = router.merge(server.sockjs("/live/sockjs"));
        Self::serving(|io, counts| async move { axum::serve(Counted { io, counts }, router).await.unwrap() })
    }

    fn serving<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(TcpListener, Counts) -> F) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let counts = Counts::default();
        let site = runtime.block_on(async {
            let io = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let site = Site::at(io.local_addr().unwrap());
            tokio::spawn(serve(io, counts.clone()));
            site
        });
        let guard = tracing::subscriber::set_default(Locks(counts.locks.clone()));
        Bench { runtime, counts, site, _guard: guard }
    }

    /// The costs of a future, and of what the server does until all its tasks rest.
    pub fn costs(&self, future: impl Future<Output = ()>) -> Costs {
        let before = self.now(0);
        let counted = self.measure(future);
        self.now(counted.count_total) - before
    }

    /// The bytes that are allocated meanwhile.
    fn bytes(&self, future: impl Future<Output = ()>) -> u64 {
        self.measure(future).bytes_total
    }

    fn measure(&self, future: impl Future<Output = ()>) -> AllocationInfo {
        // A future that is large is boxed by the runtime.
        let mut future = Box::pin(async {
            future.await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        allocation_counter::measure(|| self.runtime.block_on(&mut future))
    }

    fn now(&self, allocations: u64) -> Costs {
        let Counts { locks, reads, writes } = &self.counts;
        Costs { allocations, locks: locks.load(Relaxed), reads: reads.load(Relaxed), writes: writes.load(Relaxed) }
    }
}

/// Reads until these bytes have come.
pub async fn until(io: &mut dyn Io, buffer: &mut [u8], end: &[u8]) {
    let mut length = 0;
    while !buffer[..length].windows(end.len()).any(|window| window == end) {
        let read = io.read(&mut buffer[length..]).await.unwrap();
        assert!(read > 0, "the connection has ended behind {}", String::from_utf8_lossy(&buffer[..length]));
        length += read;
    }
}

/// A client's messages of a WebSocket in one piece. Their mask is zero.
pub fn frames(texts: impl IntoIterator<Item = String>) -> Vec<u8> {
    let frame = |text: String| [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat();
    texts.into_iter().flat_map(frame).collect()
}

/// Reads messages of a WebSocket into one buffer until so many of this letter have come.
pub async fn read(io: &mut dyn Io, buffer: &mut [u8], letter: u8, count: usize) {
    let (mut length, mut found) = (0, 0);
    while found < count {
        length += io.read(&mut buffer[length..]).await.unwrap();
        let mut at = 0;
        while let Some(&[_, size]) = buffer.get(at..at + 2)
            && at + 2 + usize::from(size) <= length
        {
            assert!(size < 126, "a short message");
            found += usize::from(buffer[at + 2] == letter);
            at += 2 + usize::from(size);
        }
        buffer.copy_within(at..length, 0);
        length -= at;
    }
}

/// Writes messages at once and waits for as many of this letter on each connection, several times. Returns the costs
/// of the middle one: queues grow at times, and are given back.
pub fn exchange(bench: &Bench, all: &mut [&mut dyn Io], messages: &[u8], letter: u8, count: usize) -> Costs {
    usual(bench, async |buffer| {
        all[0].write_all(messages).await.unwrap();
        for io in &mut *all {
            read(*io, buffer, letter, count).await;
        }
    })
}

/// The bytes that are allocated in an exchange, which is given a buffer: the middle of several times.
pub fn usual_bytes(bench: &Bench, mut exchange: impl AsyncFnMut(&mut [u8])) -> u64 {
    let mut buffer = vec![0; 16 * 1024];
    let mut times: Vec<u64> = (0..TIMES).map(|_| bench.bytes(exchange(&mut buffer))).collect();
    times.sort_unstable();
    times[TIMES / 2] - bench.bytes(async {})
}

/// The costs of an exchange, which is given a buffer: the middle ones of several times.
pub fn usual(bench: &Bench, mut exchange: impl AsyncFnMut(&mut [u8])) -> Costs {
    let mut buffer = vec![0; 16 * 1024];
    let mut times: Vec<Costs> = (0..TIMES).map(|_| bench.costs(exchange(&mut buffer))).collect();
    times.sort_unstable();
    // The runtime allocates for the rest of its tasks, which is no cost of the exchange.
    times[TIMES / 2] - bench.costs(async {})
}
