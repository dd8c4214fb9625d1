//! Texts as packets, whatever their connection.

use super::*;

#[test]
fn what_is_no_packet_of_a_client_is_a_violation() {
    for revision in [R4, R5] {
        for bad in [
            "",
            "abc",
            "4abc",
            "8[]",
            "7",
            "71{}",
            "4",
            "4{}",
            "4/admin,{\"message\":\"x\"}",
            "01",
            "0[]",
            "0\"x\"",
            "0{",
            "0{\"a\":1}x",
            "0null",
            "1{}",
            "1/admin,{}",
            "1[]",
            "2",
            "2/admin,",
            "212",
            "2{}",
            "2abc[\"x\"]",
            "2[]",
            "2[ ]",
            "2[null]",
            "2[true]",
            "2[[\"x\"]]",
            "2[{}]",
            "2[\"echo\"",
            "2[\"echo\"]]",
            "2[\"echo\",]",
            "2[\"echo\" 1]",
            "2[\"connect\"]",
            "2[\"connect_error\"]",
            "2[\"disconnect\"]",
            "2[\"disconnecting\",1]",
            "2[\"newListener\"]",
            "2[ \"removeListener\"]",
            "2[\"\\u0063onnect\"]",
            "3[]",
            "31{}",
            "31[",
            "5[]",
            "511-[\"echo\"]",
            "5-[\"x\"]",
            "51-[\"connect\"]",
            "61-[{}]",
            "51-[\"echo\",{\"_placeholder\":true,\"num\":3}]",
            "51-[\"echo\",{\"_placeholder\":true,\"num\":1}]",
            "51-[\"echo\",{\"num\":-1,\"_placeholder\":true}]",
            "51-[\"echo\",[{\"a\":{\"_placeholder\":true,\"num\":\"0\"}}]]",
            "51-[\"echo\",{\"_placeholder\":true}]",
            "61-7[{\"_placeholder\":true,\"num\":1.5}]",
        ] {
            let read = ClientPacket::read(revision, bad.into());
            let Err(Violation::Malformed(text)) = read else { panic!("{bad} is {read:?}") };
            assert!(text.starts_with("parse error"), "{text}");
        }
    }
}

#[test]
fn what_a_client_may_send_is_read_as_it_is() {
    for revision in [R4, R5] {
        for good in [
            "0",
            "0/admin,",
            "0/admin",
            "1",
            "1/admin,",
            "1/admin",
            "2[\"echo\"]",
            "20[\"ask\",1,\"two\"]",
            "2/admin,7[\"x\",{\"a\":[1,null,true]}]",
            "2[5,1]",
            "2[-1]",
            "2[\"message\"]",
            "2[\"error\"]",
            "2[\"open\"]",
            "2[\"\"]",
            "2[\"é€😀\",\"\u{2028}\\u001e\"]",
            "30[]",
            "3/admin,456[\"x\"]",
            "51-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
            "51-[\"echo\",{\"num\":0,\"_placeholder\":true}]",
            "52-[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":false,\"num\":9}]",
            "51-[\"nobody needs it\"]",
            "50-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
            "2[\"echo\",{\"_placeholder\":true,\"num\":7}]",
            "61-7[{\"deep\":[{\"_placeholder\":true,\"num\":0}]}]",
            "510-[\"ten\"]",
        ] {
            let read = ClientPacket::read(revision, good.into()).unwrap_or_else(|why| panic!("{good}: {why}"));
            assert_eq!(read, ClientPacket::of_text(good.into()));
        }
    }
    let half = ClientPacket::read(R5, "2[\"\\ud83d\",\"\\udfff\"]".into()).unwrap();
    assert_eq!(half.text, "2[\"\\ufffd\",\"\\ufffd\"]", "half of a character is none");
    let deep = format!("51-[\"deep\",{}{}]", "[".repeat(90_000), "]".repeat(90_000));
    assert!(ClientPacket::read(R5, deep.into()).is_ok(), "nobody can read it, which harms its sender alone");
}

