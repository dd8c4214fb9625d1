//! Polls by scripts.

use super::*;
use crate::client::{Got, url};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

async fn send(client: &Client, url: &str, form: &str) -> Got {
    client.ask("POST", &format!("{url}/jsonp_send"), &FORM, form).await
}

async fn hear(client: &Client, url: &str, call: &str) {
    client.get(&format!("{url}/jsonp?c=x")).await.is(200, &format!("/**/x(\"{call}\");\r\n"));
}

/// Opens a session by a script.
async fn open(client: &Client, service: &str) -> String {
    let url = url(service);
    hear(client, &url, "o").await;
    url
}

#[tokio::test]
async fn transport() {
    let (client, url) = (Client::real().await, url("/echo"));
    let got = client.get(&format!("{url}/jsonp?c=%63allback")).await;
    got.is(200, "/**/callback(\"o\");\r\n");
    assert_eq!(got.head.content_type().unwrap(), "application/javascript;charset=UTF-8");
    is_not_cached(&got.head);
    let got = send(&client, &url, "d=%5B%22x%22%5D").await;
    got.is(200, "ok");
    assert_eq!(got.head.content_type().unwrap(), "text/plain;charset=UTF-8");
    is_not_cached(&got.head);
    let got = client.get(&format!("{url}/jsonp?c=%63allback")).await;
    got.is(200, "/**/callback(\"a[\\\"x\\\"]\");\r\n");
}

#[tokio::test]
async fn no_callback() {
    let got = Client::real().await.get("/echo/a/a/jsonp").await;
    assert!(got.head.status == 500 && got.body.contains("\"callback\" parameter required"), "{got:?}");
}

#[tokio::test]
async fn invalid_callback() {
    let client = Client::real().await;
    for callback in ["%20", "*", "abc(", "abc%28"] {
        let got = client.get(&format!("/echo/a/a/jsonp?c={callback}")).await;
        assert!(got.head.status == 500 && got.body.contains("invalid \"callback\" parameter"), "{got:?}");
    }
}

#[tokio::test]
async fn invalid_json() {
    let client = Client::real().await;
    let url = open(&client, "/echo").await;
    let got = send(&client, &url, "d=%5B%22x").await;
    assert!(got.head.status == 500 && got.body.contains("Broken JSON encoding."), "{got:?}");
    for form in ["", "d=", "p=p"] {
        let got = send(&client, &url, form).await;
        assert!(got.head.status == 500 && got.body.contains("Payload expected."), "{got:?}");
    }
    send(&client, &url, "d=%5B%22b%22%5D").await.is(200, "ok");
    hear(&client, &url, "a[\\\"b\\\"]").await;
}

#[tokio::test]
async fn content_types() {
    let client = Client::real().await;
    let url = open(&client, "/echo").await;
    send(&client, &url, "d=%5B%22abc%22%5D").await.is(200, "ok");
    let plain = [("content-type", "text/plain")];
    client.ask("POST", &format!("{url}/jsonp_send"), &plain, "[\"%61bc\"]").await.is(200, "ok");
    hear(&client, &url, "a[\\\"abc\\\",\\\"%61bc\\\"]").await;
}

#[tokio::test]
async fn close() {
    let client = Client::real().await;
    let url = open(&client, "/close").await;
    hear(&client, &url, "c[3000,\\\"Go away!\\\"]").await;
    hear(&client, &url, "c[3000,\\\"Go away!\\\"]").await;
}

#[tokio::test]
async fn sending_an_empty_frame() {
    let client = Client::real().await;
    let url = open(&client, "/echo").await;
    send(&client, &url, "d=%5B%5D").await.is(200, "ok");
    send(&client, &url, "d=%5B%22x%22%5D").await.is(200, "ok");
    hear(&client, &url, "a[\\\"x\\\"]").await;
}
