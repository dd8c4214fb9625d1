//! The frames of the server.

use super::*;

const HEAD: MessageHead<'_> =
    MessageHead { destination: "/a", subscription: Some("s"), id: 7, ack: false, redelivered: None, extra: &[] };

fn of(version: Version, head: MessageHead<'_>, content: &Content) -> String {
    shown(&message(version, head, &content.encode()))
}

#[test]
fn message_has_its_destination_id_and_subscription() {
    for version in Version::ALL {
        let frame = of(version, HEAD, &content(&[("x", "y")], b"hi"));
        assert_eq!(frame, "MESSAGE\nsubscription:s\ndestination:/a\nmessage-id:7\nx:y\ncontent-length:2\n\nhi^");
    }
}

#[test]
fn message_of_a_subscription_without_id_names_none() {
    let frame = of(V1_0, MessageHead { subscription: None, ..HEAD }, &content(&[], b""));
    assert_eq!(frame, "MESSAGE\ndestination:/a\nmessage-id:7\ncontent-length:0\n\n^");
}

#[test]
fn message_whose_ack_is_due_has_the_header_ack_in_1_2() {
    let frame = |version| of(version, MessageHead { ack: true, ..HEAD }, &content(&[], b""));
    assert!(frame(V1_2).contains("\nmessage-id:7\nack:7\n"));
    assert!(!frame(V1_1).contains("ack"));
    assert!(!frame(V1_0).contains("ack"));
    assert!(!of(V1_2, HEAD, &content(&[], b"")).contains("ack"));
}

#[test]
fn message_can_have_more_headers() {
    let extra: &[(&str, &str)] = &[("receipt-id", "r:1"), ("code", "full")];
    let frame = of(V1_2, MessageHead { redelivered: Some(true), extra, ..HEAD }, &content(&[], b""));
    assert_eq!(
        frame,
        "MESSAGE\nsubscription:s\ndestination:/a\nmessage-id:7\nredelivered:true\nreceipt-id:r\\c1\ncode:full\n\
         content-length:0\n\n^"
    );
    assert!(
        of(V1_2, MessageHead { redelivered: Some(false), ..HEAD }, &content(&[], b"")).contains("redelivered:false")
    );
}

#[test]
fn the_servers_headers_stand_before_the_senders() {
    // The first of a repeated header stands, so that a sender cannot replace one.
    let frame = of(V1_2, HEAD, &content(&[("destination", "/forged"), ("message-id", "0")], b""));
    let read = frame.split("\n\n").next().unwrap().lines().skip(1).map(|line| line.split_once(':').unwrap());
    let all = headers(&read.collect::<Vec<_>>());
    assert_eq!((all.get("destination"), all.get("message-id")), (Some("/a"), Some("7")));
}

#[test]
fn each_version_spells_the_senders_headers() {
    let sent = content(&[("a:b", "c\nd"), ("e", "f:g\\h\ri"), ("j", "k")], b"l:\\c\nm");
    let head = MessageHead { destination: "/a:b\\", subscription: Some("s:\\"), ..HEAD };
    assert_eq!(
        of(V1_2, head, &sent),
        "MESSAGE\nsubscription:s\\c\\\\\ndestination:/a\\cb\\\\\nmessage-id:7\na\\cb:c\\nd\ne:f\\cg\\\\h\\ri\nj:k\n\
         content-length:6\n\nl:\\c\nm^"
    );
    assert_eq!(
        of(V1_1, head, &sent),
        "MESSAGE\nsubscription:s\\c\\\\\ndestination:/a\\cb\\\\\nmessage-id:7\na\\cb:c\\nd\ne:f\\cg\\\\h\ri\nj:k\n\
         content-length:6\n\nl:\\c\nm^"
    );
    assert_eq!(
        of(V1_0, head, &sent),
        "MESSAGE\nsubscription:s:\\\ndestination:/a:b\\\nmessage-id:7\ne:f:g\\h\ri\nj:k\ncontent-length:6\n\n\
         l:\\c\nm^"
    );
}

#[test]
fn message_is_text_or_binary_as_its_body_is() {
    for version in Version::ALL {
        let text = message(version, HEAD, &content(&[("x", "a:b")], "é\0".as_bytes()).encode());
        assert!(text.as_text().is_some_and(|text| text.ends_with("content-length:3\n\né\0\0")));
        let binary = message(version, HEAD, &content(&[("x", "a:b")], b"\xff\0").encode());
        assert!(binary.as_text().is_none() && binary.as_bytes().ends_with(b"content-length:2\n\n\xff\0\0"));
    }
}

#[test]
fn connected_has_its_version() {
    for version in Version::ALL {
        let frame = shown(&connected(version, "s-1", (10_000, 5000)));
        let heart_beat = if version == V1_0 { "" } else { "heart-beat:10000,5000\n" };
        let name = version.name();
        assert_eq!(frame, format!("CONNECTED\nversion:{name}\nsession:s-1\nserver:anywire\n{heart_beat}\n^"));
        // It has no escapes, and no text can end its line.
        assert!(shown(&connected(version, "a:\\b\r\n\0c", (0, 0))).contains("\nsession:a:\\bc\n"));
    }
}

#[test]
fn receipt_has_the_id_and_no_body() {
    assert_eq!(shown(&receipt(V1_2, "a:\r\n")), "RECEIPT\nreceipt-id:a\\c\\r\\n\n\n^");
    assert_eq!(shown(&receipt(V1_1, "a:\n")), "RECEIPT\nreceipt-id:a\\c\\n\n\n^");
    assert_eq!(shown(&receipt(V1_0, "a:\\c")), "RECEIPT\nreceipt-id:a:\\c\n\n^");
}

#[test]
fn error_has_a_message_a_receipt_and_a_body() {
    let frame = error(Some(V1_2), "bad: x", "all\0 of it", Some("r:1"));
    let head = "ERROR\nmessage:bad\\c x\nreceipt-id:r\\c1\ncontent-type:text/plain\ncontent-length:10\n\n";
    assert_eq!(shown(&frame), format!("{head}all^ of it^"));
    assert_eq!(shown(&error(Some(V1_0), "a\r\nb", "", None)), "ERROR\nmessage:a  b\ncontent-length:0\n\n^");
    let frame = error(None, "no", "why", None);
    let head = "ERROR\nmessage:no\nversion:1.0,1.1,1.2\ncontent-type:text/plain\ncontent-length:3\n\n";
    assert_eq!(shown(&frame), format!("{head}why^"));
}

#[test]
fn an_error_that_is_a_fault_is_json() {
    let fault = serde_json::to_string(&crate::dialect::Fault::new("denied", "who are you?")).unwrap();
    assert!(shown(&error(Some(V1_1), "who are you?", &fault, None)).contains("\ncontent-type:application/json\n"));
    assert!(shown(&error(Some(V1_1), "x", "{no JSON}", None)).contains("\ncontent-type:text/plain\n"));
}
