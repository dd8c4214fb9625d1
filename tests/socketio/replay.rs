//! Sends the client's lines of a transcript to a server of ours, and compares its lines.
//!
//! A client polls when its last poll is answered, so that a poll that the recording has meanwhile is none here: which
//! packets share an answer is no rule. Everything else is sent where it stands, behind all that came before it.

use std::{collections::BTreeMap, time::Duration};

use axum::http::Method;
use tokio::task::JoinHandle;

use super::{
    client::{Client, Got, Socket},
    recorded::{Seen, Session, is_noop, packets_of},
    recording::{Line, Names, Packet, Said, body, is_same, lines, named, packets},
    transcripts::{Application, Cue, Differences},
};

/// Nothing that is awaited takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An exchange over HTTP that is no poll of a session.
enum Exchange {
    /// A handshake whose answer is not there yet, or is.
    Handshake(Client, Option<JoinHandle<Got>>, Option<Got>),
    /// A POST whose body is not sent yet.
    Head {
        session: String,
        query: String,
        content_type: String,
    },
    Post(JoinHandle<Got>, Option<Got>),
    Poll {
        session: String,
    },
    /// A WebSocket of a session that is not known yet, or of this one.
    Socket {
        opening: Option<Box<(Client, Socket)>>,
        session: String,
    },
}

pub struct Replay {
    transcript: String,
    client: Client,
    /// The packets are in MessagePack.
    packed: bool,
    application: Application,
    differences: Differences,
    names: Names,
    sessions: BTreeMap<String, Session>,
    exchanges: BTreeMap<String, Exchange>,
    /// How many lines of the server were compared.
    pub compared: usize,
}

impl Replay {
    pub fn new(client: Client, packed: bool, application: Application, differences: Differences) -> Self {
        Replay {
            transcript: String::new(),
            client,
            packed,
            application,
            differences,
            names: Names::new(),
            sessions: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            compared: 0,
        }
    }

    /// Replays all lines of this transcript. Returns what the applications saw, the differences that were met, and the application.
    pub async fn run(mut self, name: &str) -> (Vec<Seen>, usize, Differences, Application) {
        self.transcript = name.to_owned();
        for line in lines(name) {
            let shown = format!("{name}: {line:?}").chars().take(300).collect::<String>();
            let step = tokio::time::timeout(PATIENCE, self.step(line));
            step.await.unwrap_or_else(|_| panic!("nothing came for {shown}"));
        }
        let mut seen = Vec::new();
        for (name, session) in std::mem::take(&mut self.sessions) {
            seen.push(session.end(self.names[&name].clone()).await);
        }
        (seen, self.compared, self.differences, self.application)
    }

    async fn step(&mut self, line: Line) {
        match line {
            Line::Comment(comment) => match Cue::of_comment(&comment) {
                Some(cue) => self.application.cue(cue).await,
                None => self.application.expects(&comment).await,
            },
            Line::Said { exchange, from_client: true, said } => self.client_says(exchange, said).await,
            Line::Said { exchange, from_client: false, said } => self.server_says(&exchange, said).await,
        }
    }

    async fn client_says(&mut self, exchange: String, said: Said) {
        match self.exchanges.remove(&exchange) {
            None => {
                let begun = self.begin(said.text()).await;
                self.exchanges.insert(exchange, begun);
            }
            Some(Exchange::Head { session, query, content_type }) => {
                let of = self.sessions.get_mut(&session).unwrap();
                let mut packets = packets(of.client.revision, said.text());
                packets.iter_mut().for_each(|packet| of.say(packet));
                let mut client = of.client.clone();
                client.headers.push(("content-type", content_type));
                let body = body(client.revision, &packets);
                let post = async move { client.ask(Method::POST, &query, body).await };
                self.exchanges.insert(exchange, Exchange::Post(tokio::spawn(post), None));
            }
            Some(socket @ Exchange::Socket { .. }) => {
                let Exchange::Socket { session, .. } = &socket else { unreachable!() };
                let session = self.sessions.get_mut(session).expect("a session that is open");
                session.say_by_socket(&said).await;
                self.exchanges.insert(exchange, socket);
            }
            Some(_) => panic!("{exchange} goes on with {said:?}"),
        }
    }

    async fn begin(&mut self, line: &str) -> Exchange {
        let (method, rest) = line.split_once(' ').unwrap();
        let (path, content_type) = rest.split_once("  [").unwrap_or((rest, ""));
        let (_, query) = path.split_once('?').unwrap();
        let session = query.split('&').find_map(|pair| pair.strip_prefix("sid=")).unwrap_or_default().to_owned();
        let revision = if query.contains("EIO=4") { 4 } else { 3 };
        let client = Client { revision, ..self.client.clone() };
        let query = named(query, &self.names);
        match (method, &*session) {
            ("GET", "") => {
                let asker = client.clone();
                let handshake = async move { asker.ask(Method::GET, &query, "").await };
                Exchange::Handshake(client, Some(tokio::spawn(handshake)), None)
            }
            ("GET", _) => {
                let of = self.sessions.get_mut(&session).unwrap();
                of.query = query;
                if of.poll.is_none() {
                    of.start_poll();
                }
                Exchange::Poll { session }
            }
            ("POST", _) => {
                Exchange::Head { session, query, content_type: content_type.trim_end_matches(']').to_owned() }
            }
            ("open", _) => {
                let socket = client.try_socket(&query).await.expect("101");
                match self.sessions.get_mut(&session) {
                    Some(of) => {
                        of.socket = Some(socket);
                        Exchange::Socket { opening: None, session }
                    }
                    None => Exchange::Socket { opening: Some(Box::new((client, socket))), session },
                }
            }
            _ => panic!("{line}"),
        }
    }

