//! Frames of WebSocket as a client writes them (RFC 6455, section 5): for messages that were read at this node already.

/// Appends a text message in one frame that is masked with this key.
pub(super) fn put_text(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    const FINAL_TEXT: u8 = 0x81;
    const MASKED: u8 = 0x80;
    out.push(FINAL_TEXT);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.push(MASKED | length),
        (_, Ok(length)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    use super::*;

    #[tokio::test]
    async fn a_server_reads_frames_of_each_length() {
        use futures::StreamExt;
        let texts: Vec<String> = [0, 1, 125, 126, 65_535, 65_536, 200_000].map(|length| "é".repeat(length / 2)).into();
        let mut bytes = Vec::new();
        for text in &texts {
            put_text(&mut bytes, text.as_bytes(), [1, 2, 3, 250]);
        }
        let io = tokio::io::join(std::io::Cursor::new(bytes), tokio::io::sink());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        for text in texts {
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
        }
    }
}
