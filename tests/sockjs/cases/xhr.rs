//! Polls, what is sent, and the characters of both.

use super::*;
use crate::client::url;

#[tokio::test]
async fn simple_session() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    client.say(&url, "[\"a\"]").await;
    client.hear(&url, "a[\"a\"]").await;
    assert_eq!(client.post("/echo/000/bad_session/xhr_send", "[\"a\"]").await.head.status, 404);
    // Of two polls one waits, and the other is refused.
    let mut waits = client.waiting("POST", &format!("{url}/xhr")).await;
    let refused = second_poll(&client, &url, &mut waits).await;
    assert_eq!(refused, "c[2010,\"Another connection still open\"]\n");
}

/// Polls until the poll that was sent before is there, and returns the answer of one that comes behind it.
async fn second_poll(client: &Client, url: &str, first: &mut crate::client::Connection) -> String {
    let path = format!("{url}/xhr");
    let mut second = client.waiting("POST", &path).await;
    // The one that is answered came second, whichever was sent first.
    let (head, body) = tokio::select! {
        biased;
        head = second.head() => (head.clone(), second.body(&head).await),
        head = first.head() => (head.clone(), first.body(&head).await),
    };
    assert_eq!(head.status, 200);
    body
}

#[tokio::test]
async fn close_session() {
    let client = Client::real().await;
    let url = client.open("/close").await;
    client.hear(&url, "c[3000,\"Go away!\"]").await;
    client.hear(&url, "c[3000,\"Go away!\"]").await;
}

#[tokio::test]
async fn options_of_polls() {
    let client = Client::real().await;
    options(&client, "/echo/abc/abc/xhr", "OPTIONS, POST").await;
}

#[tokio::test]
async fn options_of_sends() {
    options(&Client::real().await, "/echo/abc/abc/xhr_send", "OPTIONS, POST").await;
}

#[tokio::test]
async fn transport() {
    let (client, url) = (Client::real().await, url("/echo"));
    let got = client.ask("POST", &format!("{url}/xhr"), &[("origin", "test")], "").await;
    got.is(200, "o\n");
    assert_eq!(got.head.content_type().unwrap(), "application/javascript;charset=UTF-8");
    has_cors(&got.head, Some("test"));
    is_not_cached(&got.head);
    let got = client.ask("POST", &format!("{url}/xhr_send"), &[("origin", "test")], "[\"x\"]").await;
    got.is(204, "");
    assert_eq!(got.head.content_type().unwrap(), "text/plain;charset=UTF-8");
    has_cors(&got.head, Some("test"));
    is_not_cached(&got.head);
    client.hear(&url, "a[\"x\"]").await;
}

#[tokio::test]
async fn invalid_session() {
    let client = Client::real().await;
    assert_eq!(client.post(&format!("{}/xhr_send", url("/echo")), "[\"x\"]").await.head.status, 404);
}

#[tokio::test]
async fn invalid_json() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    let send = format!("{url}/xhr_send");
    let got = client.post(&send, "[\"x").await;
    assert!(got.head.status == 500 && got.body.contains("Broken JSON encoding."), "{got:?}");
    let got = client.post(&send, "").await;
    assert!(got.head.status == 500 && got.body.contains("Payload expected."), "{got:?}");
    client.say(&url, "[\"a\"]").await;
    client.hear(&url, "a[\"a\"]").await;
}

#[tokio::test]
async fn content_types() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    let kinds = [
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        "",
        "application/json; charset=utf-8",
        "text/xml; charset=utf-8",
        "text/xml",
    ];
    for kind in kinds {
        client.ask("POST", &format!("{url}/xhr_send"), &[("content-type", kind)], "[\"a\"]").await.is(204, "");
    }
    client.hear(&url, &format!("a[{}]", vec!["\"a\""; kinds.len()].join(","))).await;
}

#[tokio::test]
async fn request_headers_cors() {
    let client = Client::real().await;
    for (asked, allowed) in [(Some("a, b, c"), Some("a, b, c")), (Some(""), None), (None, None)] {
        let mut headers = vec![("origin", "test"), ("access-control-request-method", "POST")];
        headers.extend(asked.map(|asked| ("access-control-request-headers", asked)));
        let got = client.ask("OPTIONS", &format!("{}/xhr", url("/echo")), &headers, "").await;
        got.is(204, "");
        has_cors(&got.head, Some("test"));
        assert_eq!(got.header("access-control-allow-headers"), allowed);
    }
}

#[tokio::test]
async fn sending_an_empty_frame() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    client.say(&url, "[]").await;
    client.say(&url, "[\"a\"]").await;
    client.hear(&url, "a[\"a\"]").await;
}

/// Units that the server escapes, but for those of a byte and for halves of pairs.
fn escaped_by_the_server(unit: u32) -> bool {
    matches!(unit, 0x200c..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfff0..=0xffff)
}

#[tokio::test]
async fn the_server_encodes() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    let units: Vec<u32> = (255..65_536).filter(|&unit| escaped_by_the_server(unit)).collect();
    let plain: String = units.iter().filter_map(|&unit| char::from_u32(unit)).collect();
    let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
    client.say(&url, &format!("[\"{plain}\"]")).await;
    client.hear(&url, &format!("a[\"{escaped}\"]")).await;
}

#[tokio::test]
async fn the_server_decodes() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    // All that is no half of a pair, and so all that clients escape.
    let units: Vec<u16> = (0..=0xffff).filter(|&unit| char::from_u32(u32::from(unit)).is_some()).collect();
    let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
    client.say(&url, &format!("[\"{escaped}\"]")).await;
    let got = client.post(&format!("{url}/xhr"), "").await;
    let texts: Vec<String> = serde_json::from_str(got.body.strip_prefix('a').unwrap()).unwrap();
    assert_eq!(texts, [String::from_utf16(&units).unwrap()]);
}
