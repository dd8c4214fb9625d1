//! Consumers of a queue that come, acknowledge, refuse, dawdle and vanish on several threads: each message is settled
//! once. Beside it a topic, whose messages each subscriber gets in order and without a gap.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use anywire::Stomp;
use tokio::{sync::watch, time::sleep};

use super::{
    client::{Client, Heard, VERSIONS},
    frame::Frame,
    house,
    wire::{CARRIERS, Carrier},
};
use crate::support::Site;

const PRODUCERS: usize = 3;
const MESSAGES: usize = 200;
const CONSUMERS: usize = 6;

/// The fate of the messages, by their texts.
#[derive(Default)]
struct Book {
    /// The RECEIPT of their ACK has come.
    settled: BTreeSet<String>,
    /// Their client vanished before the RECEIPT of an ACK came: it may have been taken or not.
    in_doubt: BTreeSet<String>,
}

struct Random(u64);

impl Random {
    /// A number below this one.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

struct Consumer {
    client: Client,
    random: Random,
    /// Messages that were not answered yet.
    held: Vec<Frame>,
    /// The texts of messages whose ACK has no RECEIPT yet.
    asked: BTreeMap<String, String>,
    /// The next message of the topic, by producer.
    next: BTreeMap<String, usize>,
    asks: usize,
}

impl Consumer {
    async fn connect(site: &Site, carrier: Carrier, version: &str, seed: u64) -> Self {
        let mut client = Client::connect_over(site, carrier, version, "").await;
        client.say("SUBSCRIBE\nid:q\ndestination:/queue/work\nack:client-individual\n\n^@").await;
        client.say("SUBSCRIBE\nid:t\ndestination:/topic/news\n\n^@").await;
        let (held, asked, next) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Consumer { client, random: Random(seed), held, asked, next, asks: 0 }
    }

    /// Hears one thing and answers it. `calm`: it acknowledges everything at once.
    async fn turn(&mut self, book: &Mutex<Book>, calm: bool) {
        let frame = match self.client.hear().await {
            Heard::Frame(frame) => frame,
            Heard::Beat => return,
            Heard::End(code) => panic!("the session ended with {code}"),
        };
        match (&*frame.command, frame.get("destination")) {
            ("RECEIPT", _) => {
                let text = self.asked.remove(frame.header("receipt-id")).expect("it was asked for");
                assert!(book.lock().unwrap().settled.insert(text.clone()), "{text} is settled twice");
            }
            ("MESSAGE", Some("/topic/news")) => self.news(&frame),
            ("MESSAGE", Some("/queue/work")) => {
                assert!(!book.lock().unwrap().settled.contains(frame.text()), "{frame:?} was settled before");
                self.held.push(frame);
            }
            _ => panic!("{frame:?}"),
        }
        let most = if calm { 1 } else { 4 };
        if !self.held.is_empty() && self.random.below(most) == 0 {
            let at = usize::try_from(self.random.below(self.held.len() as u64)).unwrap();
            let message = self.held.swap_remove(at);
            let refuses = !calm && self.random.below(5) == 0;
            self.answer(&message, refuses).await;
        }
    }

    async fn answer(&mut self, message: &Frame, refuses: bool) {
        let lines = self.client.settling(if refuses { "NACK" } else { "ACK" }, message);
        if refuses {
            return self.client.say(&format!("{lines}\n\n^@")).await;
        }
        self.asks += 1;
        let receipt = format!("a{}", self.asks);
        self.asked.insert(receipt.clone(), message.text().to_owned());
        self.client.say(&format!("{lines}\nreceipt:{receipt}\n\n^@")).await;
    }

    /// The messages of each producer follow each other from the first one that was heard.
    fn news(&mut self, frame: &Frame) {
        let (producer, number) = frame.text().split_once('-').unwrap();
        let number: usize = number.parse().unwrap();
        let next = self.next.entry(producer.to_owned()).or_insert(number);
        assert_eq!(*next, number, "of {producer}");
        *next += 1;
    }

    /// The connection is cut.
    fn vanish(self, book: &Mutex<Book>) {
        book.lock().unwrap().in_doubt.extend(self.asked.into_values());
    }
}

async fn produce(site: Site, name: usize) {
    let mut client = Client::connect(&site, VERSIONS[name % 3]).await;
    for number in 0..MESSAGES {
        client.publish("/queue/work", &format!("{name}-{number}")).await;
        client.publish("/topic/news", &format!("{name}-{number}")).await;
    }
}

/// Consumers, one after the other, each of which vanishes after some turns, or when all is produced.
async fn consume(site: Site, book: Arc<Mutex<Book>>, mut left: watch::Receiver<usize>, seed: u64) {
    let mut random = Random(seed);
    while *left.borrow() > 0 {
        let carrier = CARRIERS[usize::try_from(random.below(4)).unwrap()];
        // A session of our own outlives its connection, so that one does not vanish here.
        let carrier = if carrier == Carrier::Native { Carrier::WebSocket } else { carrier };
        let version = VERSIONS[1 + usize::try_from(random.below(2)).unwrap()];
        let mut consumer = Consumer::connect(&site, carrier, version, random.below(1 << 32)).await;
        for _ in 0..random.below(60) {
            tokio::select! {
                () = consumer.turn(&book, false) => {}
                _ = left.wait_for(|left| *left == 0) => break,
            }
        }
        consumer.vanish(&book);
    }
}

/// Waits until it is so.
async fn until(it_is_so: impl Fn() -> bool) {
    while !it_is_so() {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_message_of_a_queue_is_settled_once_whoever_vanishes() {
    for seed in 0..4 {
        let (live, site) = house(Stomp::new());
        let book = Arc::new(Mutex::new(Book::default()));
        let left = watch::Sender::new(PRODUCERS);
        let consumers: Vec<_> = (0..CONSUMERS as u64)
            .map(|nth| tokio::spawn(consume(site.clone(), book.clone(), left.subscribe(), seed * 100 + nth)))
            .collect();
        let mut calm = Consumer::connect(&site, Carrier::Native, "1.2", seed).await;
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|name| {
                let (site, left) = (site.clone(), left.clone());
                tokio::spawn(async move {
                    produce(site, name).await;
                    left.send_modify(|left| *left -= 1);
                })
            })
            .collect();
        // It takes what comes, and all that the others leave behind.
        let goes_on = || *left.borrow() > 0 || live.stats().stomp_queued > 0;
        while goes_on() || !calm.asked.is_empty() {
            // The last message may be settled by a consumer that has vanished meanwhile: then nothing more is heard.
            tokio::select! {
                () = calm.turn(&book, true) => {}
                () = until(|| !goes_on()), if calm.asked.is_empty() => {}
            }
        }
        for task in producers.into_iter().chain(consumers) {
            task.await.unwrap();
        }
        assert_eq!(live.stats().stomp_dropped_total, 0, "seed {seed}");
        let book = book.lock().unwrap();
        let all: BTreeSet<String> = book.settled.union(&book.in_doubt).cloned().collect();
        let sent: BTreeSet<String> =
            (0..PRODUCERS).flat_map(|name| (0..MESSAGES).map(move |number| format!("{name}-{number}"))).collect();
        assert_eq!(all, sent, "seed {seed}");
        assert!(!book.in_doubt.is_empty() && book.settled.len() > sent.len() / 2, "seed {seed}: it tried something");
    }
}
