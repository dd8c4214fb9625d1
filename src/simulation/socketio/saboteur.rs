//! The codec of a link, which takes notes for the oracle, and is wrong on purpose where a test wants it: that
//! shows that the simulation notices it. All of it happens outside of the server's half, which is right.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::{
    broadcast::OutMessage,
    codec::{BodyCodec, Codec, ContentType, Violation, engineio::EngineCodec, websocket_frames::SocketBuffer},
    dialect::Head,
    message::Message,
    packet::{Packet, attachments_of},
    payload::Payload,
    session::{CloseReason, Frame, Outbound},
    simulation::coverage::counted,
};

counted! {
    /// How the server is wrong.
    Sabotage {
        // The first message on the WebSocket to which a session has moved is lost.
        LosesAtTheUpgrade,
        // It is preceded by the last message of the polls.
        RepeatsAtTheUpgrade,
        // A probe is answered twice.
        AnswersAProbeTwice,
        // While a client is about to move, its polls are not answered.
        HoldsPollsInTheMove,
        // A packet is forgotten of which attachments are to come on the WebSocket.
        ForgetsTheHalfEvent,
        // With the second confirmation the last message is sent again.
        TakesTheSecondConfirmation,
        // A message that a client sends is delivered a second time.
        DeliversTwice,
        // Attachments are those of the event before.
        MixesAttachments,
        // Attachments that come are those of the event before.
        MixesIncomingAttachments,
        // An answer has the id of another request.
        AnswersAnotherRequest,
        // The packet that opens a namespace comes behind the first event of it.
        EventBeforeConnect,
        // Pings are sent in silence alone.
        PingsInSilence,
        // A message to a poll comes behind the one that follows it.
        SwapsMessages,
    }
}

/// The notes of one session's codecs, and the state of a wrong one.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// When the client's last ping or pong was read.
    pub(super) life: u64,
    /// The client's close was read.
    pub(super) closed: bool,
    pub(super) confirmations: u32,
    /// The attachments that are to come.
    pub(super) owed: usize,
    /// A packet was begun over HTTP and goes on over the WebSocket.
    pub(super) split: bool,
    /// The last thing written over HTTP was a message, and when.
    pub(super) last_written: u64,
    fresh: bool,
    again: bool,
    skips: usize,
    last: Option<(OutMessage, bool)>,
    attachments: Vec<Bytes>,
    came: Option<Bytes>,
    asked: Vec<(String, u64)>,
    withheld: Option<(OutMessage, bool)>,
    pinged: u64,
}

#[derive(Debug)]
pub(super) struct Saboteur {
    codec: EngineCodec,
    socket: bool,
    sabotage: Option<Sabotage>,
    clock: Arc<AtomicU64>,
    notes: Arc<Mutex<Notes>>,
    /// Frames that did not come.
    added: VecDeque<Frame>,
}

/// A thing that is written in place of another.
enum Word {
    Message(OutMessage, bool),
    Frame(Frame),
}

impl Saboteur {
    pub(super) fn new(
        codec: EngineCodec,
        socket: bool,
        sabotage: Option<Sabotage>,
        clock: &Arc<AtomicU64>,
        notes: &Arc<Mutex<Notes>>,
    ) -> Self {
        Saboteur { codec, socket, sabotage, clock: clock.clone(), notes: notes.clone(), added: VecDeque::new() }
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("no panic")
    }

