//! A packet: frames that travel at once in one direction, as Rust values or in one of the three encodings.

use bytes::Bytes;

use super::{events::Fate, random::Random};
use crate::{
    codec::native::{Head, Reader, Record, Spelling, Writer, tests::put_head},
    message::Message,
    packet::Packet as Event,
    payload::Payload,
    session::{CloseReason, Frame, tests::saboteur::HalfEvent},
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
    /// The events in it that were encoded.
    pub(super) marks: Vec<Mark>,
    /// The connection was cut while this was on it: what there is may end in the midst of a frame.
    pub(crate) torn: bool,
    /// The event in whose midst that was.
    pub(crate) half: Option<HalfEvent>,
}

/// The place of an encoded event: the first and last byte of a chunk, or, if its attachments are chunks of their own,
/// all of it.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    number: u64,
    event: Event,
    chunk: usize,
    bytes: Option<(usize, usize)>,
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

    pub(crate) fn new(head: Option<Head>, payload: Contents) -> Self {
        Packet { order: 0, head, payload, marks: Vec::new(), torn: false, half: None }
    }

    /// Whether there are events in it that can be cut.
    pub(crate) fn has_events(&self) -> bool {
        !self.marks.is_empty() && !self.torn
    }

    /// Cuts the packet before, in, or behind one of its events, if it has any that can be cut so. Returns the
    /// event.
    pub(crate) fn tear(&mut self, random: &mut Random, place: Fate) -> Option<Payload> {
        let Contents::Chunks(chunks) = &mut self.payload else { return None };
        let mark = self.marks.get(random.below(self.marks.len().max(1) as u64) as usize)?.clone();
        let count = mark.event.attachments().len();
        let mut came = 0;
        match (mark.bytes, place) {
            (None, Fate::CutBefore) => chunks.truncate(mark.chunk),
            (None, Fate::CutIn) if count == 0 => return None,
            (None, Fate::CutIn) => {
                came = random.below(count as u64) as usize;
                chunks.truncate(mark.chunk + 1 + came);
            }
            (None, _) => chunks.truncate(mark.chunk + 1 + count),
            (Some((first, end)), place) => {
                let Chunk::Text(bytes) = &mut chunks[mark.chunk] else { unreachable!("only a text holds several") };
                let mut at = match place {
                    Fate::CutBefore => first,
                    Fate::CutIn => first + 1 + random.below((end - first - 1) as u64) as usize,
                    _ => end,
                };
                // A character is not split: the script's host takes text.
                while at > first && at < bytes.len() && bytes[at] & 0xc0 == 0x80 {
                    at -= 1;
                }
                came = (at - first) * count / (end - first);
                bytes.truncate(at);
                chunks.truncate(mark.chunk + 1);
            }
        }
        self.torn = true;
        let Mark { number, event, .. } = mark;
        let payload = Payload::Event(event.clone());
        self.half = (place == Fate::CutIn).then_some(HalfEvent { number, event, came });
        Some(payload)
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
        let Some(ends) = &mut self.0 else { return Packet::new(head, Contents::Frames(frames)) };
        let (mut chunks, mut marks) = (Vec::new(), Vec::new());
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
                            marks.push(Mark {
                                number: *number,
                                event: packet.clone(),
                                chunk: chunks.len(),
                                bytes: None,
                            });
                            out.push(b'e');
                            out.extend_from_slice(packet.text().as_bytes());
                            chunks.push(Chunk::Text(std::mem::take(&mut out).into()));
                            chunks.extend(packet.attachments().iter().cloned().map(Chunk::Binary));
                        }
                    }
                }
                _ => {
                    let first = out.len();
                    ends.writer.write(frame, &mut out);
                    if let Frame::Message { number, message } = frame
                        && let Payload::Event(event) = message.payload()
                    {
                        let bytes = Some((first, out.len()));
                        marks.push(Mark { number: *number, event: event.clone(), chunk: 0, bytes });
                    }
                }
            }
        }
        if !out.is_empty() {
            chunks.push(Chunk::Text(out.into()));
        }
        Packet { marks, ..Packet::new(None, Contents::Chunks(chunks)) }
    }

    /// The records of a packet. The wire corrupts nothing, so an error is a fault of the codec, unless the
    /// packet is torn: then what could be read is what came.
    pub(crate) fn decode(&mut self, packet: Packet) -> Result<(Option<Head>, Vec<Frame>), CloseReason> {
        let chunks = match packet.payload {
            Contents::Frames(frames) => return Ok((packet.head, frames)),
            Contents::Chunks(chunks) => chunks,
        };
        let Some(ends) = &mut self.0 else { return Err(CloseReason::new(4004, "bytes where values were expected")) };
        let (mut head, mut frames) = (packet.head, Vec::new());
        for chunk in chunks {
            match ends.read(chunk, &mut head, &mut frames) {
                Ok(()) => {}
                Err(_) if packet.torn => break,
                Err(error) => return Err(error),
            }
        }
        Ok((head, frames))
    }
}

impl Ends {
    fn read(&mut self, chunk: Chunk, head: &mut Option<Head>, frames: &mut Vec<Frame>) -> Result<(), CloseReason> {
        match chunk {
            Chunk::Binary(bytes) => frames.extend(self.reader.binary(bytes)?),
            Chunk::Text(mut bytes) => {
                while let Some(record) = self.reader.read(&mut bytes)? {
                    match record {
                        Record::Frame(frame) => frames.push(frame),
                        Record::Head(read) => *head = Some(read),
                    }
                }
            }
        }
        Ok(())
    }
}
