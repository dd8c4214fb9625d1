//! Gathers what a session has to say into WebSocket frames: control records together, messages each in their own.

use crate::{
    broadcast::OutMessage,
    codec::{
        native::{Spelling, Writer},
        websocket_frames::{MAX_HEADER, Opcode, put_frame},
    },
    message::Message,
    shared::{CloseReason, Frame, Outbound},
};

/// What one write gathers at most, about.
const GATHER: usize = 64 * 1024;

/// Collects WebSocket frames.
pub(super) struct Gather<'a> {
    writer: &'a mut Writer,
    out: &'a mut Vec<u8>,
    control: Vec<u8>,
    last: Option<CloseReason>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(writer: &'a mut Writer, out: &'a mut Vec<u8>) -> Self {
        Gather { writer, out, control: Vec::new(), last: None }
    }

    /// Appends what is to be said, and returns whether there is room for more.
    pub(super) fn take(&mut self, saying: Outbound<'_>) -> bool {
        match saying {
            Outbound::Message { number, message } => {
                self.writer.count(number, &mut self.control);
                self.end_control();
                match message {
                    OutMessage::Own(message) => put_message(self.out, message),
                    OutMessage::Shared(broadcast) => {
                        let encoded = broadcast.encoded(Spelling::WebSocket.cell(), |message| {
                            let mut bytes = Vec::with_capacity(message.len() + 1 + MAX_HEADER);
                            put_message(&mut bytes, message);
                            bytes.into()
                        });
                        self.out.extend_from_slice(encoded);
                    }
                }
            }
            Outbound::Frame(Frame::LinkClose(reason)) => self.last = Some(reason),
            Outbound::Frame(other) => self.writer.write(&other, &mut self.control),
        }
        self.out.len() < GATHER
    }

    /// Ends the last frame. Returns why the link ends, if it does.
    pub(super) fn finish(mut self) -> Option<CloseReason> {
        self.end_control();
        self.last
    }

    fn end_control(&mut self) {
        if !self.control.is_empty() {
            put_frame(self.out, Opcode::Text, &[&self.control]);
            self.control.clear();
        }
    }
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    match message {
        Message::Text(text) => put_frame(out, Opcode::Text, &[b"m", text.as_bytes()]),
        Message::Binary(bytes) => put_frame(out, Opcode::Binary, &[bytes]),
    }
}
