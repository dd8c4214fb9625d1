//! Bad input gets a clear answer; the server goes on, no session is left behind, and no other session
//! notices.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Server};
use axum::{
    body::Body as HttpBody,
    http::{Method, Request},
};
use support::{Body, MAX, Peer, Record, Site, Socket, Spelling, attempt, echo, site};

/// A server with one session that must not notice anything.
struct Stage {
    server: Server,
    site: Site,
    witness: Peer,
    socket: Socket,
}

impl Stage {
    async fn new() -> Self {
        Self::with_grace(60).await
    }

    async fn with_grace(seconds: u64) -> Self {
        let grace = std::time::Duration::from_secs(seconds);
        let server = Anywire::builder().message_limit(100_000).grace(grace).handler(echo).build();
        let site = site(&server);
        let (witness, socket) = Peer::open_socket(&site).await;
        Stage { server, site, witness, socket }
    }

    /// Asserts that the witness's session works, and that there are `sessions` sessions in all.
    async fn assert_well(&mut self, sessions: usize, after: &str) {
        self.witness.put("still here");
        let number = self.witness.last;
        self.socket.text(format!("n{number}:mstill here")).await;
        let count = self.witness.got.len() + 1;
        self.witness.take_until(&mut self.socket, count).await;
        self.socket.text(format!("a{count}:")).await;
        assert_eq!(self.server.len(), sessions, "after {after}");
    }

    async fn refused(&mut self, path: &str, body: impl Into<HttpBody>, status: u16, code: u16) {
        let sessions = self.server.len();
        let answer = self.site.post(path, body).await;
        assert_eq!(answer.headers["cache-control"], "no-store, no-transform");
        let (refused_with, text) = answer.refusal(status);
        assert_eq!(refused_with, code, "{path}: {text}");
        assert!(!text.is_empty(), "{path}: a refusal has a reason");
        self.assert_well(sessions, path).await;
    }

    /// Asserts that a WebSocket whose first message is `first` is closed with `code`.
    async fn closed(&mut self, first: &str, code: u16) {
        let sessions = self.server.len();
        let mut socket = self.site.websocket("websocket").await;
        socket.text(first).await;
        assert_eq!(socket.closed().await.0, code, "{first}");
        self.assert_well(sessions, first).await;
    }
}

#[tokio::test(start_paused = true)]
async fn heads_that_are_refused() {
    let mut stage = Stage::new().await;
    let mut peer = Peer::open(&stage.site).await;
    peer.upload().await; // The client has shown the secret, so that the session is kept.
    let (id, secret) = (peer.id.as_str(), peer.secret.as_str());
    let long = "a".repeat(129);
    let fresh = attempt();
    let (other, unknown) = (stage.witness.secret.clone(), uuid::Uuid::new_v4().simple());
    let node = id.split('.').next().unwrap();
    let opens: [(String, u16); 16] = [
        (format!("o2,1,{fresh},0:"), 4400),
        (format!("o0,1,{fresh},0:"), 4400),
        (String::new(), 4004),
        ("hello".into(), 4004),
        (":".into(), 4004),
        ("<html>".into(), 4004),
        (format!("o1,1,{fresh}:"), 4004),
        (format!("o1,1,{fresh},5:four"), 4004),
        (format!("o1,1,{long},0:"), 4004),
        ("o1,1,,0:".into(), 4004),
        ("o1,1,a b,0:".into(), 4004),
        (format!("o1,01,{fresh},0:"), 4004),
        (format!("o1,-1,{fresh},0:"), 4004),
        (format!("o1,{},{fresh},0:", MAX + 1), 4004),
        (format!("o1,99999999999999999999,{fresh},0:"), 4004),
        ("a0:".into(), 4004),
    ];
    for (head, code) in opens {
        stage.refused("open", head.clone(), 400, code).await;
        stage.closed(&head, code).await;
    }
    let resumes: [(String, u16, u16); 9] = [
        (format!("r2,2,0,0,{id},{secret},0:"), 400, 4400),
        (format!("r1,2,0,0,{id},{other},0:"), 410, 4101),
        (format!("r1,2,0,0,{id},x,0:"), 410, 4101),
        (format!("r1,2,0,0,{node}.{unknown},{secret},0:"), 410, 4100),
        (format!("r1,2,0,0,elsewhere.{unknown},{secret},0:"), 410, 4100),
        (format!("r1,2,0,0,x,{secret},0:"), 410, 4100),
        (format!("r1,2,0,0,{id},{secret},1:"), 400, 4004),
        (format!("r1,2,0,0,{id},{secret},{MAX}:"), 400, 4004),
        (format!("r1,2,0,0,{id},{secret}:"), 400, 4004),
    ];
    for (head, status, code) in resumes {
        for route in ["xhr-poll", "xhr-stream", "fetch-stream"] {
            stage.refused(route, head.clone(), status, code).await;
            stage.refused(&format!("{route}?session={id}"), head.clone(), status, code).await;
        }
        stage.closed(&head, code).await;
        let upload = head.replacen("r1,2,0,0,", "u1,", 1).replacen("r2,2,0,0,", "u2,", 1);
        stage.refused("send", upload, status, code).await;
    }
    // A good head on the wrong route.
    let resume = peer.resume().bytes;
    let upload = peer.upload_head().bytes;
    for (route, head) in
        [("open", &resume), ("open", &upload), ("send", &resume), ("xhr-poll", &upload), ("fetch-stream", &upload)]
    {
        stage.refused(route, head.clone(), 400, 4004).await;
    }
    stage.closed(std::str::from_utf8(&upload).unwrap(), 4004).await;
    assert_eq!(stage.server.len(), 2);
}

