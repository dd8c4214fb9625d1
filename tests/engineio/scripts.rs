//! Polling by scripts (JSONP): an answer calls a function of the page, and an upload is a form.

use axum::http::Method;

use crate::client::{Client, sid_of};

/// The text with which an answer calls the function of this number.
fn called(script: &str, index: &str) -> String {
    let text = script.strip_prefix(&format!("___eio[{index}](")).and_then(|rest| rest.strip_suffix(");"));
    serde_json::from_str(text.unwrap_or_else(|| panic!("not a call: {script}"))).unwrap()
}

fn form(payload: &str) -> String {
    let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
    let encoded: String = escaped.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("d={encoded}")
}

#[tokio::test]
async fn scripts_carry_an_echo() {
    for revision in [3, 4] {
        let client = Client::here(revision);
        let got = client.get("transport=polling&j=0").await;
        assert_eq!(got.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        let sid = sid_of(client.unframed(&called(got.packets(), "0")));
        let hard = "4lines\n\r\n, \\n and \\\\n, \u{2028}\u{2029}, </script>, \"quoted\", é \u{1f600} +&=%";
        let binary = if revision == 3 { "b4AQIDBA==" } else { "bAQIDBA==" };
        let payload = client.payload(&[hard, binary]);
        let query = format!("EIO={revision}&transport=polling&sid={sid}&j=1");
        client.ask(Method::POST, &query, form(&payload)).await.is(200, "ok");
        let got = client.get(&format!("transport=polling&sid={sid}&j=7")).await;
        assert!(!got.text().contains(['\u{2028}', '\u{2029}']) && !got.text().contains("</script"), "{}", got.text());
        assert_eq!(called(got.packets(), "7"), payload, "by the function that was asked for, and bytes as base64");
    }
}

#[tokio::test]
async fn the_name_of_the_function_has_nothing_of_the_request_but_digits() {
    let client = Client::here(3);
    let got = client.get("transport=polling&j=1);alert(2").await;
    called(got.packets(), "12");
    let got = client.get(&format!("transport=polling&j={}", "9".repeat(5_000))).await;
    called(got.packets(), &"9".repeat(20));
}

#[tokio::test]
async fn a_form_without_a_payload_ends_the_session() {
    let client = Client::here(3);
    let sid = client.open().await;
    let query = format!("EIO=3&transport=polling&sid={sid}&j=1");
    client.ask(Method::POST, &query, "x=1").await.is(400, "");
    assert_eq!(client.poll(&sid).await.status, 400);
}
