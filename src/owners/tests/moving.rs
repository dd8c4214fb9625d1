//! A search of every order in which sessions are given and taken among three nodes, while the directory fails, does things
//! late, and parcels and answers are lost: the session is at one place at a time, and is at one in the end.

use std::collections::{HashSet, VecDeque};

use super::node;
use crate::owners::{Answer, Deed, Give, Given, Giver, Take, Taken, Taker};

/// The answer of the directory, if it comes: who has the session besides.
type Answered = Result<Option<Vec<u8>>, ()>;

const NODES: usize = 3;
const MOST_STATES: usize = 3_000_000;

/// How the driver of a node is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// It goes on with a session without asking who has it.
    RevivesBlindly,
    /// It takes a session back under the deed that the taker can swap too.
    SwapsTheSameDeed,
    /// It refuses a session when the directory does not answer, and the swap is done later.
    RefusesUnclearSwaps,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    Idle,
    Owns(Option<Deed>),
    Gives(Giver, Give, usize),
    /// The parcel with this number was sent and not answered.
    Awaits(Giver, usize, u32),
    Takes(Taker, Take, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    directory: Option<Deed>,
    /// Swaps, or claims, that the directory may still do.
    late: Vec<(Option<Deed>, Deed)>,
    nodes: [Role; NODES],
    /// The parcels under way: their numbers, deeds and takers.
    parcels: Vec<(u32, Deed, usize)>,
    moves: u32,
    faults: u32,
    sent: u32,
}

impl State {
    fn first() -> Self {
        let nodes = [Role::Owns(None), Role::Idle, Role::Idle];
        State { directory: None, late: Vec::new(), nodes, parcels: Vec::new(), moves: 3, faults: 3, sent: 0 }
    }

    /// The nodes on which the session is served.
    fn places(&self) -> usize {
        let serves = |role: &&Role| match role {
            Role::Owns(_) => true,
            Role::Gives(_, give, _) => matches!(give, Give::Claim(_) | Give::Freeze),
            _ => false,
        };
        self.nodes.iter().filter(serves).count()
    }

    fn ask(&mut self, from: Option<&Deed>, to: &Deed) -> Option<Vec<u8>> {
        match &self.directory {
            Some(held) if Some(held) != from && held != to => Some(held.write()),
            _ => {
                self.directory = Some(to.clone());
                None
            }
        }
    }

    /// All that may come of asking the directory: its answer, or none, while it does it, or does it later, or never.
    fn asked(&self, from: Option<Deed>, to: &Deed) -> Vec<(State, Answered)> {
        let mut answered = self.clone();
        let answer = answered.ask(from.as_ref(), to);
        let mut all = vec![(answered.clone(), Ok(answer))];
        if self.faults > 0 {
            let mut later = self.clone();
            later.late.push((from, to.clone()));
            for mut state in [answered, later] {
                state.faults -= 1;
                all.push((state, Err(())));
            }
        }
        all
    }

    fn end_of(&mut self, at: usize, given: Given) {
        self.nodes[at] = match given {
            Given::Not => Role::Owns(None),
            Given::To(_) => Role::Idle,
            Given::Back(deed) => Role::Owns(Some(deed)),
        };
    }

    fn gives(mut self, at: usize, giver: Giver, give: Give, to: usize) -> State {
        match give {
            Give::Done(given) => self.end_of(at, given),
            Give::Send(deed) => {
                self.sent += 1;
                self.parcels.push((self.sent, deed, to));
                self.nodes[at] = Role::Awaits(giver, to, self.sent);
            }
            give => self.nodes[at] = Role::Gives(giver, give, to),
        }
        self
    }

    /// The taker answers, if anybody waits for its answer.
    fn answers(mut self, parcel: u32, answer: Answer, wrong: Option<Wrong>) -> State {
        let waits = |role: &Role| matches!(role, Role::Awaits(_, _, number) if *number == parcel);
        let Some(at) = self.nodes.iter().position(waits) else { return self };
        let Role::Awaits(mut giver, to, _) = std::mem::replace(&mut self.nodes[at], Role::Idle) else { return self };
        let mut give = giver.answered(&node(to), answer);
        if let (Give::TakeBack { from, to }, Some(wrong)) = (&give, wrong) {
            give = match wrong {
                Wrong::RevivesBlindly => Give::Done(Given::Back(to.clone())),
                Wrong::SwapsTheSameDeed => Give::TakeBack { from: from.clone(), to: from.clone() },
                _ => give,
            };
        }
        self.gives(at, giver, give, to)
    }
}

/// All that can happen next.
fn steps(state: &State, wrong: Option<Wrong>) -> Vec<State> {
    let mut next = Vec::new();
    for at in 0..state.late.len() {
        let mut state = state.clone();
        let (from, to) = state.late.remove(at);
        state.ask(from.as_ref(), &to);
        next.push(state);
    }
    for at in 0..state.parcels.len() {
        next.extend(parcel_steps(state, at, wrong));
    }
    for at in 0..NODES {
        next.extend(node_steps(state, at, wrong));
    }
    next
}