/// Records that a client must not send, or not in this form, behind a good head.
const BAD_RECORDS: [&str; 30] = [
    "n0:",
    "n:",
    "n-1:",
    "n01:",
    "n1x:",
    "n9007199254740992:",
    "?:",
    "M1:a",
    "p1:",
    "s1:",
    "sfull,0:",
    "snew,0:",
    "z5:",
    "d0,0:",
    "d2,1:",
    "d1:",
    "a:",
    "a1:",
    "a9007199254740991:",
    "h0:",
    "h5,1:",
    "g5,1:",
    "q1:",
    "q0,7:",
    "c0,1000,0:",
    "c1,1000,9:short",
    "c1,65536,0:",
    "x1000,9:short",
    "n1",
    "u1,a,b,0:",
];

#[tokio::test(start_paused = true)]
async fn records_that_are_refused() {
    let mut stage = Stage::new().await;
    let mut peer = Peer::open(&stage.site).await;
    for record in BAD_RECORDS {
        let body = peer.upload_head().raw(record).bytes;
        stage.refused(&peer.path("send"), body, 400, 4004).await;

        // In the body of an attach: the session is accepted, then the link ends with the reason.
        peer.switch();
        let body = peer.resume().raw(record).bytes;
        let answer = stage.site.post(&peer.path("xhr-poll"), body).await;
        let records = answer.records();
        assert!(matches!(records.last(), Some(Record::LinkClose(4004, _))), "{record}: {records:?}");

        let mut socket = peer.resume_socket().await;
        socket.text(record).await;
        assert_eq!(socket.closed().await.0, 4004, "{record}");
        stage.assert_well(2, record).await;
    }
    for record in ["m1:a", "m2:a", "m5:abc", "b4:AAAA", "b1:A", "b4:A?==", "b:"] {
        let body = peer.upload_head().raw(record).bytes;
        stage.refused(&peer.path("send"), body, 400, 4004).await;
    }
    for record in ["n1:m3:💥", "n1:b3:AAA", "n1:b5:AAAAA", "n1:m9007199254740991:a", "n9007199254740991:m1:am1:b"] {
        let body = peer.upload_head().raw(record).bytes;
        stage.refused(&peer.path("send"), body, 400, 4004).await;
    }
    let invalid = [peer.upload_head().raw("n1:m2:").bytes, vec![0xc3, 0x28]].concat();
    stage.refused(&peer.path("send"), invalid, 400, 4004).await;
    // The messages before the bad record were taken, and the session goes on.
    let body = peer.upload_head().raw("n1:m3:onem9:cut").bytes;
    stage.refused(&peer.path("send"), body, 400, 4004).await;
    peer.put("one");
    peer.send("two").await;
    peer.switch();
    let records = peer.send_poll().await.records();
    peer.take(&records);
    while peer.got.len() < 2 {
        peer.poll().await;
    }
    assert_eq!(peer.texts(), ["one", "two"]);
    stage.assert_well(2, "all").await;
}

