//! Namespaces, attachments, and what the client hears.

use super::*;

fn fails(connection: &mut Connection, text: &str, why: &str) {
    let taken = connection.text(text.into());
    let Err(Violation::Malformed(violation)) = taken else { panic!("{text} is {taken:?}") };
    assert!(violation.contains(why), "{text}: {violation}");
}

#[test]
fn revision_5_asks_for_each_namespace() {
    let mut client = connection(R5);
    assert_eq!(client.start(), Action::Nothing);
    assert_eq!(client.text("0{\"token\":1}".into()), Ok(connect("/", "{\"token\":1}")));
    assert_eq!(client.text("0/admin,".into()), Ok(connect("/admin", "")));
    assert_eq!(open(&mut client, "/"), Outgoing::Same);
    assert_eq!(open(&mut client, "/admin"), Outgoing::Same);
    assert_eq!(open(&mut client, "/admin"), Outgoing::Nothing, "it is told once");
    for text in ["2[\"x\"]", "27[\"y\"]", "2/admin,7[\"x\"]", "37[]", "3/admin,0[]", "50-[\"x\"]"] {
        assert_eq!(client.text(text.into()), Ok(Action::Packet(packet(text, &[]))));
    }
}

#[test]
fn revision_4_has_the_first_namespace_unasked() {
    let mut client = connection(R4);
    assert_eq!(client.start(), connect("/", ""));
    let early = "2[\"some clients do not wait\"]";
    assert_eq!(client.text(early.into()), Ok(Action::Packet(packet(early, &[]))));
    assert_eq!(open(&mut client, "/"), Outgoing::Other(packet("0", &[])));
    assert_eq!(client.text("0".into()), Ok(Action::Nothing), "some clients ask all the same");
    assert_eq!(client.text("0/admin?token=abc,".into()), Ok(connect("/admin", "{\"token\":\"abc\"}")));
    assert_eq!(open(&mut client, "/admin"), Outgoing::Other(packet("0/admin,", &[])));
    assert_eq!(client.text("2/admin?token=abc,[\"x\"]".into()), Ok(Action::Packet(packet("2/admin,[\"x\"]", &[]))));
}

#[test]
fn a_packet_for_a_namespace_that_is_not_open_ends_the_connection() {
    for revision in [R4, R5] {
        for text in ["2/x,[\"e\"]", "2/x,7[\"e\"]", "3/x,7[]", "1/x", "50-/x,[\"e\"]"] {
            fails(&mut joined(revision), text, "not open");
        }
        fails(&mut joined(revision), "0/admin,", "was asked for");
        let mut client = joined(revision);
        client.text("0/slow,".into()).unwrap();
        fails(&mut client, "0/slow,", "was asked for");
        fails(&mut client, "2/slow,[\"e\"]", "before the namespace is open");
    }
    fails(&mut joined(R5), "0", "was asked for");
    fails(&mut connection(R5), "2[\"e\"]", "not open");
    fails(&mut connection(R5), "1", "not open");
}

#[test]
fn a_client_leaves_and_comes_again() {
    for revision in [R4, R5] {
        let mut client = joined(revision);
        assert_eq!(client.text("1/admin,".into()), Ok(Action::Disconnect { namespace: "/admin".into() }));
        assert_eq!(client.outgoing(&control(Kind::Disconnect, "/admin", "{}")), Outgoing::Nothing);
        assert_eq!(client.text("0/admin,".into()), Ok(connect("/admin", "")));
        assert_eq!(client.text("1/admin".into()), Ok(Action::Disconnect { namespace: "/admin".into() }));
        assert_eq!(open(&mut client, "/admin"), Outgoing::Nothing, "it has left meanwhile");
        assert_eq!(client.text("1".into()), Ok(Action::Disconnect { namespace: "/".into() }));
        fails(&mut client, "2[\"e\"]", "not open");
        assert_eq!(client.text("0".into()), Ok(connect("/", "")));
    }
}

