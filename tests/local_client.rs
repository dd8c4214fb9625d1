//! The client in memory with events, as applications test their handlers with it.

use anywire::{
    Anywire, Args, Data, Event, Events, Fault, LocalClient, Reply, Request, RequestError, SendError, Server, Session,
};
use axum::body::Bytes;
use tokio::sync::mpsc;

const SUM: Request<Args<(u32, u32)>, u32> = Request::new("sum");
const SUMMED: Event<u32> = Event::new("summed");

async fn open(server: &Server) -> (LocalClient, Session) {
    let client = LocalClient::open(server, (), "").await.unwrap();
    let session = server.session(client.id()).unwrap();
    (client, session)
}

fn refusal<R: std::fmt::Debug>(answer: Result<R, RequestError>) -> String {
    match answer {
        Err(RequestError::Refused(fault)) => fault.to_string(),
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_typed_request_is_answered_beside_events_that_stay() {
    async fn sum(Args((a, b)): Args<(u32, u32)>, session: Session) -> Reply<u32> {
        session.emit(SUMMED, a + b).await.unwrap();
        session.send("plain").await.unwrap();
        Reply(a + b)
    }
    let server = Anywire::builder().events(Events::new().on(SUM, sum)).build();
    let (mut client, _) = open(&server).await;
    assert_eq!(client.request(SUM, Args((2, 3))).await, Ok(5));
    let event = client.try_recv_event().unwrap();
    assert_eq!((event.name(), event.data(), event.wants_reply()), ("summed", Ok(5), false));
    let plain = client.try_recv_event().unwrap();
    assert_eq!((plain.name(), plain.data()), ("message", Ok("plain".to_owned())));
    assert!(client.try_recv_event().is_none());

    let wrong: Result<String, _> = client.request("sum", Args((2, 3))).await;
    assert!(matches!(wrong, Err(RequestError::Data(fault)) if fault.code == "data"));
    assert_eq!(client.recv().await.unwrap().as_text(), Some(r#"["summed",5]"#), "a message is an event's JSON");
}

#[tokio::test]
async fn a_refusal_and_what_is_not_understood_come_as_faults() {
    async fn fail(Data(code): Data<String>) -> Result<Reply<()>, Fault> {
        Err(Fault::new(code, "not today").with_data(7))
    }
    let server = Anywire::builder().events(Events::new().on("fail", fail)).build();
    let (mut client, _) = open(&server).await;
    let Err(RequestError::Refused(fault)) = client.request::<_, _, ()>("fail", "closed").await else {
        panic!("it refuses")
    };
    assert_eq!(fault, Fault::new("closed", "not today").with_data(7));
    assert!(refusal(client.request::<_, _, ()>("fail", 1).await).starts_with("data: "));
    assert!(refusal(client.request::<_, _, ()>("else", ()).await).starts_with("unknown: "));
}

#[tokio::test]
async fn bytes_stand_anywhere_in_both_directions() {
    async fn turn(Data((name, bytes)): Data<(String, Bytes)>) -> Reply<(Bytes, String)> {
        Reply((bytes.iter().rev().copied().collect(), name))
    }
    let server = Anywire::builder().events(Events::new().on("turn", turn)).build();
    let (mut client, session) = open(&server).await;
    let turned = client.request("turn", ("a", Bytes::from_static(&[1, 2, 3]))).await;
    assert_eq!(turned, Ok((Bytes::from_static(&[3, 2, 1]), "a".to_owned())));
    session.emit("two", Args((Bytes::from_static(b"x"), Bytes::from_static(b"yy")))).await.unwrap();
    session.send(Bytes::from_static(b"raw")).await.unwrap();
    let two = client.recv_event().await.unwrap();
    assert_eq!(two.args(), Ok((Bytes::from_static(b"x"), Bytes::from_static(b"yy"))));
    let raw = client.recv_event().await.unwrap();
    assert_eq!((raw.name(), raw.data()), ("message", Ok(Bytes::from_static(b"raw"))));
}

/// A server whose handler asks for a name, and reports what it gets.
fn asking() -> (Server, mpsc::UnboundedReceiver<Result<String, RequestError>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let handler = move |session: Session| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(session.request("name?", ()).await);
            while session.recv().await.is_some() {}
        }
    };
    (Anywire::builder().handler(handler).build(), told)
}

#[tokio::test]
async fn what_the_server_asks_is_answered_refused_or_left_to_messages() {
    let (server, mut told) = asking();
    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    let asked = client.recv_event().await.unwrap();
    assert_eq!((asked.name(), asked.wants_reply()), ("name?", true));
    client.reply(asked, "ann");
    assert_eq!(told.recv().await, Some(Ok("ann".to_owned())));

    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    let asked = client.recv_event().await.unwrap();
    client.refuse(asked, Fault::new("private", "no name"));
    assert_eq!(told.recv().await.map(refusal).as_deref(), Some("private: no name"));

    let mut client = LocalClient::open(&server, (), "").await.unwrap();
    assert_eq!(client.recv().await.unwrap().as_text(), Some(r#"["name?"]"#));
    assert!(told.recv().await.map(refusal).unwrap().starts_with("no-events: "));
}

#[tokio::test]
async fn a_cut_in_the_middle_loses_and_repeats_nothing() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let count = move |Data(number): Data<u32>, session: Session| {
        let tell = tell.clone();
        async move {
            tell.send(number).unwrap();
            let doubled: Result<u32, _> = session.request("double", number).await;
            Reply(doubled.unwrap())
        }
    };
    let server = Anywire::builder().events(Events::new().on("count", count)).build();
    let (mut client, _) = open(&server).await;
    let first = client.start_request::<_, _, u32>("count", 1);
    let asked = client.recv_event().await.unwrap();
    client.cut();
    client.reply(asked, 2);
    let second = client.start_request::<_, _, u32>("count", 2);
    client.emit("count", 3);
    client.resume().unwrap();
    assert_eq!(client.answer(first).await, Ok(2));
    client.cut();
    client.resume().unwrap();
    for number in [2, 3] {
        let asked = client.recv_event().await.unwrap();
        assert_eq!((asked.name(), asked.data()), ("double", Ok(number)));
        client.reply(asked, number * 2);
    }
    assert_eq!(client.answer(second).await, Ok(4));
    client.idle().await;
    assert_eq!([told.try_recv(), told.try_recv(), told.try_recv()], [Ok(1), Ok(2), Ok(3)]);
    assert!(told.try_recv().is_err(), "each came once");
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_with_its_session_and_with_its_time() {
    async fn never() {
        std::future::pending().await
    }
    let server = Anywire::builder().events(Events::new().on("never", never)).build();
    let (mut client, session) = open(&server).await;
    assert_eq!(client.request::<_, _, ()>("never", ()).await, Err(RequestError::Timeout));
    let request = client.start_request::<_, _, ()>("never", ());
    session.close(3000, "enough");
    assert_eq!(client.answer(request).await, Err(RequestError::Closed));
    assert!(client.recv_event().await.is_none());
    assert_eq!(session.emit("late", ()).await, Err(SendError::Closed));
}