#[tokio::test(start_paused = true)]
async fn messages_on_a_websocket_that_are_refused() {
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let mut stage = Stage::new().await;
    let mut peer = Peer::open(&stage.site).await;
    for message in
        [Message::text("mwithout a number"), Message::binary(vec![1]), Message::text("n1:x"), Message::text("n1:m1:")]
    {
        let mut socket = peer.resume_socket().await;
        // `m` takes the rest of the message, so that the last of these is good; the one after it is not.
        if message == Message::text("n1:m1:") {
            socket.io.send(Message::text("o1,1,a,0:")).await.unwrap();
        }
        socket.io.send(message).await.unwrap();
        assert_eq!(socket.closed().await.0, 4004);
        stage.assert_well(2, "a message").await;
    }
    // A frame above the limit is refused before it is gathered.
    let mut socket = peer.resume_socket().await;
    socket.text("n1:").await;
    let _ = socket.io.send(Message::binary(vec![0; 300_000])).await;
    assert_eq!(socket.closed().await.0, 4006);
    stage.assert_well(2, "a large message").await;
    // These are not frames: reserved bits, an unmasked frame, an unknown opcode.
    for bytes in [&[0xf1, 0x80, 0, 0, 0, 0][..], &[0x81, 0x01, b'v'], &[0x83, 0x80, 0, 0, 0, 0]] {
        use tokio::io::AsyncWriteExt;
        let mut socket = peer.resume_socket().await;
        socket.io.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(socket.closed().await.0, 4004, "{bytes:?}");
        stage.assert_well(2, "no frame").await;
    }
    let mut socket = peer.resume_socket().await;
    peer.put("fine");
    socket.flight(&peer).await;
    peer.take_until(&mut socket, 1).await;
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_too_large_or_too_slow_or_break_off() {
    let mut stage = Stage::with_grace(600).await;
    let mut peer = Peer::open(&stage.site).await;
    peer.upload().await; // The client has shown the secret, so that the session is kept.
    let large = peer.upload_head().raw("n1:").bytes;
    let large = [large, vec![b'm'; 300_000]].concat();
    for route in ["open", "xhr-poll", "poll", "xhr-stream", "fetch-stream", "send"] {
        stage.refused(&peer.path(route), large.clone(), 413, 4006).await;
        let pieces = large.clone();
        let body = futures::stream::iter(
            pieces.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
        );
        stage.refused(&peer.path(route), HttpBody::from_stream(body), 413, 4006).await;
        let body = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        stage.refused(&peer.path(route), HttpBody::from_stream(body), 408, 4007).await;
        let body = futures::stream::iter([Ok(b"u1,".to_vec()), Err(std::io::Error::other("cut"))]);
        stage.refused(&peer.path(route), HttpBody::from_stream(body), 400, 4004).await;
    }
    // A message as large as the limit fits, in the spelling that takes the most room.
    peer.put(&vec![7_u8; 100_000][..]);
    peer.upload().await;
    assert!(peer.outbox.is_empty());
    while peer.got.is_empty() {
        peer.poll().await;
    }
    stage.assert_well(2, "all").await;
}

#[tokio::test(start_paused = true)]
async fn requests_outside_the_protocol_are_refused() {
    let mut stage = Stage::new().await;
    for route in ["open", "xhr-poll", "xhr-stream", "fetch-stream", "send"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
            let request = stage.site.request(method.clone(), route).body(HttpBody::empty()).unwrap();
            assert_eq!(stage.site.ask(request).await.status, 405, "{method} {route}");
        }
    }
    for (route, allowed) in [
        ("poll", Method::POST),
        ("multipart", Method::POST),
        ("form-post", Method::POST),
        ("eventsource", Method::GET),
        ("htmlfile", Method::GET),
        ("iframe", Method::GET),
        ("jsonp-poll", Method::GET),
        ("jsonp-send", Method::GET),
    ] {
        for method in [Method::GET, Method::POST, Method::HEAD, Method::PUT, Method::DELETE] {
            let request = stage.site.request(method.clone(), route).body(HttpBody::empty()).unwrap();
            let answer = stage.site.ask(request).await;
            assert_eq!(answer.status == 405, method != allowed, "{method} {route}");
            assert!(method == allowed || answer.headers["allow"] == allowed.as_str());
        }
    }
    assert_eq!(stage.site.post("nothing-here", "").await.status, 404);
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for missing in 0..upgrade.len() {
        let mut request = stage.site.request(Method::GET, "websocket");
        for (name, value) in upgrade.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, pair)| pair) {
            request = request.header(*name, *value);
        }
        let answer = stage.site.ask(request.body(HttpBody::empty()).unwrap()).await;
        assert!(answer.status.is_client_error(), "without {}: {}", upgrade[missing].0, answer.status);
        assert!(matches!(answer.records()[..], [Record::LinkClose(4004, _)]));
    }
    for (version, method) in [("8", Method::GET), ("13", Method::POST)] {
        let mut request = stage.site.request(method, "websocket");
        for (name, value) in upgrade {
            request = request.header(name, if value == "13" { version } else { value });
        }
        let answer = stage.site.ask(request.body(HttpBody::empty()).unwrap()).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    // The request is right, but its connection cannot upgrade.
    let mut request = stage.site.request(Method::GET, "websocket");
    for (name, value) in upgrade {
        request = request.header(name, value);
    }
    let answer = stage.site.ask(request.body(HttpBody::empty()).unwrap()).await;
    assert_eq!(answer.refusal(400).0, 4004);
    stage.assert_well(1, "all").await;
}

