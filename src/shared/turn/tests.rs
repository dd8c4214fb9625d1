use super::*;

/// A handler that was polled once and waits, and a link that waits too.
fn idle() -> Turn {
    let mut turn = Turn::new();
    turn.start();
    turn.begin();
    turn.end();
    turn.link_registered();
    turn
}

#[test]
fn what_a_turn_sends_wakes_the_links_once_when_it_ends() {
    let mut turn = idle();
    turn.begin();
    assert!(!turn.sent() && !turn.sent());
    assert!(turn.end());
    turn.begin();
    assert!(!turn.end(), "nothing was sent in this one");
}

#[test]
fn outside_a_turn_the_links_are_woken_once_until_they_wait_again() {
    let mut turn = idle();
    assert!(turn.sent());
    assert!(!turn.sent(), "they are awake");
    turn.link_registered();
    assert!(turn.sent());
}

#[test]
fn a_link_that_brought_input_waits_for_the_turn_that_takes_it() {
    let mut turn = idle();
    assert!(!turn.awaits_turn(), "nobody was woken");
    turn.woken();
    assert!(turn.awaits_turn());
    turn.link_registered();
    turn.begin();
    assert!(!turn.awaits_turn(), "the turn has begun; input that comes now may be too late for it");
    assert!(turn.end(), "the link is woken though nothing was sent");
    assert!(!turn.awaits_turn());
}

#[test]
fn a_handler_that_is_woken_while_it_is_polled_has_another_turn() {
    let mut turn = idle();
    turn.begin();
    turn.woken();
    assert!(turn.awaits_turn());
    turn.link_registered();
    assert!(!turn.end(), "this turn has sent nothing, and the link waits for the next");
    assert!(turn.awaits_turn(), "which is due");
    turn.begin();
    assert!(turn.end());
    assert!(!turn.awaits_turn());
}

#[test]
fn what_was_sent_does_not_wait_for_another_turn() {
    let mut turn = idle();
    turn.begin();
    assert!(!turn.sent());
    turn.woken();
    assert!(turn.end());
}

#[test]
fn a_handler_that_is_always_woken_does_not_hold_its_links_back_for_ever() {
    let mut turn = idle();
    let mut wakes = 0;
    for _ in 0..10 {
        turn.begin();
        turn.woken();
        wakes += usize::from(turn.end());
        turn.link_registered();
    }
    assert_eq!(wakes, 5, "every other turn");
}

#[test]
fn the_first_turn_is_waited_for_from_before_its_task_until_its_end() {
    let mut turn = Turn::new();
    assert!(turn.awaits_first_turn() && !turn.is_ended());
    turn.start();
    assert!(turn.awaits_first_turn() && !turn.is_ended());
    turn.begin();
    assert!(turn.awaits_first_turn());
    assert!(turn.end());
    assert!(!turn.awaits_first_turn());
}

#[test]
fn a_wake_before_the_first_turn_changes_nothing() {
    let mut turn = Turn::new();
    turn.woken();
    turn.start();
    turn.woken();
    assert!(!turn.awaits_turn() && turn.awaits_first_turn());
    turn.begin();
    assert!(turn.end());
    assert!(!turn.awaits_turn());
}

#[test]
fn a_send_from_elsewhere_wakes_links_that_wait_for_a_turn() {
    let mut turn = idle();
    turn.woken();
    assert!(turn.awaits_turn());
    assert!(turn.sent(), "there is something to send now");
    turn.begin();
    assert!(!turn.end(), "they were woken");
}

#[test]
fn the_end_of_the_task_wakes_the_links_that_wait_for_a_turn() {
    let mut turn = idle();
    turn.woken();
    assert!(turn.awaits_turn());
    assert!(turn.finish() && turn.is_ended());
    assert!(!turn.awaits_turn() && !turn.awaits_first_turn());
    turn.woken();
    assert!(!turn.awaits_turn(), "no turn comes any more");
    assert!(!idle().finish(), "nobody waits");
    let mut dropped = Turn::new();
    dropped.start();
    assert!(dropped.awaits_first_turn());
    assert!(dropped.finish(), "its task was never polled");
}

/// A link and a handler's turn, driven by calls in any order.
struct Model {
    turn: Turn,
    polling: bool,
    /// The link has registered its waker and sleeps.
    asleep: bool,
    /// Something was sent, or a turn is waited for, since the link looked last.
    owed: bool,
}

impl Model {
    fn wake(&mut self) {
        (self.asleep, self.owed) = (false, false);
    }

    fn sleep(&mut self) {
        self.turn.link_registered();
        self.asleep = true;
    }

    fn begin_or_end(&mut self) {
        if !self.polling {
            self.turn.begin();
        } else if self.turn.end() {
            self.wake();
        }
        self.polling = !self.polling;
    }

    fn call(&mut self, kind: u32) {
        match kind {
            0 => self.begin_or_end(),
            1 => self.turn.woken(),
            2 => {
                self.owed = true;
                if self.turn.sent() {
                    self.wake();
                }
            }
            3 => {
                self.owed = self.turn.awaits_turn();
                self.sleep();
            }
            _ => {
                self.owed = false;
                self.sleep();
            }
        }
    }
}

#[test]
fn no_order_of_calls_leaves_a_link_asleep_that_has_something_to_send() {
    const CALLS: u32 = 7;
    const KINDS: u32 = 5;
    for order in 0..KINDS.pow(CALLS) {
        let mut model = Model { turn: idle(), polling: false, asleep: true, owed: false };
        let mut rest = order;
        for _ in 0..CALLS {
            model.call(rest % KINDS);
            rest /= KINDS;
        }
        // The turn under way ends, and one that is due behind it comes.
        for _ in 0..4 {
            model.begin_or_end();
        }
        assert!(!(model.asleep && model.owed), "order {order}: {:?}", model.turn);
    }
}
