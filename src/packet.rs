//! [`Packet`]: an event on its way, as text and attachments.

use bytes::Bytes;
use bytestring::ByteString;

/// One packet of the layer of events. It is numbered, kept and acknowledged as one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The packet in the grammar of `dialect/head.rs`: `type [count "-"] [namespace ","] [id] [json]`.
    pub(crate) text: ByteString,
    /// The binary parts, in the order of the numbers by which the text refers to them.
    pub(crate) attachments: Vec<Bytes>,
}

impl Packet {
    /// The length of the text and all attachments, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.attachments.iter().fold(self.text.len(), |sum, attachment| sum.saturating_add(attachment.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_counts_all_of_its_parts() {
        assert_eq!(Packet::default().len(), 0);
        let packet = Packet { text: "52-[\"é\"]".into(), attachments: vec![vec![0; 3].into(), vec![0; 5].into()] };
        assert_eq!(packet.len(), 9 + 3 + 5);
    }
}