    async fn server_says(&mut self, exchange: &str, said: Said) {
        let mut of = self.exchanges.remove(exchange).expect("an exchange");
        match &mut of {
            Exchange::Head { .. } => panic!("{exchange} is answered before it was sent"),
            Exchange::Handshake(client, answer, got) => {
                let text = said.text();
                match got {
                    None => *got = Some(self.head(answer.take().unwrap(), text).await),
                    Some(got) if text != "end" => {
                        let packets = packets(client.revision, got.text());
                        let [Packet::Text(ours)] = &packets[..] else {
                            panic!("{packets:?} where {text} was recorded")
                        };
                        // The length before it is that of another sid.
                        let recorded = text.split_once(':').filter(|_| client.revision == 3).map_or(text, |it| it.1);
                        self.opened(client.clone(), recorded, ours, None);
                    }
                    Some(_) => {}
                }
            }
            Exchange::Post(answer, got) => match got {
                None => *got = Some(self.head_of(answer, said.text()).await),
                Some(got) if said.text() != "end" => self.compare(said.text(), got.text()),
                Some(_) => {}
            },
            Exchange::Poll { session } => {
                let is_head = said.text().starts_with("200 ") || said.text() == "end";
                let revision = self.sessions[session].client.revision;
                let recorded = if is_head { Vec::new() } else { packets(revision, said.text()) };
                // A client that gets nothing goes on all the same, so that its poll is answered here too.
                if recorded.iter().all(is_noop) && !recorded.is_empty() {
                    self.sessions.get_mut(session).unwrap().wait_for_poll().await;
                }
                for packet in recorded.into_iter().filter(|packet| !is_noop(packet)) {
                    self.hears(session.clone(), packet).await;
                }
            }
            Exchange::Socket { opening, session } => match opening.take() {
                Some(opening) if said.text() != "101" => {
                    let (client, mut socket) = *opening;
                    let ours = socket.text().await;
                    *session = self.name_of(said.text());
                    self.opened(client, said.text(), &ours, Some(socket));
                }
                waiting @ Some(_) => *opening = waiting,
                None => self.hears_by_socket(session.clone(), said).await,
            },
        }
        self.exchanges.insert(exchange.to_owned(), of);
    }

    async fn head(&mut self, mut answer: JoinHandle<Got>, recorded: &str) -> Got {
        self.head_of(&mut answer, recorded).await
    }

    /// The answer, whose status and type are the recorded ones.
    async fn head_of(&mut self, answer: &mut JoinHandle<Got>, recorded: &str) -> Got {
        let got = answer.await.unwrap();
        let ours = format!("{} {}", got.status, got.header("content-type").unwrap_or("-"));
        self.compare(recorded, &ours);
        got
    }

    fn compare(&mut self, recorded: &str, ours: &str) {
        self.compared += 1;
        let expected = self.differences.expected(&self.transcript, recorded);
        let of = &self.transcript;
        assert!(is_same(&expected, ours, &mut self.names), "{of}: {ours:?} where {recorded:?} was recorded");
    }

    /// The name of the session that an open packet opens.
    fn name_of(&self, packet: &str) -> String {
        let (_, rest) = packet.split_once("\"sid\":\"").expect("an open packet");
        rest.split('"').next().unwrap().to_owned()
    }

    fn opened(&mut self, client: Client, recorded: &str, ours: &str, socket: Option<Socket>) {
        self.compare(recorded, ours);
        let name = self.name_of(recorded);
        let session = Session::new(client, self.packed, socket);
        self.sessions.insert(name, session);
    }

    async fn hears_by_socket(&mut self, session: String, said: Said) {
        match said {
            Said::Text(text) if text == "101" => {}
            Said::Text(text) if text == "3probe" => {
                let socket = self.sessions.get_mut(&session).unwrap().socket.as_mut().unwrap();
                let ours = socket.text().await;
                self.compare(&text, &ours);
            }
            Said::Text(text) => match text.strip_prefix("close ") {
                Some(code) => {
                    let closed = Packet::Closed(Some(code.parse().unwrap()));
                    self.hears(session, closed).await;
                }
                None => self.hears(session, Packet::Text(text)).await,
            },
            Said::Bytes(bytes) => {
                let session_of = &self.sessions[&session];
                let packets = packets_of(self.packed, session_of.message_of(&bytes));
                for mut packet in packets {
                    // Ids in bytes have no names in the recording.
                    if let Packet::Text(text) = &mut packet
                        && let Some((before, id)) = text.split_once("{\"sid\":\"")
                    {
                        let (_, behind) = id.split_once('"').unwrap();
                        *text = format!("{before}{{\"sid\":\"<sid-1>\"{behind}");
                    }
                    self.hears(session.clone(), packet).await;
                }
            }
        }
    }

    /// The server's next packet is this one.
    async fn hears(&mut self, name: String, recorded: Packet) {
        if let Packet::Text(text) = &recorded
            && let Some(cue) = Cue::of_packet(text)
        {
            self.application.cue(cue).await;
        }
        let session = self.sessions.get_mut(&name).unwrap();
        let ours = session.next().await;
        session.heard[0].push(recorded.clone());
        session.heard[1].push(ours.clone());
        match (&recorded, &ours) {
            (Packet::Text(recorded), Packet::Text(ours)) => {
                let recorded = session.with_id_of(recorded, ours);
                self.compare(&recorded, ours);
            }
            (Packet::Closed(_), Packet::Closed(_)) => {
                let shown = |packet: &Packet| format!("{packet:?}");
                self.compare(&shown(&recorded), &shown(&ours));
            }
            _ => {
                self.compared += 1;
                assert_eq!(ours, recorded);
            }
        }
    }
}
