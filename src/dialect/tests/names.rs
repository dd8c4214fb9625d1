//! Names, and what they decide at compile time.

use super::super::{
    Args, Asks, Data, Event, Fault, Named, Reply, Request, Sends, Takes, check_name, event, event_of_text, read_args,
    reserved::is_reserved,
};
use super::arguments;

const SAVE: Request<String, u32> = Request::new("save");
const CHANGED: Event<String> = Event::new("changed");
const MOVED: Event<Args<(f64, Option<String>)>> = Event::new("moved");
type Found = Request<Args<(String, u8)>, Args<(u8, u8)>>;
const FOUND: Found = Request::new("found");
const PING: Event<()> = Event::new("ping");
const POINTS: Event<Vec<u8>> = Event::new("points");

fn takes<D, O>(name: &impl Takes<D, O>) -> String {
    name.name().to_owned()
}

fn asks<R>(name: &impl Asks<&'static str, R>, _: fn(R)) -> String {
    name.name().to_owned()
}

/// The text of an event.
fn sends<D: super::super::IntoArgs>(name: &impl Sends<D>, data: &D) -> String {
    let packet = event("/", None, name.name(), data).unwrap();
    packet.text().to_string()
}

#[test]
fn a_name_decides_what_is_sent() {
    let text = "a".to_owned();
    assert_eq!(sends(&CHANGED, &"a"), r#"2["changed","a"]"#);
    assert_eq!(sends(&CHANGED, &&text), r#"2["changed","a"]"#);
    assert_eq!(sends(&CHANGED, &text.clone()), r#"2["changed","a"]"#);
    assert_eq!(sends(&MOVED, &Args((1.5, &None))), r#"2["moved",1.5,null]"#);
    assert_eq!(sends(&MOVED, &Args((&1.5, Some(text.clone())))), r#"2["moved",1.5,"a"]"#);
    assert_eq!(sends(&MOVED, &&Args((1.5, None))), r#"2["moved",1.5,null]"#);
    assert_eq!(sends(&PING, &()), r#"2["ping"]"#);
    assert_eq!(sends(&POINTS, &&[1, 2][..]), r#"2["points",[1,2]]"#);
    assert_eq!(sends(&POINTS, &[1, 2]), r#"2["points",[1,2]]"#);
    assert_eq!(sends(&"any", &Args((1, &text))), r#"2["any",1,"a"]"#);
    assert_eq!(sends(&"any".to_owned(), &7), r#"2["any",7]"#);
    assert_eq!(asks(&SAVE, |reply| assert_eq!(reply, 1)), "save");
    assert_eq!(asks(&"any", |(): ()| {}), "any");
}

#[test]
fn a_name_decides_how_it_is_handled() {
    takes::<Data<String>, ()>(&CHANGED);
    takes::<Data<String>, Result<(), Fault>>(&CHANGED);
    takes::<(), ()>(&CHANGED);
    takes::<Args<(f64, Option<String>)>, ()>(&MOVED);
    takes::<(), Result<(), Fault>>(&MOVED);
    takes::<Data<String>, Reply<u32>>(&SAVE);
    takes::<(), Result<Reply<u32>, Fault>>(&SAVE);
    takes::<Args<(String, u8)>, Result<Reply<Args<(u8, u8)>>, Fault>>(&FOUND);
    takes::<Data<Vec<u8>>, Reply<()>>(&"any");
    assert_eq!(takes::<(), ()>(&"any".to_owned()), "any");
}

#[test]
fn an_answer_is_read_as_its_name_has_it() {
    fn answer<T, R: super::super::FromArgs>(_: Request<T, R>, text: &str) -> R {
        read_args(arguments(&super::packet(text, &[]))).unwrap()
    }
    assert_eq!(answer(SAVE, "30[7]"), 7);
    assert_eq!(answer(FOUND, "30[7,8]"), Args((7, 8)));
}

#[test]
fn names_are_small_constants() {
    let again = SAVE;
    assert_eq!((SAVE.name(), again.name()), ("save", "save"));
    assert_eq!(format!("{SAVE:?} {CHANGED:?}"), r#"Request("save") Event("changed")"#);
    assert_eq!(size_of_val(&SAVE), size_of::<&str>());
    assert_eq!(Named::name(&MOVED), "moved");
}

#[test]
fn reserved_names_are_those_of_clients() {
    for name in [
        "open",
        "message",
        "transport",
        "interrupted",
        "resumed",
        "closed",
        "error",
        "gap",
        "connect_error",
        "connect",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        assert!(is_reserved(name) && check_name(name).is_err(), "{name}");
        assert!(std::panic::catch_unwind(|| Event::<()>::new(name)).is_err());
    }
    for name in ["Open", "open ", "ope", "opens", "", "new_listener", "é"] {
        assert!(!is_reserved(name), "{name}");
    }
    assert!(check_name(&"n".repeat(256)).is_ok());
    assert!(check_name(&"n".repeat(257)).is_err());
    assert!(check_name("").is_err());
}

#[test]
fn a_text_of_a_client_without_events_is_one_if_it_is_a_list_with_a_name() {
    let event = |text: &str| event_of_text(text).map(|packet| packet.text().to_string());
    for text in [r#"["say"]"#, r#"["say",{"a":[1,null]},"é"]"#, r#"[ "a\u0062" , 1 ] "#, r#"["message","x"]"#] {
        assert_eq!(event(text), Some(format!("2{text}")), "{text}");
    }
    let long = format!("[\"{}\"]", "n".repeat(257));
    for text in
        ["", "say", "[]", "[1]", "[[\"say\"]]", "[\"say\"", "[\"say\",]", "[\"say\"]x", "[\"\"]", " [\"say\"]", &long]
    {
        assert_eq!(event(text), None, "{text}");
    }
}
