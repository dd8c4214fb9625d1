//! Fifty clients that send a little and wait for its echo, and one after the other that wants to come in.

use std::{io::Write, net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::support::{Body, Peer, Record, Site, Socket, SocketEvent, Spelling, attempt};

const CLIENTS: usize = 50;
/// A client that has waited for so long has lost its session.
const PATIENCE: Duration = Duration::from_secs(10);

/// The report of the honest clients, in one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) echoes: u64,
    /// Sessions that ended, or whose echo did not come.
    pub(crate) lost: u64,
    /// Times in microseconds.
    pub(crate) median: u64,
    pub(crate) p99: u64,
    /// The longest time in which no newcomer came in, in microseconds.
    pub(crate) kept_out: u64,
}

impl Report {
    const MARK: &str = "report: ";

    fn line(&self) -> String {
        let Report { echoes, lost, median, p99, kept_out } = self;
        format!("{}{echoes} {lost} {median} {p99} {kept_out}", Self::MARK)
    }

    pub(crate) fn read(line: &str) -> Option<Self> {
        let (_, numbers) = line.split_once(Self::MARK)?;
        let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let [echoes, lost, median, p99, kept_out] = numbers.try_into().unwrap();
        Some(Report { echoes, lost, median, p99, kept_out })
    }
}

/// Opens, reports that it is ready, and measures once a line comes in, for as many seconds as the line says.
pub(crate) async fn run(address: SocketAddr) {
    let site = Site::at(address).forwarded_for("192.0.2.1");
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let socket = number % 2 == 0;
        clients.push(if socket {
            let (peer, socket) = Peer::open_socket(&site).await;
            Client { peer, link: Link::Socket(Box::new(socket)) }
        } else {
            let mut peer = Peer::open(&site).await;
            peer.upload().await;
            Client { peer, link: if number % 4 == 1 { Link::Stream } else { Link::Poll } }
        });
    }
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let end = Instant::now() + Duration::from_secs(line.trim().parse().unwrap());
    let newcomers = tokio::spawn(newcomers(Site::at(address).forwarded_for("192.0.2.2"), end));
    let clients: Vec<_> = clients.into_iter().map(|client| tokio::spawn(client.run(end))).collect();
    let (mut times, mut lost) = (Vec::new(), 0);
    for client in clients {
        match client.await {
            Ok(measured) => times.extend(measured),
            Err(_) => lost += 1,
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(0);
    let kept_out = newcomers.await.unwrap();
    let report = Report { echoes: times.len() as u64, lost, median: at(50), p99: at(99), kept_out };
    println!("\n{}", report.line());
}

enum Link {
    Socket(Box<Socket>),
    Stream,
    Poll,
}

struct Client {
    peer: Peer,
    link: Link,
}

impl Client {
    /// The times of its echoes, in microseconds. It panics if its session or a message is lost.
    async fn run(mut self, end: Instant) -> Vec<u64> {
        let mut times = Vec::new();
        let mut stream = None;
        if matches!(self.link, Link::Stream) {
            self.peer.switch();
            stream = Some(self.peer.stream("fetch-stream").await);
        }
        while Instant::now() < end {
            let began = Instant::now();
            let text = format!("echo {}", times.len());
            let echo = async {
                self.peer.put(text.as_str());
                match (&mut self.link, &mut stream) {
                    (Link::Socket(socket), _) => over_socket(&mut self.peer, socket).await,
                    (Link::Stream, Some(stream)) => {
                        self.peer.upload().await;
                        while self.peer.got.is_empty() {
                            if let Some(records) = stream.next().await {
                                self.peer.take(&records);
                            } else {
                                *stream = self.peer.stream("fetch-stream").await;
                            }
                        }
                    }
                    _ => {
                        self.peer.upload().await;
                        while self.peer.got.is_empty() {
                            self.peer.turn = self.peer.turn % 9_000 + 1;
                            self.peer.poll().await;
                        }
                    }
                }
            };
            timeout(PATIENCE, echo).await.expect("an echo that does not come");
            times.push(began.elapsed().as_micros() as u64);
            assert_eq!(self.peer.texts(), [text], "lost or repeated");
            self.peer.got.clear();
            sleep(Duration::from_millis(100)).await;
        }
        times
    }
}

async fn over_socket(peer: &mut Peer, socket: &mut Socket) {
    socket.flight(peer).await;
    while peer.got.is_empty() {
        let SocketEvent::Records(records) = socket.next().await else { panic!("the WebSocket has ended") };
        peer.take(&records);
        for record in &records {
            if let Record::Ping(id) | Record::PingAck(id, _) = record {
                socket.text(format!("q{id},{}:", peer.received)).await;
            }
        }
    }
    socket.text(format!("a{}:", peer.received)).await;
}

/// Newcomers try to come in, one after the other. Returns the longest time without success, in microseconds.
async fn newcomers(site: Site, end: Instant) -> u64 {
    let (mut longest, mut since) = (Duration::ZERO, Instant::now());
    while Instant::now() < end {
        let mut peer = Peer::new(&site);
        let body = Body::new(Spelling::Text).with_text('o', &[&1, &1, &attempt()], "");
        let answer = timeout(PATIENCE, site.post("open", body.bytes)).await;
        if let Ok(answer) = answer
            && answer.status.is_success()
        {
            peer.take(&answer.records());
            let body = peer.upload_head().with_text('c', &[&1, &1000], "");
            site.post(&peer.path("send"), body.bytes).await;
            longest = longest.max(since.elapsed());
            since = Instant::now();
        }
        sleep(Duration::from_millis(50)).await;
    }
    longest.max(since.elapsed()).as_micros() as u64
}