/// A parcel arrives, or is lost, or refused.
fn parcel_steps(state: &State, at: usize, wrong: Option<Wrong>) -> Vec<State> {
    let mut state = state.clone();
    let (number, deed, to) = state.parcels.remove(at);
    if state.nodes[to] != Role::Idle {
        return vec![state.answers(number, Answer::Refused, wrong)];
    }
    let mut next = Vec::new();
    if state.faults > 0 {
        let fault = State { faults: state.faults - 1, ..state.clone() };
        next.push(fault.clone().answers(number, Answer::Refused, wrong));
        next.push(fault.answers(number, Answer::Unclear, wrong));
    }
    let (taker, take) = Taker::new(&node(to), deed);
    state.nodes[to] = Role::Takes(taker, take, number);
    next.push(state);
    next
}

fn node_steps(state: &State, at: usize, wrong: Option<Wrong>) -> Vec<State> {
    match state.nodes[at].clone() {
        Role::Idle => Vec::new(),
        Role::Owns(_) if state.moves == 0 => Vec::new(),
        Role::Owns(deed) => {
            let begins = |to: usize| {
                let (giver, give) = Giver::new(&node(at), deed.clone());
                State { moves: state.moves - 1, ..state.clone() }.gives(at, giver, give, to)
            };
            (0..NODES).filter(|to| *to != at).map(begins).collect()
        }
        Role::Awaits(_, _, number) if state.faults > 0 => {
            vec![State { faults: state.faults - 1, ..state.clone() }.answers(number, Answer::Unclear, wrong)]
        }
        Role::Awaits(..) => Vec::new(),
        Role::Gives(giver, give, to) => giver_steps(state, at, (giver, give, to)),
        Role::Takes(taker, Take::Pause, number) => {
            let mut state = state.clone();
            state.nodes[at] = Role::Takes(taker.clone(), taker.again(), number);
            vec![state]
        }
        Role::Takes(taker, Take::Swap { from, to }, number) => {
            let asked = state.asked(Some(from), &to);
            let end = |(mut state, answer): (State, Result<Option<Vec<u8>>, ()>)| {
                let mut take = taker.swapped(answer.as_ref().map(Option::as_deref).or(Err(())));
                if wrong == Some(Wrong::RefusesUnclearSwaps) && take == Take::Pause {
                    take = Take::Done(Taken::Refused);
                }
                let (role, answer) = match take {
                    Take::Done(Taken::Mine(deed)) => (Role::Owns(Some(deed)), Some(Answer::Taken)),
                    Take::Done(Taken::Refused) => (Role::Idle, Some(Answer::Refused)),
                    take => (Role::Takes(taker.clone(), take, number), None),
                };
                state.nodes[at] = role;
                match answer {
                    Some(answer) => state.answers(number, answer, wrong),
                    None => state,
                }
            };
            asked.into_iter().map(end).collect()
        }
        Role::Takes(_, Take::Done(_), _) => Vec::new(),
    }
}

fn giver_steps(state: &State, at: usize, (giver, give, to): (Giver, Give, usize)) -> Vec<State> {
    match give {
        Give::Claim(deed) => {
            let claimed = |(state, answer): (State, Result<Option<Vec<u8>>, ()>)| {
                let mut giver = giver.clone();
                let give = giver.claimed(answer.as_ref().map(Option::as_deref).or(Err(())));
                state.gives(at, giver, give, to)
            };
            state.asked(None, &deed).into_iter().map(claimed).collect()
        }
        Give::Freeze => [true, false]
            .map(|frozen| {
                let mut giver = giver.clone();
                let give = giver.frozen(frozen);
                state.clone().gives(at, giver, give, to)
            })
            .into(),
        Give::TakeBack { from, to: back } => {
            let taken_back = |(state, answer): (State, Result<Option<Vec<u8>>, ()>)| {
                let mut giver = giver.clone();
                let give = giver.taken_back(answer.as_ref().map(Option::as_deref).or(Err(())));
                state.gives(at, giver, give, to)
            };
            state.asked(Some(from), &back).into_iter().map(taken_back).collect()
        }
        Give::Pause => vec![state.clone().gives(at, giver.clone(), giver.again(), to)],
        Give::Send(_) | Give::Done(_) => Vec::new(),
    }
}

/// Visits all states. Returns their count, or the violation that it has found.
fn search(wrong: Option<Wrong>) -> Result<usize, String> {
    let (mut seen, mut queue) = (HashSet::new(), VecDeque::from([State::first()]));
    while let Some(state) = queue.pop_front() {
        if !seen.insert(state.clone()) {
            continue;
        }
        assert!(seen.len() < MOST_STATES, "the search does not end");
        if state.places() > 1 {
            return Err(format!("the session is at two places: {state:?}"));
        }
        let next = steps(&state, wrong);
        if next.is_empty() && state.places() == 0 {
            return Err(format!("the session is nowhere: {state:?}"));
        }
        queue.extend(next);
    }
    Ok(seen.len())
}

#[test]
fn a_session_is_at_one_place_at_a_time() {
    match search(None) {
        Ok(states) => println!("{states} states"),
        Err(wrong) => panic!("{wrong}"),
    }
}

#[test]
fn drivers_that_are_wrong_are_found() {
    for wrong in [Wrong::RevivesBlindly, Wrong::SwapsTheSameDeed, Wrong::RefusesUnclearSwaps] {
        let found = search(Some(wrong)).expect_err("it passes for right");
        println!("{wrong:?}: {found}");
    }
}
