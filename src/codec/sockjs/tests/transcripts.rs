//! Transcripts of the reference server and its client: what the client sent is read, and what the server sent is
//! written alike.

use super::*;

/// Undoes the escapes of a transcript.
fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let kind = behind.chars().next().expect(text);
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            _ => 0,
        };
        out.push(match kind {
            'n' => '\n',
            'r' => '\r',
            '\\' => '\\',
            'x' | 'u' => char::from_u32(u32::from_str_radix(&behind[1..=digits], 16).expect(text)).expect(text),
            other => panic!("\\{other} in {text}"),
        });
        rest = &behind[1 + digits..];
    }
    out + rest
}

/// The frames that the server said, without what each transport puts round them.
fn frame(line: &str) -> Option<&str> {
    let line = line.strip_prefix("data: ").unwrap_or(line).trim_end_matches(['\r', '\n']);
    let is_frame = matches!(line, "o" | "h") || line.starts_with("a[") || line.starts_with("c[");
    is_frame.then_some(line)
}

/// The frame as ours.
fn written(frame: &str) -> String {
    let (mut codec, mut body) = (SockJsCodec::new(LIMIT), Vec::new());
    if let Some(strings) = frame.strip_prefix('a') {
        let (texts, violation) = read(strings);
        assert_eq!(violation, None, "{frame}");
        for text in texts {
            codec.write(Outbound::message(1, message(&text).borrowed(), Names::default()), &mut body);
        }
    } else if let Some(rest) = frame.strip_prefix('c') {
        let (code, text): (u16, String) = serde_json::from_str(rest).unwrap();
        codec.write(ends(code, &text), &mut body);
    } else {
        codec.write(if frame == "o" { attached(Outcome::New) } else { PING }, &mut body);
    }
    codec.finish(&mut body);
    String::from_utf8(body).unwrap()
}

#[test]
fn every_frame_of_the_transcripts() {
    let (mut read_lines, mut written_lines) = (0, 0);
    for (name, transcript) in crate::fuzz::transcripts("sockjs") {
        for line in transcript.lines().filter(|line| !line.starts_with('#') && !line.contains(" times ")) {
            let Some((_, rest)) = line.split_once(' ') else { continue };
            let (direction, text) = rest.split_at(2);
            let text = unescape(text);
            if direction == "< " {
                let Some(frame) = frame(&text) else { continue };
                // The reference passes halves of pairs on.
                let expected = frame.replace("\\ud800 ", "\\ufffd ").replace(" \\udfff", " \\ufffd");
                assert_eq!(written(frame), expected, "{name}: {line}");
                written_lines += 1;
            } else if text.starts_with(['[', '"']) {
                let broken = text == "[\"x";
                assert_eq!(read(&text).1.is_some(), broken, "{name}: {line}");
                read_lines += 1;
            }
        }
    }
    assert!(read_lines > 30 && written_lines > 40, "{read_lines} and {written_lines}");
}