    /// A frame has been read. `None` if it is passed over.
    fn read_one(&mut self, mut frame: Frame) -> Option<Frame> {
        let now = self.now();
        let (socket, sabotage) = (self.socket, self.sabotage);
        let mut notes = self.notes.lock().expect("no panic");
        match &mut frame {
            Frame::Ping { .. } | Frame::Pong { .. } => notes.life = now,
            Frame::Close { .. } => notes.closed = true,
            Frame::Confirm => {
                notes.confirmations += 1;
                notes.split |= notes.owed > 0;
                notes.fresh = notes.confirmations == 1;
                notes.again = notes.confirmations == 2;
                if sabotage == Some(Sabotage::ForgetsTheHalfEvent) {
                    notes.skips = notes.owed;
                }
            }
            Frame::Message { message, .. } => {
                let twice = sabotage == Some(Sabotage::DeliversTwice) && socket && notes.owed == 0;
                match message.payload().as_message() {
                    Some(Message::Text(text)) => {
                        notes.owed = attachments_of(text).unwrap_or_default();
                        if let Ok(Head { id: Some(id), namespace, .. }) = Head::parse(text) {
                            notes.asked.push((namespace.to_owned(), id));
                        }
                        if twice && text.starts_with('2') && text.len() % 7 == 0 {
                            self.added.push_back(frame.clone());
                        }
                    }
                    Some(Message::Binary(bytes)) => {
                        notes.owed = notes.owed.saturating_sub(1);
                        if notes.skips > 0 {
                            notes.skips -= 1;
                            return None;
                        }
                        let before = notes.came.replace(bytes.clone());
                        if let (Some(Sabotage::MixesIncomingAttachments), Some(before)) = (sabotage, before) {
                            *message = Message::Binary(before).into();
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
        Some(frame)
    }

    /// Returns what is written in place of a message.
    fn words(&mut self, message: OutMessage, events: bool) -> Vec<Word> {
        let now = self.now();
        let (socket, sabotage) = (self.socket, self.sabotage);
        let mut notes = self.notes.lock().expect("no panic");
        notes.last_written = now;
        // A copy, since a message that is shared counts for as long as it is held.
        let copy = OutMessage::Own(message.payload().clone());
        let before = notes.last.replace((copy.clone(), events));
        let fresh = socket && std::mem::take(&mut notes.fresh);
        let again = socket && std::mem::take(&mut notes.again);
        let repeated = before.map(|(message, events)| Word::Message(message, events));
        let one = Word::Message(message.clone(), events);
        match sabotage {
            Some(Sabotage::LosesAtTheUpgrade) if fresh => Vec::new(),
            Some(Sabotage::RepeatsAtTheUpgrade) if fresh => repeated.into_iter().chain([one]).collect(),
            Some(Sabotage::TakesTheSecondConfirmation) if again => repeated.into_iter().chain([one]).collect(),
            Some(Sabotage::MixesAttachments) => vec![Word::Message(notes.mixed(message), events)],
            Some(Sabotage::AnswersAnotherRequest) => vec![Word::Message(notes.misdirected(message), events)],
            Some(Sabotage::EventBeforeConnect) if is_connect(&message) => {
                notes.withheld = Some((copy, events));
                Vec::new()
            }
            Some(Sabotage::SwapsMessages) if !socket && notes.withheld.is_none() && !is_connect(&message) => {
                notes.withheld = Some((copy, events));
                Vec::new()
            }
            _ => {
                let withheld = notes.withheld.take().map(|(message, events)| Word::Message(message, events));
                [one].into_iter().chain(withheld).collect()
            }
        }
    }

    /// Returns what is written in place of a frame that is no message.
    fn control(&mut self, frame: Frame) -> Vec<Word> {
        let mut notes = self.notes.lock().expect("no panic");
        let withheld = notes.withheld.take().map(|(message, events)| Word::Message(message, events));
        let traffic = notes.last_written > notes.pinged;
        match (self.sabotage, &frame) {
            (Some(Sabotage::AnswersAProbeTwice), Frame::Probe) => vec![Word::Frame(frame.clone()), Word::Frame(frame)],
            (Some(Sabotage::PingsInSilence), Frame::Ping { .. }) => {
                notes.pinged = self.clock.load(Ordering::Relaxed);
                if !traffic {
                    return vec![Word::Frame(frame)];
                }
                self.added.push_back(Frame::Pong { id: u64::MAX, received: 0 });
                Vec::new()
            }
            _ => withheld.into_iter().chain([Word::Frame(frame)]).collect(),
        }
    }

    fn spoil(&mut self, outbound: Outbound<'_>) -> Vec<Word> {
        match outbound {
            Outbound::Message { message, events, .. } => self.words(message.to_owned(), events),
            Outbound::Frame(frame) => self.control(frame),
        }
    }
}

impl Notes {
    pub(super) fn new(now: u64) -> Self {
        Notes { life: now, ..Notes::default() }
    }

    /// The message with the attachments of the one before it.
    fn mixed(&mut self, message: OutMessage) -> OutMessage {
        let Payload::Event(packet) = message.payload() else { return message };
        let own = packet.attachments().to_vec();
        if own.is_empty() {
            return message;
        }
        let before = std::mem::replace(&mut self.attachments, own.clone());
        if before.len() < own.len() {
            return message;
        }
        Payload::from(Packet::new(packet.text().clone(), before[..own.len()].to_vec())).into()
    }

    /// An answer with the id of another request.
    fn misdirected(&mut self, message: OutMessage) -> OutMessage {
        let Payload::Event(packet) = message.payload() else { return message };
        let Ok(head) = Head::parse(packet.text()) else { return message };
        let other = self.asked.iter().find(|(namespace, id)| namespace == head.namespace && head.id != Some(*id));
        let Some((_, id)) = other.filter(|_| packet.is_answer()) else { return message };
        let mut text = String::new();
        Head { id: Some(*id), ..head }.write(&mut text);
        Payload::from(Packet::new(text, packet.attachments().to_vec())).into()
    }
}

fn is_connect(message: &OutMessage) -> bool {
    matches!(message.payload(), Payload::Event(packet) if packet.text().starts_with('0'))
}

impl Word {
    fn outbound(&self) -> Outbound<'_> {
        match self {
            Word::Message(message, events) => {
                Outbound::Message { number: 0, message: message.borrowed(), events: *events, offsets: false }
            }
            Word::Frame(frame) => Outbound::Frame(frame.clone()),
        }
    }
}

impl Codec for Saboteur {
    fn read(&mut self, input: &mut Option<Bytes>) -> Result<Option<Frame>, CloseReason> {
        loop {
            if let Some(frame) = self.added.pop_front() {
                return Ok(Some(frame));
            }
            let Some(frame) = self.codec.read(input)? else { return Ok(None) };
            if let Some(frame) = self.read_one(frame) {
                return Ok(Some(frame));
            }
        }
    }

    fn read_binary(&mut self, payload: Bytes) -> Result<Option<Frame>, CloseReason> {
        Ok(self.codec.read_binary(payload)?.and_then(|frame| self.read_one(frame)))
    }

    fn write_socket(&mut self, frame: Outbound<'_>, out: &mut SocketBuffer<'_>) {
        if self.sabotage.is_none() {
            self.notes().last_written = self.now();
            return self.codec.write_socket(frame, out);
        }
        for word in self.spoil(frame) {
            self.codec.write_socket(word.outbound(), out);
        }
    }

    fn violation(violation: Violation) -> CloseReason {
        EngineCodec::violation(violation)
    }

    fn close_reason(reason: CloseReason) -> CloseReason {
        EngineCodec::close_reason(reason)
    }
}

impl BodyCodec for Saboteur {
    fn write(&mut self, frame: Outbound<'_>, body: &mut Vec<u8>) {
        if self.sabotage.is_none() {
            return self.codec.write(frame, body);
        }
        for word in self.spoil(frame) {
            self.codec.write(word.outbound(), body);
        }
    }

    fn finish(&mut self, body: &mut Vec<u8>) -> ContentType {
        let withheld = self.notes().withheld.take();
        if let Some((message, events)) = withheld {
            self.codec
                .write(Outbound::Message { number: 0, message: message.borrowed(), events, offsets: false }, body);
        }
        self.codec.finish(body)
    }
}
