//! Plays the client's chooser: which links and uploads are made, and when.

use super::{
    coverage::Fault,
    state::{Chan, World, WorldEvent},
};
use crate::{
    codec::native::{Head, VERSION},
    session::{Attach, LinkId, LinkKind, State},
};

/// Upper bound on the bytes of messages that go with an opening.
const FIRST_FLIGHT: usize = 8_000;

// Links.
impl World<'_> {
    pub(crate) fn choose(&mut self) {
        let pause = self.random.range(20, 60);
        self.after(pause, WorldEvent::Chooser);
        if self.client.lost || self.client.half.state() == State::Closed {
            return self.pump_client();
        }
        let lives = |chan: &Chan| chan.wire != LinkKind::Upload && !self.client.half.link_is_over(chan.link);
        let alive = self.client.chans.iter().any(lives);
        if let Some((ordinal, turn)) = self.client.turn_due.take() {
            self.next_turn(ordinal, turn);
        } else if !alive && self.now >= self.client.retry_at {
            self.connect_anew();
        } else if self.client.switch_at.is_some_and(|at| at <= self.now)
            || (self.faults_go_on() && self.random.one_in(60))
        {
            self.client.switch_at = None;
            self.note(Fault::Switch);
            self.connect_anew();
        }
        self.pump_client();
    }

    /// Makes one link, or a race of two in which the better one mostly has the higher ordinal.
    fn connect_anew(&mut self) {
        let socket = self.random.below(8) < self.scenario.sockets;
        let first = self.client.next_ordinal;
        if self.random.one_in(3) {
            self.note(Fault::Race);
            self.client.next_ordinal += 2;
            let worse = self.random.one_in(4);
            if worse {
                self.note(Fault::RaceWorseHigher);
            }
            self.start(LinkKind::Duplex, first + u64::from(!worse));
            self.start(LinkKind::Opening, first + u64::from(worse));
        } else {
            self.client.next_ordinal += 1;
            self.start(if socket { LinkKind::Duplex } else { LinkKind::Opening }, first);
        }
    }

    /// Begins turn 0 of a new link.
    fn start(&mut self, wire: LinkKind, ordinal: u64) {
        let token = self.client.token();
        let opening = token.is_none();
        let names = self.scenario.names;
        let received = self.client.half.received();
        let heritage = self.client.heritage.clone();
        let attach = Attach { ordinal, turn: 0, kind: wire, opening, seen: false, received, names: Some(names) };
        let head = match token {
            Some(token) => Head::Resume { version: VERSION, ordinal, turn: 0, seen: false, token, names },
            None if let Some(token) = heritage => {
                let instance = self.instance().into();
                Head::TakeOver { version: VERSION, ordinal, instance, token, names }
            }
            None => {
                if std::mem::replace(&mut self.client.opened_before, true) {
                    self.note(Fault::OpenRetried);
                }
                let attempt = self.client.attempt().into();
                Head::Open { version: VERSION, ordinal, attempt, names, auth: "é".into() }
            }
        };
        self.attach_client(attach, head, FIRST_FLIGHT);
    }

    pub(super) fn next_turn(&mut self, ordinal: u64, turn: u64) {
        let carries = self.client.half.carrier() == Some(ordinal);
        // A client that tries anyway is refused by its own half.
        if !carries && (self.script || self.random.one_in(2)) {
            // A better link has taken over.
            return self.client.half.retire(self.now, ordinal, &mut self.cover);
        }
        let Some(token) = self.client.token() else { return };
        let wire = if self.random.one_in(2) { LinkKind::Stream } else { LinkKind::Poll { hold: self.scenario.hold } };
        let seen = self.client.half.seen(ordinal);
        let (names, received) = (self.scenario.names, token.received);
        let attach = Attach { ordinal, turn, kind: wire, opening: false, seen, received, names: Some(names) };
        self.attach_client(attach, Head::Resume { version: VERSION, ordinal, turn, seen, token, names }, 0);
    }

    fn attach_client(&mut self, attach: Attach, head: Head, limit: usize) {
        let wire = attach.kind;
        let spelling = self.scenario.spelling(&mut self.random, wire == LinkKind::Duplex);
        let Ok(link) = self.client.half.attach(self.now, attach, spelling, &mut self.cover) else { return };
        let conn = self.connect(wire, spelling, Some(link));
        self.trace(|| format!("client   attaches {attach:?} as {link:?} on #{conn}"));
        let (ordinal, turn) = (attach.ordinal, attach.turn);
        self.client.chans.push(Chan { link, conn, wire, ordinal, turn, packet: None, tries: 0 });
        let packet = self.client.half.transmit(self.now, link, Some(head), limit).expect("a head is something to send");
        self.ship_up(conn, packet.clone());
        if wire != LinkKind::Duplex && self.faults_go_on() && self.random.one_in(12) {
            self.note(if attach.opening { Fault::DuplicateOpen } else { Fault::DuplicateAttach });
            let wins = self.random.one_in(3);
            self.copy_request(conn, packet, wins);
        }
    }
}

