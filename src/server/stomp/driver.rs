//! Reads the frames of one client and does what they ask for, one after the other.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytestring::ByteString;

use super::broker::Broker;
use crate::{
    dialect::{
        Fault,
        stomp::{self, Asked, ClientFrame, Deferred, Input, Limits, Reader, Refusal, Request, Transactions, Version},
    },
    hub::{Member, ROOT},
    pool::Held,
    server::api::{handler::Outcome, receiving::Waiting, session::Session},
    session::{CloseReason, reason},
    shared::{StompNext, StompOpened},
};

/// Why a client is read no further.
pub(super) enum Stop {
    /// Its session is over, or about to be.
    Over,
    /// A frame of its cannot be obeyed.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

/// The client of one session.
pub(super) struct Driver {
    pub(super) session: Session,
    /// The channel in which the application's handler runs, once it is open.
    pub(super) channel: Option<Arc<Member>>,
    pub(super) broker: Arc<Broker>,
    beats: bool,
    reader: Reader,
    /// A frame of the client's last message was read.
    within: bool,
    pub(super) version: Version,
    pub(super) transactions: Transactions,
    /// The bytes in the reader and the transactions.
    held: Held,
    /// The topics that are rooms of the application for this client, with the rooms' keys.
    pub(super) rooms: Vec<(ByteString, ByteString)>,
    /// The keys of rooms and topics that a subscription has joined.
    pub(super) joined: Vec<ByteString>,
    /// The names of queues by the numbers of their subscriptions.
    pub(super) queues: Vec<(u64, ByteString)>,
}

impl Driver {
    pub(super) fn new(session: Session, broker: Arc<Broker>, beats: bool) -> Self {
        let settings = &broker.settings;
        let body = session.core.config.message_limit;
        let limits = Limits { headers: settings.headers, header_bytes: settings.header_bytes, body };
        session.member.shared.speak_stomp(settings.subscriptions, settings.unacknowledged);
        Driver {
            reader: Reader::new(limits),
            within: false,
            transactions: Transactions::new(settings.transactions, body),
            held: session.core.runtime.pool().hold(0),
            version: Version::V1_0,
            channel: None,
            rooms: Vec::new(),
            joined: Vec::new(),
            queues: Vec::new(),
            session,
            broker,
            beats,
        }
    }

    pub(super) async fn run(mut self) -> Outcome {
        let stopped = match self.connect().await {
            Ok(()) => self.serve().await,
            Err(stop) => stop,
        };
        if let Stop::Refused(refusal) = stopped {
            self.refuse(&refusal);
        }
        if let Some(reason) = self.channel.as_ref().and_then(|channel| channel.channel.as_ref()?.close_reason()) {
            self.close(reason);
        }
        Ok(())
    }

    /// Waits for CONNECT, and for the answer of those who judge it. Each has the open timeout.
    async fn connect(&mut self) -> Result<(), Stop> {
        let patience = self.session.core.config.open_timeout;
        let Ok(frame) = tokio::time::timeout(patience, self.frame()).await else {
            self.close(reason::NO_CONNECT);
            return Err(Stop::Over);
        };
        let frame = frame?;
        let Asked { request, .. } = stomp::read_request(None, frame)?;
        let Request::Connect(connect) = request else { return Err(Stop::Over) };
        self.version = connect.version;
        self.reader.set_version(connect.version);
        let (sends, wants) = if self.beats { self.broker.settings.heart_beat } else { (0, 0) };
        let beats = agreed((sends, wants), connect.heart_beat);
        let shared = &self.session.member.shared;
        shared.connect_stomp(connect.version, &connect.auth(), beats);
        match poll_fn(|cx| shared.poll_stomp_opened(cx)).await {
            StompOpened::Open => {
                self.channel = self.session.member.in_namespace(ROOT);
                Ok(())
            }
            StompOpened::Refused => {
                self.close(reason::REJECTED);
                Err(Stop::Over)
            }
        }
    }

    /// Obeys the client until it stops.
    async fn serve(&mut self) -> Stop {
        loop {
            let obeyed = match self.frame().await {
                Ok(frame) => self.obey(frame).await,
                Err(stop) => Err(stop),
            };
            if let Err(stop) = obeyed {
                return stop;
            }
        }
    }

    async fn obey(&mut self, frame: ClientFrame) -> Result<(), Stop> {
        let Asked { request, receipt } = stomp::read_request(Some(self.version), frame)?;
        let result = self.obey_request(request, receipt.as_ref()).await;
        match result {
            Ok(true) => {
                if let Some(receipt) = receipt {
                    self.session.member.shared.answer_stomp(stomp::receipt(self.version, &receipt));
                }
                Ok(())
            }
            // The receipt comes later, or not at all.
            Ok(false) => Ok(()),
            Err(Stop::Refused(mut refusal)) => {
                refusal.receipt = refusal.receipt.or(receipt);
                Err(Stop::Refused(refusal))
            }
            Err(Stop::Over) => Err(Stop::Over),
        }
    }

