//! Requests to a room whose members move to other nodes meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anywire::{Answers, Anywire, Live, RequestError, Server, Session, ShutDown, Why};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    house::House,
    juror::{Juror, Seated},
    support::Site,
    talk::shut_down,
};

/// A time that is over only if nothing else happens.
const LONG: Duration = Duration::from_secs(60);

const WINDOW: Duration = Duration::from_secs(10);

/// A room goes along with its members.
async fn juror(session: Session) {
    if session.why() != Why::Moved {
        session.join("jury");
    }
    while session.recv().await.is_some() {}
}

async fn house() -> House {
    let house = House::new(3, Anywire::builder().movable().handler(juror));
    house.ready().await;
    sleep(Duration::from_secs(2)).await;
    house
}

fn ask(live: &Live, number: u32) -> JoinHandle<Answers<u32>> {
    tokio::spawn(live.to("jury").request("n?", number).within(LONG).into_future())
}

/// A request, by its number, and what was told of it.
type Asked = (u32, Answers<u32>);

/// The sites of all nodes, with this one first.
fn sites(house: &House, first: usize) -> Vec<Site> {
    (0..3).map(|nth| house.node((first + nth) % 3)).collect()
}

/// Asks at these nodes in turn, until a node has shut down.
async fn ask_on(lives: &[Live], first: u32, shutdown: &JoinHandle<ShutDown>) -> Vec<Asked> {
    let mut asking = Vec::new();
    for (number, live) in (first..).zip(lives.iter().cycle()) {
        if shutdown.is_finished() {
            break;
        }
        asking.push((number, ask(live, number)));
        sleep(Duration::from_millis(40)).await;
    }
    let mut all = Vec::new();
    for (number, asked) in asking {
        all.push((number, asked.await.unwrap()));
    }
    all
}

/// The numbers of the requests that a juror has answered, and those whose answers are missing. It is told of each at most
/// once.
#[derive(Default)]
struct Told {
    answered: BTreeSet<u32>,
    missing: BTreeSet<u32>,
}

fn told(all: &[Asked]) -> BTreeMap<String, Told> {
    let mut told = BTreeMap::<String, Told>::new();
    for (number, answers) in all {
        assert_eq!((&answers.not_sent, &answers.unreached[..]), (&None, &[][..]), "all nodes are reached");
        let mut once = BTreeSet::new();
        for (session, answer) in &answers.answers {
            assert!(once.insert(session.to_string()), "told of twice: {answers:?}");
            assert_eq!(*answer, Ok(*number), "an answer to another request");
            told.entry(session.to_string()).or_default().answered.insert(*number);
        }
        for (session, why) in &answers.missing {
            assert!(once.insert(session.to_string()), "told of twice: {answers:?}");
            assert_eq!(*why, RequestError::Closed, "it has left before it answered");
            told.entry(session.to_string()).or_default().missing.insert(*number);
        }
    }
    told
}

/// A deploy: two of three nodes go one after the other, under requests of all nodes.
#[tokio::test(start_paused = true)]
async fn each_member_is_asked_once_and_told_of_once_while_it_moves() {
    let house = house().await;
    let mut jurors: Vec<(Seated, usize)> = Vec::new();
    for nth in 0..15 {
        let node = [0, 0, 0, 1, 2][nth % 5];
        let juror =
            Juror::open(sites(&house, node), |number| Duration::from_millis(u64::from(number) * 37 % 500)).await;
        jurors.push((juror.seat(), node));
    }
    let lives: Vec<Live> = house.servers.iter().map(Server::live).collect();
    let mut all = Vec::new();
    for node in [0, 1] {
        let shutdown = shut_down(&house, node, WINDOW).await;
        // The node that goes asks too, for as long as it is there.
        let first = u32::try_from(all.len()).unwrap();
        all.extend(ask_on(&lives[node..], first, &shutdown).await);
        let report = shutdown.await.unwrap();
        assert!(report.moved > 5 && (report.ended, report.cut) == (0, 0), "{report:?}");
    }
    let mut told = told(&all);
    for (juror, node) in jurors {
        let Told { answered, missing } = told.remove(&juror.id).unwrap_or_default();
        let asked = juror.rise().await;
        let numbers: BTreeSet<u32> = asked.iter().copied().collect();
        assert_eq!(numbers.len(), asked.len(), "it was asked twice");
        assert!(answered.union(&missing).all(|number| numbers.contains(number)), "of what it was not asked");
        let silent = all.len() - answered.len() - missing.len();
        // It thinks for half a second at most, and is on its way for less than the time between two requests.
        let moves = 2 - node;
        assert!(missing.len() <= 13 * moves && silent <= moves, "{node}: {} missing, {silent} silent", missing.len());
    }
}

/// Each node counts its requests. An answer to one that a session got at another node is none to another request of the same
/// number.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_at_another_node_is_of_no_request_of_that_one() {
    let house = house().await;
    let [a, b, _] = [0, 1, 2].map(|nth| house.servers[nth].live());
    let thinks = |number| Duration::from_secs(if number == 1 { 30 } else { 40 });
    let juror = Juror::open(sites(&house, 0), thinks).await.seat();
    // A request has its number before it is sent.
    let mine = b.to("jury").request("n?", 2).within(2 * LONG);
    let theirs = ask(&a, 1);
    sleep(Duration::from_secs(1)).await;
    let shutdown = shut_down(&house, 0, WINDOW).await;
    let theirs = theirs.await.unwrap();
    assert_eq!(theirs.missing.iter().map(|(_, why)| why).collect::<Vec<_>>(), [&RequestError::Closed]);
    while house.sessions() != [0, 1, 0] {
        sleep(Duration::from_millis(100)).await;
    }
    let mine: Answers<u32> = mine.await;
    assert_eq!(mine.answers.iter().map(|(_, answer)| answer).collect::<Vec<_>>(), [&Ok(2)], "{mine:?}");
    shutdown.await.unwrap();
    assert_eq!(juror.rise().await, [1, 2]);
}