#[tokio::test(start_paused = true)]
async fn a_query_is_only_a_hint() {
    let mut stage = Stage::new().await;
    let mut peer = Peer::open(&stage.site).await;
    let witness = stage.witness.id.clone();
    // The head record names the session; the query may name another.
    peer.put("x");
    let body = peer.flight(peer.upload_head()).bytes;
    for query in ["", "?", "?session=", &format!("?session={witness}"), &format!("?session={witness}&session=b&x")] {
        let answer = stage.site.post(&format!("send{query}"), body.clone()).await;
        assert_eq!(answer.records(), [Record::Ack(1)], "{query}");
    }
    // One that is not here is refused before anything is read.
    assert_eq!(stage.site.post("send?session=nonsense", body).await.refusal(410).0, 4100);
    stage.assert_well(2, "all").await;
}

#[tokio::test(start_paused = true)]
async fn many_links_at_once_are_bounded() {
    let mut stage = Stage::new().await;
    let mut peer = Peer::open(&stage.site).await;
    let mut parked = Vec::new();
    for _ in 0..50 {
        peer.switch();
        let mut socket = peer.site.websocket("websocket").await;
        socket.body(peer.resume()).await;
        assert_eq!(socket.records().await, [Record::Full(0)]);
        parked.push(socket);
    }
    // The links of the lowest ordinals were ended.
    let mut open = 0;
    for socket in &mut parked {
        open += usize::from(socket.quiet().await.is_none());
    }
    assert!(open <= 8, "{open} links are open");
    let mut last = parked.pop().unwrap();
    last.text("v:").await;
    last.text("n1:mx").await;
    peer.put("x");
    peer.take_until(&mut last, 1).await;
    stage.assert_well(2, "all").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_after_grace() {
    let mut stage = Stage::new().await;
    for number in 0..20 {
        let mut peer = Peer::open(&stage.site).await;
        match number % 5 {
            0 => drop(peer.resume_socket().await),
            1 => drop(stage.site.post(&peer.path("send"), peer.upload_head().raw("?:").bytes).await),
            2 => drop(peer.stream("xhr-stream").await),
            3 => peer.send("c").await,
            _ => {
                let body = peer.upload_head().raw("c1,1000,0:").bytes;
                stage.site.post(&peer.path("send"), body).await;
            }
        }
    }
    let body = Body::new(Spelling::Text).raw("o1,1,attempt-of-20-letters,0:n1:m9:cut").bytes;
    assert_eq!(stage.site.post("open", body).await.status, 200, "the opening itself was right");
    assert_eq!(stage.server.len(), 18, "four were closed");
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        stage.witness.upload().await;
        stage.socket.text("w:").await;
    }
    assert_eq!(stage.server.len(), 1);
    let request = Request::get("/live/client.js").body(HttpBody::empty()).unwrap();
    assert_eq!(stage.site.ask(request).await.status, 200);
}