    /// Returns whether the receipt is due.
    async fn obey_request(&mut self, request: Request, receipt: Option<&ByteString>) -> Result<bool, Stop> {
        match request {
            Request::Connect(_) => Err(refusal("Already connected", "a connection is opened once").into()),
            Request::Send(mut send) => match send.transaction.take() {
                // A transaction is done as a whole, so its frames are judged before.
                Some(transaction) => {
                    self.judge(&send.destination)?;
                    self.transactions.add(&transaction, Deferred::Send(send, None))?;
                    Ok(true)
                }
                None => self.publish(send, receipt).await,
            },
            Request::Subscribe(subscribe) => self.subscribe(subscribe, receipt).await,
            Request::Unsubscribe { id } => self.unsubscribe(&id).map(|()| true),
            Request::Settle(mut settle) => {
                match settle.transaction.take() {
                    Some(transaction) => {
                        self.session.member.shared.check_settle(&settle)?;
                        self.transactions.add(&transaction, Deferred::Settle(settle))?;
                    }
                    None => self.settle(&settle)?,
                }
                Ok(true)
            }
            Request::Begin { transaction } => Ok(self.transactions.begin(&transaction).map(|()| true)?),
            Request::Abort { transaction } => Ok(self.transactions.abort(&transaction).map(|()| true)?),
            Request::Commit { transaction } => {
                let mut is_done = true;
                for deferred in self.transactions.commit(&transaction)? {
                    match deferred {
                        Deferred::Send(send, _) => is_done &= self.publish_committed(send, receipt).await?,
                        Deferred::Settle(settle) => self.settle(&settle)?,
                    }
                }
                Ok(is_done)
            }
            Request::Disconnect => {
                self.close_behind(receipt);
                Err(Stop::Over)
            }
        }
    }

    /// The receipt of a DISCONNECT is the last frame.
    fn close_behind(&self, receipt: Option<&ByteString>) {
        if let Some(receipt) = receipt {
            self.session.member.shared.answer_stomp(stomp::receipt(self.version, receipt));
        }
        self.close(reason::CLOSED);
    }

    /// Waits for the client's next frame.
    async fn frame(&mut self) -> Result<ClientFrame, Stop> {
        loop {
            tokio::task::coop::consume_budget().await;
            let next = self.reader.next();
            self.held.set(self.reader.held() + self.transactions.held());
            match next? {
                Some(Input::Frame(frame)) => {
                    // The first one of a message was counted with it.
                    if std::mem::replace(&mut self.within, true) && self.session.core.config.rate_limit.is_some() {
                        self.session.member.shared.count_stomp_frame();
                    }
                    return Ok(frame);
                }
                Some(Input::HeartBeat) => {}
                None => self.message().await?,
            }
        }
    }

    /// Waits for the client's next message, and gives it to the reader. Meanwhile messages of queues are delivered for
    /// which there is room again.
    async fn message(&mut self) -> Result<(), Stop> {
        loop {
            let (session, connecting) = (&self.session, self.channel.is_none());
            let mut waiting = Waiting::new(&session.member);
            let next = poll_fn(|cx| {
                if !connecting {
                    match session.member.shared.poll_stomp(cx) {
                        Poll::Ready(StompNext::Receive) => {}
                        other => return other.map(Err),
                    }
                }
                waiting.poll_message(cx).map(Ok)
            })
            .await;
            drop(waiting);
            match next {
                Ok(Some(message)) => {
                    if self.beats {
                        session.member.shared.note_stomp_received();
                    }
                    self.reader.push(message);
                    self.within = false;
                    return Ok(());
                }
                Ok(None) | Err(StompNext::End) => return Err(Stop::Over),
                Err(StompNext::Deliver(subscriptions)) => self.resume(&subscriptions),
                Err(StompNext::Receive) => {}
            }
        }
    }

    /// Tells the client why it is read no further.
    fn refuse(&self, refusal: &Refusal) {
        tracing::debug!(session = %self.session.id(), message = %refusal.message, "a client of STOMP was refused");
        self.session.core.refused(&reason::BAD_STOMP);
        let version = self.channel.as_ref().map(|_| self.version);
        let frame = stomp::error(version, &refusal.message, &refusal.detail, refusal.receipt.as_deref());
        self.session.member.shared.answer_stomp(frame);
        self.close(reason::BAD_STOMP);
    }

    pub(super) fn close(&self, reason: CloseReason) {
        self.session.member.shared.close(reason);
    }
}

/// The heart-beats that both sides have: each as long as the slower side has it, and none if one side has none.
fn agreed((sends, wants): (u64, u64), (client_sends, client_wants): (u64, u64)) -> (u64, u64) {
    let both = |one: u64, other: u64| if one == 0 || other == 0 { 0 } else { one.max(other) };
    (both(sends, client_wants), both(wants, client_sends))
}

/// The refusal that tells of a fault: its text, and all of it as JSON.
pub(super) fn refusal_of(fault: &Fault) -> Refusal {
    let detail = serde_json::to_string(fault).expect("a fault is JSON");
    Refusal { message: fault.message.clone().into(), detail, receipt: None }
}

pub(super) fn refusal(message: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), detail: detail.into(), receipt: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_beat_is_as_slow_as_the_slower_side_has_it() {
        assert_eq!(agreed((10, 20), (30, 5)), (10, 30));
        assert_eq!(agreed((10, 20), (5, 50)), (50, 20));
        assert_eq!(agreed((0, 20), (30, 50)), (0, 30));
        assert_eq!(agreed((10, 20), (0, 0)), (0, 0));
    }
}
