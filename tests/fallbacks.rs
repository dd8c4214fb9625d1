//! The transports for old browsers: each carries any message in both directions.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, Server, Session};
use support::{
    Body, CALLBACK, DOWNLINKS, Everywhere, Payload, Peer, Record, Site, Spelling, Wrap, attempt, echo, site,
};
use tokio::time::Instant;

fn echoes() -> Server {
    Anywire::builder().handler(echo).build()
}

/// Messages that a wrapping might damage.
fn hard_payloads() -> Vec<Payload> {
    let mut payloads: Vec<Payload> = [
        "",
        "plain",
        "\u{feff}BOM",
        "a\0b\r\nc\nd\re\u{2028}\u{2029}\u{ffff}\u{7f}\u{85}",
        "\"quoted\" 'twice' \\ \\\\ \\u0041",
        "</script><script>alert(1)</script><!-- &amp; ]]>",
        "data: x\n\nevent: y\n\n",
        "\r\n--boundary\r\n\r\n--boundary--\r\n",
        "%41%2500+a+b&data=x=y",
        "é߷ｚ💥n1:m3:abc\u{10ffff}",
    ]
    .map(Payload::from)
    .into();
    payloads.push(Payload::Binary(Vec::new()));
    payloads.push(Payload::Binary((0..=255).collect()));
    payloads.push("x\"<é".repeat(2000).into());
    payloads
}

/// Attaches by this route, turn after turn, until `count` messages have come.
async fn take_by(peer: &mut Peer, route: &str, count: usize) {
    while peer.got.len() < count {
        let mut answer = peer.attach(route).await;
        assert_eq!(answer.status, 200, "{route}");
        while let Some(records) = answer.next().await {
            peer.take(&records);
            if peer.got.len() >= count {
                break;
            }
        }
        assert!(peer.turn < 50, "{route}: too many turns brought nothing");
        tokio::task::yield_now().await; // A poll that does not wait leaves the handler no time to run.
    }
}

#[tokio::test(start_paused = true)]
async fn every_downlink_and_uplink_carry_every_message() {
    for (route, ..) in DOWNLINKS {
        for uplink in ["send", "jsonp-send", "form-post"] {
            let server = echoes();
            let mut peer = Peer::open(&site(&server)).await;
            for payload in hard_payloads() {
                peer.put(payload);
            }
            peer.upload_by(uplink).await;
            take_by(&mut peer, route, hard_payloads().len()).await;
            assert_eq!(peer.got, hard_payloads(), "{route} and {uplink}");
            assert!(peer.outbox.is_empty(), "{route} and {uplink}: all is acknowledged");
            let session = server.anywhere(&peer.id).unwrap();
            assert_eq!(session.transport().name(), route);
            peer.switch(); // A new link carries too.
            peer.put("more");
            peer.upload_by(uplink).await;
            take_by(&mut peer, route, hard_payloads().len() + 1).await;
            assert!(peer.gaps.is_empty());
        }
    }
}

