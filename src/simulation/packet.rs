//! A packet: frames that travel at once in one direction, as Rust values or in one of the three encodings.

use bytes::Bytes;

use crate::{
    codec::native::{Head, Reader, Record, Spelling, Writer, tests::put_head},
    message::Message,
    payload::Payload,
    session::{CloseReason, Frame},
};

/// A unit of a transport: a body or a part of one, or a WebSocket message.
#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    Text(Bytes),
    Binary(Bytes),
}

#[derive(Clone, Debug)]
pub(crate) enum Contents {
    Frames(Vec<Frame>),
    Chunks(Vec<Chunk>),
}

#[derive(Clone)]
pub(crate) struct Packet {
    /// Its place in the order in which the client has sent its packets.
    pub(crate) order: u64,
    /// A client's head record. An encoded packet has it in its bytes.
    pub(crate) head: Option<Head>,
    pub(crate) payload: Contents,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(head) = &self.head {
            write!(f, "{head:?} ")?;
        }
        match &self.payload {
            Contents::Frames(frames) => f.write_str(&brief_frames(frames)),
            Contents::Chunks(chunks) => {
                for chunk in chunks {
                    let (Chunk::Text(bytes) | Chunk::Binary(bytes)) = chunk;
                    let text = String::from_utf8_lossy(bytes).replace("..", "");
                    write!(f, "{} ", text.chars().take(400).collect::<String>())?;
                }
                Ok(())
            }
        }
    }
}

/// Frames as a trace shows them: a run of messages is one item.
fn brief_frames(frames: &[Frame]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut run: Option<(u64, u64)> = None;
    let run_text = |(from, to): (u64, u64)| if from == to { format!("m{from}") } else { format!("m{from}..{to}") };
    for frame in frames {
        if let Frame::Message { number, .. } = frame {
            run = match run {
                Some((from, to)) if to + 1 == *number => Some((from, *number)),
                other => {
                    parts.extend(other.map(run_text));
                    Some((*number, *number))
                }
            };
        } else {
            parts.extend(run.take().map(run_text));
            parts.push(format!("{frame:?}"));
        }
    }
    parts.extend(run.map(run_text));
    parts.join(" ")
}

impl Packet {
    /// The approximate number of bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.payload {
            Contents::Frames(frames) => frames.iter().map(frame_size).sum(),
            Contents::Chunks(chunks) => {
                chunks.iter().map(|(Chunk::Text(bytes) | Chunk::Binary(bytes))| bytes.len()).sum()
            }
        }
    }

    /// Appends an acknowledgement that no half has sent.
    pub(crate) fn append_ack(&mut self, received: u64) {
        match &mut self.payload {
            Contents::Frames(frames) => frames.push(Frame::Ack { received }),
            Contents::Chunks(chunks) => chunks.push(Chunk::Text(format!("a{received}:").into())),
        }
    }
}

pub(crate) fn frame_size(frame: &Frame) -> usize {
    match frame {
        Frame::Message { message, .. } => message.len() + 8,
        Frame::Padding { length } => *length as usize + 8,
        _ => 8,
    }
}

/// The codec of both directions at one end of a connection.
#[derive(Debug)]
pub(crate) struct Ends {
    spelling: Spelling,
    writer: Writer,
    reader: Reader,
}

/// How a connection is encoded; `None` passes Rust values.
#[derive(Debug)]
pub(crate) struct Codec(Option<Ends>);

impl Codec {
    pub(crate) fn new(spelling: Option<Spelling>) -> Self {
        let ends =
            |spelling| Ends { spelling, writer: Writer::new(spelling), reader: Reader::new(spelling, usize::MAX) };
        Codec(spelling.map(ends))
    }

    pub(crate) fn encode(&mut self, head: Option<Head>, frames: Vec<Frame>) -> Packet {
        let Some(ends) = &mut self.0 else { return Packet { order: 0, head, payload: Contents::Frames(frames) } };
        let mut chunks = Vec::new();
        let mut out = Vec::new();
        if let Some(head) = &head {
            put_head(ends.spelling, head, &mut out);
        }
        for frame in &frames {
            match frame {
                Frame::Message { number, message } if ends.spelling == Spelling::WebSocket => {
                    ends.writer.count(*number, &mut out);
                    match message.payload() {
                        Payload::Message(Message::Text(text)) => {
                            out.push(b'm');
                            out.extend_from_slice(text.as_bytes());
                            chunks.push(Chunk::Text(std::mem::take(&mut out).into()));
                        }
                        Payload::Message(Message::Binary(bytes)) => {
                            if !out.is_empty() {
                                chunks.push(Chunk::Text(std::mem::take(&mut out).into()));
                            }
                            chunks.push(Chunk::Binary(bytes.clone()));
                        }
                        Payload::Event(packet) => {
                            out.push(b'e');
                            out.extend_from_slice(packet.text.as_bytes());
                            chunks.push(Chunk::Text(std::mem::take(&mut out).into()));
                            chunks.extend(packet.attachments.iter().cloned().map(Chunk::Binary));
                        }
                    }
                }
                _ => ends.writer.write(frame, &mut out),
            }
        }
        if !out.is_empty() {
            chunks.push(Chunk::Text(out.into()));
        }
        Packet { order: 0, head: None, payload: Contents::Chunks(chunks) }
    }

    /// The records of a packet. The wire corrupts nothing, so an error is a fault of the codec.
    pub(crate) fn decode(&mut self, packet: Packet) -> Result<(Option<Head>, Vec<Frame>), CloseReason> {
        let chunks = match packet.payload {
            Contents::Frames(frames) => return Ok((packet.head, frames)),
            Contents::Chunks(chunks) => chunks,
        };
        let Some(ends) = &mut self.0 else { return Err(CloseReason::new(4004, "bytes where values were expected")) };
        let (mut head, mut frames) = (packet.head, Vec::new());
        for chunk in chunks {
            match chunk {
                Chunk::Binary(bytes) => frames.extend(ends.reader.binary(bytes)?),
                Chunk::Text(mut bytes) => {
                    while let Some(record) = ends.reader.read(&mut bytes)? {
                        match record {
                            Record::Frame(frame) => frames.push(frame),
                            Record::Head(read) => head = Some(read),
                        }
                    }
                }
            }
        }
        Ok((head, frames))
    }
}
