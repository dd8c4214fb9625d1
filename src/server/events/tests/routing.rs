//! Which handler an event gets, and what is answered.

use super::*;
use crate::{
    dialect::{Args, Data, Event, Fault, Reply, Request},
    server::events::{Answer, EventName, concurrent},
};

#[tokio::test]
async fn each_name_has_its_handler() {
    let bench = Bench::new().await;
    let events = Events::new()
        .on("double", async |Data(number): Data<u32>| Reply(number * 2))
        .on("name", async |name: EventName| Reply(name.to_string()))
        .on("nothing", async || {})
        .on("several", async || Reply(Args((1, "b"))))
        .on("fault", async || Fault::new("no", "never").with_data(3))
        .on("maybe", async |Data(yes): Data<bool>| if yes { Ok(Reply(1)) } else { Err(Fault::new("no", "not now")) })
        .on("done", async || Ok::<(), Fault>(()));
    let answers = bench
        .ask(
            events,
            (),
            &[
                r#"["double",4]"#,
                r#"["name"]"#,
                r#"["nothing",1]"#,
                r#"["several"]"#,
                r#"["fault"]"#,
                r#"["maybe",true]"#,
                r#"["maybe",false]"#,
                r#"["done"]"#,
            ],
        )
        .await;
    let expected = [
        "31[8]",
        r#"32["name"]"#,
        "33[]",
        r#"34[1,"b"]"#,
        r#"75{"code":"no","message":"never","data":3}"#,
        "36[1]",
        r#"77{"code":"no","message":"not now"}"#,
        "38[]",
    ];
    assert_eq!(answers, expected);
    assert_eq!(bench.faults(), 2);
}

