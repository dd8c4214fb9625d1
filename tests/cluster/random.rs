//! Many sessions whose requests reach any node: none of those that live is ever unknown, and nothing is lost or repeated.

use crate::{
    house::House,
    support::{Peer, Socket, draw},
};

const SCENARIOS: usize = 300;
const STEPS: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Poll,
    Stream,
    Socket,
    Switch,
    Cut,
}

const ALL: [Step; 8] =
    [Step::Send, Step::Send, Step::Poll, Step::Poll, Step::Stream, Step::Socket, Step::Switch, Step::Cut];

/// One client, and how many messages it has sent.
struct Scenario {
    peer: Peer,
    sent: usize,
    socket: Option<Socket>,
}

impl Scenario {
    async fn step(&mut self, step: Step) {
        let peer = &mut self.peer;
        if self.socket.is_none() && !peer.seen {
            peer.poll().await;
        }
        match (step, &mut self.socket) {
            (Step::Send, Some(socket)) => {
                peer.put(format!("{}", self.sent));
                self.sent += 1;
                let last = peer.outbox.back().unwrap().1.clone();
                socket.payload(&last).await;
                let count = peer.got.len() + 1;
                peer.take_until(socket, count).await;
            }
            (Step::Send, None) => {
                peer.send(format!("{}", self.sent)).await;
                self.sent += 1;
            }
            (Step::Socket, _) => {
                let mut socket = peer.resume_socket().await;
                peer.take_until(&mut socket, self.sent).await;
                // The server has all of what was sent, so that the next message is numbered by its place.
                while !peer.outbox.is_empty() {
                    peer.take(&socket.records().await);
                }
                socket.text(format!("n{}:", peer.last + 1)).await;
                self.socket = Some(socket);
            }
            (Step::Cut | Step::Switch | Step::Poll | Step::Stream, Some(_)) => {
                self.socket = None;
                peer.switch();
                peer.poll().await;
            }
            (Step::Switch, None) => {
                peer.switch();
                peer.poll().await;
            }
            (Step::Poll | Step::Stream | Step::Cut, None) if peer.got.len() == self.sent => {}
            (Step::Poll, None) => drop(peer.poll().await),
            (Step::Stream, None) => {
                let mut stream = peer.stream("fetch-stream").await;
                while peer.got.len() < self.sent {
                    let records = stream.next().await.expect("the stream goes on");
                    peer.take(&records);
                }
                drop(stream);
                peer.switch();
            }
            (Step::Cut, None) => {
                drop(peer.stream("xhr-stream").await);
                peer.switch();
            }
        }
        assert_eq!(self.peer.closed, None);
    }
}

#[tokio::test(start_paused = true)]
async fn no_session_that_lives_is_unknown() {
    let house = House::of_echoes();
    for nth in 0..SCENARIOS {
        let mut scenario = Scenario { peer: Peer::open(&house.site).await, sent: 0, socket: None };
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            let step = *draw(&ALL);
            steps.push(step);
            scenario.step(step).await;
        }
        let Scenario { mut peer, sent, socket } = scenario;
        drop(socket);
        peer.switch();
        while peer.got.len() < sent {
            peer.poll().await;
        }
        let expected: Vec<_> = (0..sent).map(|number| number.to_string()).collect();
        assert_eq!(peer.texts(), expected, "scenario {nth}: {steps:?}");
    }
    let sessions = house.sessions();
    assert_eq!(sessions.iter().sum::<usize>(), SCENARIOS);
    assert!(sessions.iter().all(|count| *count > SCENARIOS / 5), "{sessions:?}");
}
