//! The words of a sequencer, as its nodes hear them.

use tokio::net::{UnixStream, unix::OwnedWriteHalf};

use super::*;
use crate::cluster::host::streams::Inlet;

/// A node at the other end of a connection.
struct Ear {
    number: Number,
    outlet: Arc<Outlet>,
    write: OwnedWriteHalf,
    inlet: Inlet,
}

impl Ear {
    fn new(state: &mut State, most: usize) -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        let outlet = Arc::new(Outlet::new(most));
        let (number, write) = (state.connected(outlet.clone()), near.into_split().1);
        Ear { number, outlet, write, inlet: Inlet::new(far.into_split().0) }
    }

    async fn member(state: &mut State, member: Member) -> Self {
        let mut ear = Ear::new(state, 1 << 20);
        assert_eq!(state.handle(0, ear.number, 1, Ask::Hello { version: VERSION, member }), Handled::Good);
        assert_eq!(ear.hears().await, (1, Answer::Done));
        ear
    }

    async fn hears(&mut self) -> (u32, Answer) {
        tokio::select! {
            frame = self.inlet.next() => Answer::read(frame.unwrap()).unwrap(),
            error = self.outlet.run(&mut self.write) => panic!("{error}"),
        }
    }

    /// Nothing was said besides what was heard: an answer to this is the next word.
    async fn hears_no_more(&mut self, state: &mut State) {
        assert_eq!(state.handle(0, self.number, 99, Ask::Ping), Handled::Good);
        assert_eq!(self.hears().await, (99, Answer::Done));
    }
}

fn claim(key: &'static str, value: &'static str) -> Ask {
    let [key, value] = [key, value].map(Bytes::from);
    Ask::Swap { key, from: value.clone(), to: value, keep: 60_000 }
}

fn tell(key: &'static str, value: &'static str) -> Ask {
    Ask::Tell { key: key.into(), value: value.into(), keep: 60_000 }
}

fn held(value: &'static str) -> Answer {
    Answer::Value(Some(value.into()))
}

/// Nobody gets a claim that a process of the epoch before may have: neither one that tells late, nor one that died.
#[tokio::test]
async fn claims_wait_for_those_that_lived_before() {
    let mut state = State::new(0, [1, 2].into(), Histories::default());
    let mut one = Ear::member(&mut state, 1).await;
    let mut new = Ear::member(&mut state, 3).await;
    state.handle(0, new.number, 2, claim("key", "new"));
    state.handle(0, new.number, 3, Ask::Look { key: "key".into() });
    state.handle(0, one.number, 2, tell("key", "one"));
    state.handle(0, one.number, 3, Ask::Told);
    assert_eq!(one.hears().await, (3, Answer::Done));
    new.hears_no_more(&mut state).await;
    // One has told, and does not listen yet; the other has done neither.
    let mut awaited = state.awaited();
    awaited.sort_unstable();
    assert_eq!(awaited, [1, 2]);
    state.told(900, 2);
    assert_eq!(new.hears().await, (2, held("one")));
    assert_eq!(new.hears().await, (3, held("one")));
    // From then on all is answered at once.
    state.handle(901, new.number, 4, claim("other", "new"));
    assert_eq!(new.hears().await, (4, Answer::Value(None)));
}

#[tokio::test]
async fn a_process_that_does_not_tell_is_not_waited_for_without_end() {
    let mut state = State::new(0, [1, 2].into(), Histories::default());
    let mut new = Ear::member(&mut state, 3).await;
    let mut gone = Ear::member(&mut state, 4).await;
    state.handle(0, new.number, 2, claim("key", "new"));
    state.handle(0, gone.number, 2, claim("key", "gone"));
    gone.hears_no_more(&mut state).await;
    state.disconnected(gone.number);
    state.handle(500, new.number, 3, claim("key", "new"));
    state.tick(PATIENCE - 1);
    new.hears_no_more(&mut state).await;
    state.tick(PATIENCE);
    let (2, Answer::Refused(why)) = new.hears().await else { panic!("it was not refused") };
    assert_eq!(why, "a process that may have claimed it does not answer");
    new.hears_no_more(&mut state).await;
    state.tick(PATIENCE + 500);
    assert!(matches!(new.hears().await, (3, Answer::Refused(_))));
    state.handle(TELLING - 1, new.number, 4, claim("key", "new"));
    new.hears_no_more(&mut state).await;
    state.tick(TELLING);
    assert_eq!(new.hears().await, (4, Answer::Value(None)));
    assert!(state.carries(TELLING) && state.awaited().is_empty());
    // A process that tells then finds that somebody else has it.
    let mut late = Ear::member(&mut state, 1).await;
    state.handle(TELLING, late.number, 2, tell("key", "late"));
    state.handle(TELLING, late.number, 3, Ask::Look { key: "key".into() });
    assert_eq!(late.hears().await, (3, held("new")));
}