#[test]
fn auth_data_are_json_or_a_query() {
    let auth = |revision, text: &str| ClientPacket::read(revision, text.into()).map(ClientPacket::into_text);
    let read = |text: &'static str| Ok(ByteString::from_static(text));
    assert_eq!(auth(R5, "0{\"token\":\"abc\"}"), read("0{\"token\":\"abc\"}"));
    assert_eq!(auth(R5, "0/admin,{}"), read("0/admin,{}"));
    assert_eq!(auth(R5, "0/admin?token=abc,"), read("0/admin?token=abc,"));
    assert_eq!(auth(R4, "0/admin?token=abc,"), read("0/admin,{\"token\":\"abc\"}"));
    assert_eq!(auth(R4, "0/admin?token=abc"), read("0/admin,{\"token\":\"abc\"}"));
    assert_eq!(auth(R4, "0/admin?,"), read("0/admin,{}"));
    assert_eq!(
        auth(R4, "0/a?x=1&y=%C3%A9+%22&x=2&z&x=3&&=q,"),
        read(r#"0/a,{"":"q","x":["1","2","3"],"y":"é \"","z":""}"#)
    );
    assert_eq!(auth(R4, "0/admin?a=%ff,"), read("0/admin,{\"a\":\"\u{fffd}\"}"));
    assert_eq!(auth(R4, "2/admin?a=1,7[\"x\"]"), read("2/admin,7[\"x\"]"));
    assert_eq!(auth(R4, "51-/admin?a=1,[\"x\"]"), read("51-/admin,[\"x\"]"));
    assert_eq!(auth(R4, "1/admin?a=1"), read("1/admin,"));
    assert_eq!(auth(R4, "2[\"x?y=/a,\"]"), read("2[\"x?y=/a,\"]"));
    // A token is often longer than the name of a namespace may be.
    let long = format!("0/admin?token={},", "x".repeat(2_000));
    assert_eq!(auth(R4, &long).unwrap(), format!("0/admin,{{\"token\":\"{}\"}}", "x".repeat(2_000)));
    let longest = |length: usize| auth(R4, &format!("0/admin?{},", "&".repeat(length)));
    assert!(longest(16 * 1024).is_ok() && longest(16 * 1024 + 1).is_err());
    for bad in ["0/admin,?a=1", "0?a=1", &format!("0/{}?a=1,", "n".repeat(256)), "5/admin?a=1,[\"x\"]"] {
        assert!(auth(R4, bad).is_err(), "{bad}");
    }
}

fn plain(packet: &Packet) -> Option<crate::message::Message> {
    plain_message(&Head::parse(packet.text()).ok()?, packet)
}

#[test]
fn a_message_is_told_from_an_event_of_that_name() {
    use crate::message::Message;
    let text = |text: &str| plain(&packet(text, &[]));
    assert_eq!(text("2[\"message\",\"hi\"]"), Some(Message::from("hi")));
    assert_eq!(text("2/,[\"mess\\u0061ge\",\"\\u00e9\\n\"]"), Some(Message::from("é\n")));
    for event in [
        "2[\"message\"]",
        "2[\"message\",1]",
        "2[\"message\",\"a\",\"b\"]",
        "27[\"message\",\"a\"]",
        "2/a,[\"message\",\"a\"]",
        "2[\"messages\",\"a\"]",
        "37[\"message\",\"a\"]",
        "2[\"message\",{\"a\":1}]",
        "2[\"message\",\"\\ud83d\"]",
        "0",
        "",
    ] {
        assert_eq!(text(event), None, "{event}");
    }
    let bytes = |text: &str| plain(&packet(text, &[&[1, 2]]));
    assert_eq!(bytes("51-[\"message\",{\"_placeholder\":true,\"num\":0}]"), Some(Message::from(vec![1, 2])));
    for event in [
        "51-[\"message\",[1,2]]",
        "51-[\"message\",[{\"_placeholder\":true,\"num\":0}]]",
        "51-[\"message\",\"_placeholder\"]",
        "51-[\"message\",{\"_placeholder\":true,\"num\":0},1]",
        "51-7[\"message\",{\"_placeholder\":true,\"num\":0}]",
    ] {
        assert_eq!(bytes(event), None, "{event}");
    }
}