// Uploads.
impl World<'_> {
    pub(super) fn begin_upload(&mut self) {
        let Some(token) = self.client.token() else { return };
        let attach = Attach {
            ordinal: 0,
            turn: 0,
            kind: LinkKind::Upload,
            opening: false,
            seen: false,
            received: token.received,
            names: None,
        };
        let spelling = self.scenario.spelling(&mut self.random, false);
        let Ok(link) = self.client.half.attach(self.now, attach, spelling, &mut self.cover) else { return };
        let conn = self.connect(LinkKind::Upload, spelling, Some(link));
        let head = Head::Upload { version: VERSION, token };
        let limit = self.scenario.upload_limit;
        let packet = self.client.half.transmit(self.now, link, Some(head), limit).expect("a head is something to send");
        let mut packet = packet;
        if self.faults_go_on() && self.random.one_in(60) {
            self.note(Fault::Lie);
            packet.append_ack(self.scenario.base + 9_000);
        }
        let kept = Some(packet.clone());
        self.client.chans.push(Chan {
            link,
            conn,
            wire: LinkKind::Upload,
            ordinal: 0,
            turn: 0,
            packet: kept,
            tries: 0,
        });
        self.ship_up(conn, packet.clone());
        self.watch_upload(link, 0);
        if self.faults_go_on() && self.random.one_in(12) {
            self.note(Fault::DuplicateUpload);
            let wins = self.random.one_in(3);
            self.copy_request(conn, packet, wins);
        }
    }

    fn watch_upload(&mut self, link: LinkId, tries: u64) {
        let time_limit = self.random.range(200, 900);
        self.after(time_limit, WorldEvent::UploadDue(link, self.client.half_number(), tries));
    }

    /// An upload has taken too long, unless it was tried again since then.
    pub(crate) fn upload_due(&mut self, link: LinkId, half: u64, tries: u64) {
        let awaited = self.client.chans.iter().any(|chan| chan.link == link && chan.tries == tries);
        if awaited && half == self.client.half_number() {
            self.retry_upload(link);
            self.pump_client();
        }
    }

    pub(super) fn retry_upload(&mut self, link: LinkId) {
        let Some(at) = self.client.chans.iter().position(|chan| chan.link == link) else { return };
        let old = self.client.chans[at].conn;
        self.conns[old].link = None;
        let carrier = self.client.half.carrier();
        if self.client.chans.iter().any(|chan| Some(chan.ordinal) == carrier && chan.wire == LinkKind::Duplex) {
            self.note(Fault::UploadCarrierChanged);
        }
        if self.random.below(4) < self.scenario.repeats {
            self.note(Fault::UploadRepeated);
            let packet = self.client.chans[at].packet.clone().expect("an upload's body is kept");
            let conn = self.connect(LinkKind::Upload, self.conns[old].spelling, Some(link));
            self.client.chans[at].conn = conn;
            self.client.chans[at].tries += 1;
            let tries = self.client.chans[at].tries;
            self.ship_up(conn, packet);
            self.watch_upload(link, tries);
        } else {
            self.note(Fault::UploadRebatched);
            self.client.chans.remove(at);
            self.client.half.detach(self.now, link, &mut self.cover);
        }
    }
}