#[tokio::test]
async fn who_does_not_speak_as_a_node_is_not_heard() {
    let mut state = State::new(0, HashSet::new(), Histories::default());
    state.tick(0);
    let stranger = Ear::new(&mut state, 1 << 20);
    assert_eq!(state.handle(0, stranger.number, 1, Ask::Ping), Handled::Bad);
    let mut old = Ear::new(&mut state, 1 << 20);
    assert_eq!(state.handle(0, old.number, 1, Ask::Hello { version: VERSION + 1, member: 1 }), Handled::Good);
    assert!(matches!(old.hears().await, (1, Answer::Refused(_))));
    assert_eq!(state.handle(0, old.number, 2, claim("key", "old")), Handled::Bad);
    let twice = Ear::member(&mut state, 1).await;
    assert_eq!(state.handle(0, twice.number, 2, Ask::Hello { version: VERSION, member: 1 }), Handled::Bad);
    assert_eq!(state.handle(0, 4711, 1, Ask::Ping), Handled::Bad);
    // A connection that is gone is asked for nothing and told nothing.
    state.disconnected(twice.number);
    assert_eq!(state.handle(0, twice.number, 3, Ask::Ping), Handled::Bad);
    assert_eq!(state.connections(), 2);
}

#[tokio::test]
async fn one_that_takes_nothing_is_cut_off_alone() {
    let mut state = State::new(0, HashSet::new(), Histories::default());
    let mut ears = vec![Ear::member(&mut state, 1).await, Ear::member(&mut state, 2).await];
    let slow = Ear::new(&mut state, 4096);
    state.handle(0, slow.number, 1, Ask::Hello { version: VERSION, member: 3 });
    let interest = || Ask::Interest { add: vec!["room".into(), "room".into()], drop: vec![] };
    for number in [ears[0].number, ears[1].number, slow.number] {
        state.handle(0, number, 2, interest());
    }
    for ear in &mut ears {
        assert_eq!(ear.hears().await, (2, Answer::Done));
    }
    for n in 0_u8..10 {
        let body = Bytes::from(vec![n; 1000]);
        state.handle(0, ears[0].number, 0, Ask::Publish { topic: "room".into(), body });
    }
    for n in 0_u8..10 {
        for ear in &mut ears {
            let body = Bytes::from(vec![n; 1000]);
            assert_eq!(ear.hears().await, (0, Answer::Publication { topic: "room".into(), body }));
        }
    }
    assert_eq!(slow.outlet.push(Bytes::new()), Pushed::Closed);
    state.disconnected(slow.number);
    state.handle(0, ears[1].number, 3, Ask::Interest { add: vec![], drop: vec!["room".into(), "no".into()] });
    assert_eq!(ears[1].hears().await, (3, Answer::Done));
    assert_eq!(state.topics.len(), 1);
    let first = ears[0].number;
    state.disconnected(first);
    assert!(state.topics.is_empty(), "nobody wants it any more");
}

/// A process that is told so has missed nothing of the epoch: all that is published waits for it.
#[tokio::test]
async fn who_listens_before_anything_is_published_is_told_so() {
    let mut state = State::new(0, [1, 2].into(), Histories::default());
    let mut one = Ear::member(&mut state, 1).await;
    let mut two = Ear::member(&mut state, 2).await;
    let mut new = Ear::member(&mut state, 3).await;
    for ear in [&one, &new] {
        state.handle(1, ear.number, 2, Ask::Listens);
    }
    assert_eq!(one.hears().await, (2, Answer::InTime));
    assert_eq!(new.hears().await, (2, Answer::Done), "it is not waited for");
    assert!(!state.carries(PATIENCE - 1));
    assert!(state.carries(PATIENCE));
    for ear in [&two, &one] {
        state.handle(PATIENCE, ear.number, 3, Ask::Listens);
    }
    assert_eq!(two.hears().await, (3, Answer::Done), "something may have been published");
    assert_eq!(one.hears().await, (3, Answer::Done), "this is another connection of it, perhaps");
}

#[tokio::test]
async fn the_last_word_comes_behind_all_that_was_published() {
    let mut state = State::new(0, HashSet::new(), Histories::default());
    let mut one = Ear::member(&mut state, 1).await;
    let mut two = Ear::member(&mut state, 2).await;
    let interest = Ask::Interest { add: vec!["topic".into()], drop: vec![] };
    state.handle(0, one.number, 2, interest);
    assert_eq!(one.hears().await, (2, Answer::Done));
    let publish = || Ask::Publish { topic: "topic".into(), body: "body".into() };
    state.handle(0, two.number, NO_ID, publish());
    assert_eq!(state.end().len(), 2);
    let publication = Answer::Publication { topic: "topic".into(), body: "body".into() };
    assert_eq!(one.hears().await, (NO_ID, publication));
    assert_eq!(one.hears().await, (NO_ID, Answer::Over));
    assert_eq!(two.hears().await, (NO_ID, Answer::Over));
    // The next epoch is for all that comes behind it.
    for ask in [publish(), Ask::Told, claim("key", "two")] {
        assert_eq!(state.handle(0, two.number, 3, ask), Handled::Over);
    }
    assert_eq!(two.outlet.last(), 2, "it has heard its greeting and the last word");
    let mut late = Ear::new(&mut state, 1 << 20);
    assert_eq!(late.hears().await, (NO_ID, Answer::Over));
}

#[tokio::test]
async fn the_heirs_are_those_that_have_told_what_they_have() {
    let mut state = State::new(0, HashSet::new(), Histories::default());
    let [here, one, _other] =
        [Ear::member(&mut state, 1).await, Ear::member(&mut state, 2).await, Ear::member(&mut state, 3).await];
    for ear in [&here, &one] {
        state.handle(0, ear.number, 2, Ask::Told);
    }
    assert_eq!(state.heirs(1), [(2, one.number)]);
    state.disconnected(one.number);
    assert_eq!(state.heirs(1), []);
}