#[test]
fn what_crosses_the_end_of_a_namespace_is_dropped() {
    let mut client = joined(R5);
    client.text("51-/admin,[\"e\",{\"_placeholder\":true,\"num\":0}]".into()).unwrap();
    let end = control(Kind::Disconnect, "/admin", "{\"code\":3001,\"message\":\"kicked\"}");
    assert_eq!(client.outgoing(&end), Outgoing::Other(packet("1/admin,", &[])));
    assert_eq!(client.outgoing(&end), Outgoing::Nothing);
    assert_eq!(client.binary(vec![1].into()), Ok(Action::Nothing));
    for text in ["2/admin,[\"e\"]", "3/admin,7[]", "1/admin"] {
        assert_eq!(client.text(text.into()), Ok(Action::Nothing), "{text}");
    }
    assert_eq!(client.text("0/admin,".into()), Ok(connect("/admin", "")));
    fails(&mut client, "2/admin,[\"e\"]", "before");
    // Once the client has heard of the end nothing is on its way any more.
    open(&mut client, "/admin");
    client.text("1/admin".into()).unwrap();
    fails(&mut client, "2/admin,[\"e\"]", "not open");
    // The first of very many is forgotten.
    let mut client = joined(R5);
    for nth in 0..33 {
        let namespace = format!("/{nth}");
        client.text(format!("0{namespace},").into()).unwrap();
        open(&mut client, &namespace);
        client.outgoing(&control(Kind::Disconnect, &namespace, ""));
    }
    assert_eq!(client.text("2/1,[\"e\"]".into()), Ok(Action::Nothing));
    fails(&mut client, "2/0,[\"e\"]", "not open");
}