#[tokio::test]
async fn typed_names_take_the_handlers_of_their_types() {
    const MOVED: Event<Args<(i32, i32)>> = Event::new("moved");
    const SAID: Event<String> = Event::new("said");
    const LENGTH: Request<String, usize> = Request::new("length");
    const SUM: Request<Args<(i32, i32)>, i32> = Request::new("sum");

    let bench = Bench::new().await;
    let notes = Notes::default();
    let (moved, said) = (notes.clone(), notes.clone());
    let events = Events::new()
        .on(MOVED, async move |Args((x, y)): Args<(i32, i32)>| moved.add(format!("moved {x} {y}")))
        .on(SAID, async move |name: EventName| said.add(name.as_str()))
        .on(LENGTH, concurrent(2, async |Data(text): Data<String>| Reply(text.len())))
        .on(SUM, async |Args((a, b)): Args<(i32, i32)>| Ok::<_, Fault>(Reply(a + b)));
    let events = events.on(String::from("written"), async || {});
    let answers =
        bench.ask(events, (), &[r#"["moved",1,2]"#, r#"["said","x"]"#, r#"["sum",3,4]"#, r#"["length","abc"]"#]).await;
    assert_eq!(answers, ["31[]", "32[]", "33[7]", "34[3]"]);
    assert_eq!(notes.all(), ["moved 1 2", "said"]);
}

#[tokio::test]
async fn an_unknown_name_is_a_fault() {
    let bench = Bench::new().await;
    let answers = bench.ask(Events::new(), (), &[r#"["what"]"#]).await;
    assert_eq!(answers, [r#"71{"code":"unknown","message":"no such event"}"#]);
    bench.run(Events::new(), (), vec![bench.event(None, r#"["what"]"#)]).await;
    assert_eq!(bench.answers(), [""; 0]);
    assert_eq!(bench.faults(), 2, "it is counted without a request too");
}

#[tokio::test]
async fn on_other_takes_the_rest() {
    let bench = Bench::new().await;
    let events = Events::new()
        .on("known", async || Reply("known"))
        .on_other(async |name: EventName, Data(data): Data<u8>| Reply(format!("{name} {data}")));
    let answers = bench.ask(events, (), &[r#"["known"]"#, r#"["a",1]"#, r#"["é\n",2]"#]).await;
    assert_eq!(answers, [r#"31["known"]"#, r#"32["a 1"]"#, r#"33["é\n 2"]"#]);
}

#[tokio::test]
async fn wrong_data_is_a_fault_with_serdes_text() {
    let bench = Bench::new().await;
    let events = || {
        Events::new()
            .on("one", async |Data(_): Data<u8>| Reply("not reached"))
            .on("list", async |Args(_): Args<(u8, Option<u8>)>| Reply("not reached"))
    };
    let answers = bench.ask(events(), (), &[r#"["one","x"]"#, r#"["one"]"#, r#"["list","x"]"#, r#"["list",1,}"#]).await;
    assert_eq!(answers.len(), 4);
    for (answer, id) in answers.iter().zip(1..) {
        assert!(answer.starts_with(&format!(r#"7{id}{{"code":"data","message":"#)), "{answer}");
    }
    assert!(answers[0].contains(r#"invalid type: string \"x\", expected u8"#), "{}", answers[0]);
    bench.run(events(), (), vec![bench.event(None, r#"["one","x"]"#)]).await;
    assert_eq!((bench.answers().len(), bench.faults()), (0, 5));
    assert!(!bench.session.is_closed());
}

#[tokio::test]
async fn a_packet_without_a_valid_name_is_no_event() {
    let bench = Bench::new().await;
    let long = format!(r#"23["{}"]"#, "n".repeat(257));
    for text in ["21[]", "22[1]", &long, r#"24["open"]"#, r#"2["connect"]"#] {
        assert!(bench.packet(text, Vec::new()).is_none(), "{text}");
    }
    let answers = bench.answers();
    assert_eq!(answers.len(), 4, "those who asked: {answers:?}");
    assert!(answers[3].starts_with(r#"74{"code":"name","message":"this name is reserved"#), "{}", answers[3]);
    assert_eq!(bench.faults(), 5);
    for text in ["31[1]", r#"71{"code":"a","message":"b"}"#, "8", "", "x", "0"] {
        assert!(bench.packet(text, Vec::new()).is_none(), "{text}");
    }
    assert_eq!((bench.answers().len(), bench.faults()), (0, 5), "these are no events");
}

#[tokio::test]
async fn bytes_come_and_go() {
    let bench = Bench::new().await;
    let events = Events::new().on("swap", async |Args((a, b)): Args<(Bytes, Bytes)>| Reply(Args((b, a))));
    let list = r#"52-9["swap",{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}]"#;
    let event = bench.packet(list, vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")]).unwrap();
    bench.run(events, (), vec![event]).await;
    let answer = lock(&bench.answers.0).pop().unwrap();
    assert_eq!(&**answer.text(), r#"62-9[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    assert_eq!(answer.attachments(), [Bytes::from_static(b"two"), Bytes::from_static(b"one")]);
}

#[tokio::test]
async fn a_plain_message_is_the_event_message() {
    let events = Events::new()
        .on("message", async |Data(text): Data<Option<String>>, session: Session| {
            let _ = session.send(format!("<{}>", text.unwrap())).await;
        })
        .on_fault(async |Args((bytes,)): Args<(Bytes,)>, fault: Fault, session: Session| {
            let _ = session.send(format!("{} {}", bytes.len(), fault.code)).await;
        });
    let server = Anywire::builder().events(events).build();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    client.send("a \"quoted\" text\n");
    client.send(vec![1, 2, 3]);
    assert_eq!(client.recv().await.unwrap().as_text(), Some("<a \"quoted\" text\n>"));
    assert_eq!(client.recv().await.unwrap().as_text(), Some("3 data"));
}

#[tokio::test]
#[should_panic = "the event \"twice\" has a handler already"]
async fn a_name_has_one_handler() {
    let _: Events = Events::new().on("twice", async || {}).on("twice", async || {});
}

#[tokio::test]
async fn wrong_names_panic() {
    let long = "n".repeat(257);
    for name in ["", "open", "disconnecting", &long] {
        let add = || drop(Events::<()>::new().on(name.to_owned(), async || {}));
        assert!(std::panic::catch_unwind(add).is_err(), "{name:?}");
    }
    let _: Events = Events::new().on("message", async || {}).on("n".repeat(256), async || {});
}

#[tokio::test]
async fn every_place_and_number_of_arguments_is_a_handler() {
    type D = Data<u8>;
    type A = Args<(u8,)>;
    type N = EventName;
    type S = Session;

    async fn plain(_: N, _: S, _: N, _: S, _: N, _: S) -> Reply<u8> {
        Reply(6)
    }
    async fn first(Data(data): D, _: N, _: S, _: N, _: S, _: N) -> Reply<u8> {
        Reply(data)
    }
    async fn middle(_: N, _: S, Data(data): D, _: N, _: S, _: N) -> Result<Reply<u8>, Fault> {
        Ok(Reply(data))
    }
    async fn last(_: N, _: S, _: N, _: S, _: N, Args((data,)): A) -> Reply<u8> {
        Reply(data)
    }
    async fn list(_: N, Args((data,)): A, _: S) -> Answer {
        crate::server::events::IntoAnswer::into_answer(Reply(data))
    }
    let bench = Bench::new().await;
    let events = Events::new().on("a", plain).on("b", first).on("c", middle).on("d", last).on("e", list);
    let answers = bench.ask(events, (), &[r#"["a",1]"#, r#"["b",2]"#, r#"["c",3]"#, r#"["d",4]"#, r#"["e",5]"#]).await;
    assert_eq!(answers, ["31[6]", "32[2]", "33[3]", "34[4]", "35[5]"]);
}