/// The same through an HTTP server and a real connection, with chunks.
#[tokio::test]
async fn every_downlink_and_uplink_carry_over_sockets() {
    let server = echoes();
    let site = Site::socket_of(&server, |server| axum::Router::new().nest("/live", server.routes())).await;
    for (route, _, wrap) in DOWNLINKS {
        for uplink in ["jsonp-send", "form-post"] {
            let mut peer = Peer::open(&site).await;
            let streams = wrap != Wrap::Call && !route.contains("poll");
            let answer = if streams { Some(peer.attach(route).await) } else { None };
            for payload in hard_payloads() {
                peer.put(payload);
            }
            peer.upload_by(uplink).await;
            if let Some(mut answer) = answer {
                while peer.got.len() < hard_payloads().len() || !peer.outbox.is_empty() {
                    peer.take(&answer.next().await.unwrap());
                }
            }
            take_by(&mut peer, route, hard_payloads().len()).await;
            assert_eq!(peer.got, hard_payloads(), "{route} and {uplink}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_brings_each_message_as_it_is_sent() {
    for route in ["multipart", "eventsource", "htmlfile", "iframe", "xhr-stream"] {
        let server = echoes();
        let mut peer = Peer::open(&site(&server)).await;
        let mut answer = peer.attach(route).await;
        assert_eq!(answer.next().await.unwrap(), [Record::Full(0)], "{route}");
        for number in 0..5 {
            let text = format!("</script>\u{2028}{number}");
            peer.put(text.as_str());
            peer.upload_by("send").await;
            let records = answer.next().await.unwrap();
            // The server may send an acknowledgement request behind the message.
            assert!(
                matches!(&records[..], [Record::Message(_, Payload::Text(received)), ..] if *received == text),
                "{records:?}"
            );
            peer.take(&records);
        }
        // The stream ends when another turn takes its place.
        let mut next = peer.attach(route).await;
        next.next().await.unwrap();
        assert_eq!(answer.all().await.len(), 0, "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_end_when_their_budget_is_spent() {
    for route in ["multipart", "eventsource", "htmlfile", "iframe", "xhr-stream", "fetch-stream"] {
        let server = Anywire::builder().stream_budget(1000).handler(echo).build();
        let mut peer = Peer::open(&site(&server)).await;
        let mut turns = 0;
        while peer.got.len() < 20 {
            turns += 1;
            let mut answer = peer.attach(route).await;
            let mut brought = 0;
            while let Some(records) = answer.next().await {
                peer.take(&records);
                brought += 1;
                let text = "x".repeat(300);
                peer.put(text);
                peer.upload_by("send").await;
            }
            assert!((2..8).contains(&brought), "{route}: {brought} flushes");
            if route == "multipart" {
                assert!(answer.raw.ends_with(b"--\r\n"), "the stream ends with the closing delimiter");
            }
        }
        assert!(turns > 3, "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_of_an_ordinal_ends_after_its_first_flush() {
    for (route, ..) in DOWNLINKS {
        let server = echoes();
        let mut peer = Peer::open(&site(&server)).await;
        peer.put("in the body of the attach");
        peer.switch();
        let before = Instant::now();
        let body = peer.flight(peer.resume());
        let mut answer = peer.site.send_records(route, "", &body.bytes).await;
        let records = answer.all().await;
        assert_eq!(records[0], Record::Full(1), "{route}");
        assert_eq!(Instant::now(), before, "{route}: at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_does_not_wait() {
    let server = echoes();
    let mut peer = Peer::open(&site(&server)).await;
    let before = Instant::now();
    assert_eq!(peer.attach("poll").await.all().await, [Record::Full(0)]);
    peer.put("x");
    peer.upload_by("send").await;
    take_by(&mut peer, "poll", 1).await;
    assert_eq!(Instant::now(), before);
    // A poll by a script tag does wait.
    assert_eq!(peer.attach("jsonp-poll").await.all().await, [Record::Full(1)]);
    assert_eq!(before.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn padding_goes_before_a_stream() {
    let server = echoes();
    for (asked, length) in [("100", 100), ("8192", 8192), ("9999999", 8192)] {
        for (spelling, bytes) in [(Spelling::Text, 0), (Spelling::Bytes, 1)] {
            let mut peer = Peer::open(&site(&server)).await;
            peer.spelling = spelling;
            peer.turn = 1;
            let body = peer.resume().bytes;
            let query = format!("&pad={asked}&bytes={bytes}");
            let mut answer = peer.site.send_records("xhr-stream", &query, &body).await;
            let padding = format!("i{length}:{}sfull,0:", " ".repeat(length));
            answer.chunk().await;
            assert_eq!(String::from_utf8(answer.raw).unwrap(), padding);
        }
    }
    for asked in ["0", "", "-1", "x", "1e3"] {
        let mut peer = Peer::open(&site(&server)).await;
        peer.turn = 1;
        let body = peer.resume().bytes;
        let mut answer = peer.site.send_records("xhr-stream", &format!("&pad={asked}"), &body).await;
        assert_eq!(answer.next().await.unwrap(), [Record::Full(0)], "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_have_the_right_headers() {
    let server = echoes();
    for (route, get, wrap) in DOWNLINKS {
        let mut peer = Peer::open(&site(&server)).await;
        let answer = peer.attach(route).await;
        let refused = peer.site.send_records(route, "", b"r1,9,0,0,a.b,c,0:").await;
        for (what, answer) in [("an answer", &answer), ("a refusal", &refused)] {
            let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
            let context = format!("{what} of {route}: {:?}", answer.headers);
            assert_eq!(header("cache-control"), "no-store, no-transform", "{context}");
            assert_eq!(header("x-accel-buffering"), "no", "{context}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{context}");
            assert_eq!(header("referrer-policy"), if get { "no-referrer" } else { "" }, "{context}");
            let page = wrap == Wrap::Page;
            assert_eq!(
                header("content-security-policy"),
                if page { "frame-ancestors 'self'" } else { "" },
                "{context}"
            );
            let older = page && route != "htmlfile";
            assert_eq!(header("x-frame-options"), if older { "SAMEORIGIN" } else { "" }, "{context}");
            let kind = match wrap {
                Wrap::Events => "text/event-stream",
                Wrap::Page => "text/html; charset=utf-8",
                Wrap::Call => "text/javascript; charset=utf-8",
                Wrap::Parts if what == "an answer" => "multipart/x-mixed-replace;boundary=",
                Wrap::Plain | Wrap::Parts => "text/plain; charset=utf-8",
            };
            assert!(header("content-type").starts_with(kind), "{context}");
        }
    }
    let form = support::site(&server).send_records("form-post", "", b"nonsense").await;
    assert_eq!(form.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(form.headers["content-security-policy"], "frame-ancestors 'self'");
}

#[tokio::test(start_paused = true)]
async fn refusals_can_be_read() {
    let server = echoes();
    let peer = Peer::open(&site(&server)).await;
    for (route, get, _) in DOWNLINKS {
        for (head, status, code) in [
            (format!("r1,9,0,0,{},wrong,0:", peer.id), 410, 4101),
            ("r1,9,0,0,no.one,x,0:".to_owned(), 410, 4100),
            ("r2,9,0,0,no.one,x,0:".to_owned(), 400, 4400),
            ("u1,a,b,0:".to_owned(), 400, 4004),
            (String::new(), 400, 4004),
        ] {
            for soft in ["", "&soft=1"] {
                let mut answer = peer.site.send_records(route, soft, head.as_bytes()).await;
                let expected = if get || !soft.is_empty() { 200 } else { status };
                assert_eq!(answer.status, expected, "{route} {head}");
                if expected >= 400 {
                    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8", "{route} {head}");
                }
                let records = answer.all().await;
                assert!(
                    matches!(records[..], [Record::LinkClose(refused, _)] if refused == code),
                    "{route} {head}: {records:?}"
                );
            }
        }
    }
    for (head, status) in [("u1,a,b,0:", 410), ("r1,1,0,0,a,b,0:", 400), ("o2,1,a,0:", 400), ("j1,1,a:", 400)] {
        let mut answer = peer.site.send_records("form-post", "", head.as_bytes()).await;
        assert_eq!(answer.status, status, "{head}");
        assert!(answer.next().await.is_none(), "an empty page");
        assert_eq!(peer.site.send_records("form-post", "&soft=1", head.as_bytes()).await.status, 200, "{head}");
    }
    let answer = peer.site.post("form-post", "data=u1,a,b,0:").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (400, 0), "not percent-encoded");
    let mut answer = peer.site.get(&format!("jsonp-send?callback={CALLBACK}")).await;
    assert!(matches!(answer.all().await[..], [Record::LinkClose(4004, _)]), "no data");
}

#[tokio::test(start_paused = true)]
async fn an_answer_repeats_no_text_of_its_request() {
    let server = echoes();
    let site = site(&server);
    for route in ["jsonp-poll", "jsonp-send", "htmlfile", "iframe"] {
        for name in ["alert(1)", "0x", "a.b", "a%28b", "<script>", "", &"x".repeat(65), "%E2%80%A8", "a\"b"] {
            let name = name.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
            let data = "r1,9,0,0,marker.mark,marker,0:";
            let mut answer = site.get(&format!("{route}?callback={name}&data={data}&session=marker")).await;
            assert_eq!(answer.status, 400, "{route} {name}");
            assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            while answer.chunk().await {}
            let text = String::from_utf8(answer.raw.clone()).unwrap();
            assert!(text.starts_with("x4004,") && !text.contains("marker"), "{text}");
            assert!(name.len() < 3 || !text.contains(&name), "{text}");
        }
    }
    assert_eq!(site.get("jsonp-poll?data=a").await.status, 400, "no callback");
    // A page without a callback posts to its parent.
    let mut peer = Peer::open(&site).await;
    peer.turn = 1;
    let data = support::encode(&peer.resume().bytes);
    let mut answer = site.get(&format!("iframe?data={data}")).await;
    assert_eq!(answer.next().await.unwrap(), [Record::Full(0)]);
    assert!(String::from_utf8_lossy(&answer.raw).contains("parent.postMessage(t,'*')"));
}

#[tokio::test(start_paused = true)]
async fn a_page_can_live_on_script_tags_alone() {
    let server = Anywire::builder()
        .handler(|session: Session| async move {
            session.send("welcome").await.unwrap();
            echo(session).await;
        })
        .build();
    let mut peer = Peer::new(&site(&server));
    let name = attempt();
    peer.put("first \u{2028} flight");
    for tries in 1..3 {
        // The second opening is a retry: the answer to the first was lost.
        peer.ordinal = tries;
        let body = peer.flight(Body::new(Spelling::Text).with_text('o', &[&1, &tries, &name], ""));
        let mut answer = peer.site.send_records("jsonp-poll", "", &body.bytes).await;
        let records = answer.all().await;
        assert!(matches!(records[0], Record::New(1, _)), "{records:?}");
        if tries == 2 {
            peer.take(&records);
        }
    }
    peer.put("second");
    peer.upload_by("jsonp-send").await;
    take_by(&mut peer, "jsonp-poll", 3).await;
    assert_eq!(peer.texts(), ["welcome", "first \u{2028} flight", "second"]);
    assert_eq!(server.everywhere().len(), 1);
    // Auth data does not belong in a URL.
    let body = Body::new(Spelling::Text).with_text('o', &[&1, &1, &attempt()], "token");
    let mut answer = peer.site.send_records("jsonp-poll", "", &body.bytes).await;
    assert!(matches!(answer.all().await[..], [Record::LinkClose(4004, _)]));
    assert_eq!(server.everywhere().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_has_an_end_even_if_nothing_is_sent() {
    let server = echoes();
    let mut peer = Peer::open(&site(&server)).await;
    // A client that aborts is sent nothing more, but its browser must see that the answer has ended.
    peer.turn += 1;
    let body = peer.resume().raw("x4310,0:").bytes;
    let mut answer = peer.site.send_records("multipart", "", &body).await;
    while answer.chunk().await {}
    assert_eq!(answer.flushes(), [""]);
    assert!(answer.raw.ends_with(b"--\r\n"));
    let body = peer.resume().raw("x4310,0:").bytes;
    let mut answer = peer.site.send_records("eventsource", "", &body).await;
    assert!(matches!(answer.all().await[..], [] | [Record::LinkClose(..)]));
}