#[test]
fn a_refusal_is_said_in_the_words_of_the_revision() {
    let told = |revision, fault: &Fault| {
        let mut client = joined(revision);
        client.text("0/x,".into()).unwrap();
        let Outgoing::Other(told) = client.outgoing(&not_opened("/x", fault)) else { panic!("it is told") };
        assert_eq!(client.text("0/x,".into()), Ok(connect("/x", "")), "it may ask again");
        told.text().to_string()
    };
    let (plain, data) =
        (Fault::new("login", "not \"you\""), Fault::new("login", "no").with_data(serde_json::json!({"a": 7})));
    for revision in [R4, R5] {
        assert_eq!(told(revision, &Fault::unknown_namespace()), "4/x,{\"message\":\"Invalid namespace\"}");
    }
    assert_eq!(told(R5, &plain), r#"4/x,{"code":"login","message":"not \"you\""}"#);
    assert_eq!(told(R5, &data), r#"4/x,{"code":"login","data":{"a":7},"message":"no"}"#);
    assert_eq!(told(R4, &plain), r#"4/x,"not \"you\"""#);
    assert_eq!(told(R4, &data), r#"4/x,{"a":7}"#);
    let mut client = connection(R4);
    client.start();
    assert_eq!(client.outgoing(&not_opened("/", &plain)), Outgoing::Other(packet(r#"4"not \"you\"""#, &[])));
    assert_eq!(client.outgoing(&not_opened("/", &plain)), Outgoing::Nothing);
    for text in ["2[\"does not wait for the answer\"]", "1"] {
        assert_eq!(client.text(text.into()), Ok(Action::Nothing), "it has crossed the refusal: {text}");
    }
}

#[test]
fn events_and_answers_stay_and_a_refused_request_is_an_answer() {
    for revision in [R4, R5] {
        let mut client = joined(revision);
        for same in
            ["2[\"x\"]", "27[\"x\"]", "37[]", "61-/admin,7[{\"_placeholder\":true,\"num\":0}]", "51-/admin,[\"x\"]"]
        {
            assert_eq!(client.outgoing(&packet(same, &[])), Outgoing::Same);
        }
        let fault = Fault::new("conflict", "no").with_data(1);
        let refused = |client: &mut Connection, namespace| client.outgoing(&refused(namespace, 7, &fault));
        let expected = r#"37[{"error":{"code":"conflict","message":"no","data":1}}]"#;
        assert_eq!(refused(&mut client, "/"), Outgoing::Other(packet(expected, &[])));
        let expected = r#"3/admin,7[{"error":{"code":"conflict","message":"no","data":1}}]"#;
        assert_eq!(refused(&mut client, "/admin"), Outgoing::Other(packet(expected, &[])));
        assert_eq!(client.outgoing(&packet("9", &[])), Outgoing::Nothing);
    }
}

#[test]
fn a_connection_has_so_many_namespaces_and_no_more() {
    let mut client = joined(R5);
    for namespace in ["/third", "/fourth"] {
        assert_eq!(client.text(format!("0{namespace},").into()), Ok(connect(namespace, "")));
    }
    let Ok(Action::Reply(reply)) = client.text("0/fifth,".into()) else { panic!("it is refused") };
    let expected = r#"4/fifth,{"code":"full","message":"a connection has at most 3 namespaces besides /"}"#;
    assert_eq!(reply.text(), expected);
    assert_eq!(client.text("1/fifth".into()), Ok(Action::Nothing), "it has crossed the refusal");
    fails(&mut client, "2/sixth,[\"x\"]", "not open");
    // The root neither takes a place nor leaves one.
    client.text("1".into()).unwrap();
    assert!(matches!(client.text("0/fifth,".into()), Ok(Action::Reply(_))));
    assert_eq!(client.text("0".into()), Ok(connect("/", "")));
    client.text("1/admin".into()).unwrap();
    assert_eq!(client.text("0/fifth,".into()), Ok(connect("/fifth", "")));
}

#[test]
fn attachments_follow_their_packet_in_order_and_nothing_comes_between() {
    let head = "52-/admin,7[\"x\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,\"num\":1}]]";
    let mut client = joined(R5);
    assert_eq!((client.text(head.into()), client.held()), (Ok(Action::Nothing), head.len()));
    assert_eq!((client.binary(vec![1, 2].into()), client.held()), (Ok(Action::Nothing), head.len() + 2));
    assert_eq!(client.binary(vec![].into()), Ok(Action::Packet(packet(head, &[&[1, 2], &[]]))));
    assert_eq!(client.held(), 0);
    let stray = Violation::Malformed("parse error: bytes where no attachment is missing");
    assert_eq!(client.binary(vec![].into()), Err(stray));
    for text in ["2[\"x\"]", "0/x,", "1", "51-[\"x\"]"] {
        let mut client = joined(R5);
        client.text("51-[\"x\",{\"_placeholder\":true,\"num\":0}]".into()).unwrap();
        fails(&mut client, text, "where an attachment must come");
    }
}

#[test]
fn a_packet_is_bounded_with_its_attachments() {
    let head = "52-[\"x\"]";
    let rest = LIMIT - head.len();
    for (first, second, fits) in [(rest, 0, true), (1, rest - 1, true), (1, rest, false), (0, rest + 1, false)] {
        let mut client = joined(R5);
        client.text(head.into()).unwrap();
        assert_eq!(client.binary(vec![7; first].into()), Ok(Action::Nothing));
        let last = client.binary(vec![7; second].into());
        assert_eq!(matches!(last, Ok(Action::Packet(_))), fits, "{last:?}");
        assert_eq!(last == Err(Violation::TooLarge), !fits);
    }
    let text = |length: usize| format!("2[\"{}\"]", "x".repeat(length - 5));
    assert!(joined(R5).text(text(LIMIT).into()).is_ok());
    assert_eq!(joined(R5).text(text(LIMIT + 1).into()), Err(Violation::TooLarge));
}

#[test]
fn a_namespace_keeps_nothing_of_the_packet_that_asked_for_it() {
    let mut client = joined(R5);
    let text = ByteString::from(format!("0/third,{{\"token\":\"{}\"}}", "x".repeat(100)));
    let Ok(Action::Connect { namespace, auth }) = client.text(text.clone()) else { panic!("it asks") };
    let within = |part: &ByteString| text.as_bytes().as_ptr_range().contains(&part.as_bytes().as_ptr());
    assert!(within(&auth) && !within(&namespace) && !client.places.iter().any(|place| within(&place.namespace)));
}
