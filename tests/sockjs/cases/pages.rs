//! The greeting, the page for iframes, the facts, and the URLs of sessions.

use super::*;
use crate::client::url;

#[tokio::test]
async fn greeting() {
    let client = Client::real().await;
    for path in ["/echo", "/echo/"] {
        let got = client.get(path).await;
        got.is(200, "Welcome to SockJS!\n");
        assert_eq!(got.head.content_type().unwrap(), "text/plain;charset=UTF-8");
        assert_eq!(got.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn not_found() {
    let client = Client::real().await;
    for path in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a", "/a/"] {
        assert_eq!(client.get(&format!("/echo{path}")).await.head.status, 404, "{path}");
    }
}

/// Checks the page for iframes, and returns its tag.
async fn iframe(client: &Client, path: &str) -> String {
    let got = client.get(path).await;
    assert_eq!(got.head.status, 200, "{path}");
    assert_eq!(got.head.content_type().unwrap(), "text/html;charset=UTF-8");
    is_cached(&got.head);
    assert_eq!(got.header("set-cookie"), None);
    let (before, behind) = got.body.split_once("<script src=\"").unwrap();
    let (script, behind) = behind.split_once("\"></script>").unwrap();
    assert!(script.starts_with('/') || script.starts_with("http"), "{script}");
    assert!(before.starts_with("<!DOCTYPE html>\n<html>\n<head>\n"), "{before}");
    let calls = "document.domain = document.domain;\n    SockJS.bootstrap_iframe();";
    assert!(behind.contains(calls) && behind.ends_with("</body>\n</html>\n"), "{behind}");
    got.header("etag").unwrap().to_owned()
}

#[tokio::test]
async fn iframe_simple_url() {
    iframe(&Client::real().await, "/echo/iframe.html").await;
}

#[tokio::test]
async fn iframe_versioned_url() {
    let client = Client::real().await;
    for version in ["-a", "-", "-0.1.2", "-0.1.2abc-dirty.2144"] {
        iframe(&client, &format!("/echo/iframe{version}.html")).await;
    }
}

#[tokio::test]
async fn iframe_queried_url() {
    let client = Client::real().await;
    for page in ["-a.html?t=1234", "-0.1.2.html?t=123414", "-0.1.2abc-dirty.2144.html?t=qweqweq123"] {
        iframe(&client, &format!("/echo/iframe{page}")).await;
    }
}

#[tokio::test]
async fn iframe_invalid_url() {
    let client = Client::real().await;
    for path in ["iframe.htm", "iframe", "IFRAME.HTML", "IFRAME", "iframe.HTML", "iframe.xml", "iframe-/.html"] {
        assert_eq!(client.get(&format!("/echo/{path}")).await.head.status, 404, "{path}");
    }
}

#[tokio::test]
async fn iframe_cacheability() {
    let client = Client::real().await;
    let tag = iframe(&client, "/echo/iframe.html").await;
    assert_eq!(iframe(&client, "/echo/iframe-1.html").await, tag);
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2);
    let got = client.ask("GET", "/echo/iframe.html", &[("if-none-match", &tag)], "").await;
    got.is(304, "");
    assert_eq!(got.header("content-type"), None);
}

#[tokio::test]
async fn info_basic() {
    let client = Client::real().await;
    let got = client.ask("GET", "/echo/info", &[("origin", "test")], "").await;
    assert_eq!(got.head.status, 200);
    assert_eq!(got.head.content_type().unwrap(), "application/json;charset=UTF-8");
    assert_eq!(got.header("set-cookie"), None);
    is_not_cached(&got.head);
    has_cors(&got.head, Some("test"));
    let facts: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!((&facts["websocket"], &facts["cookie_needed"]), (&true.into(), &false.into()));
    assert_eq!(facts["origins"], serde_json::json!(["*:*"]));
    assert!(facts["entropy"].as_u64().is_some_and(|entropy| entropy < 1 << 32));
    has_cors(&client.get("/echo/info").await.head, None);
}

#[tokio::test]
async fn info_entropy() {
    let client = Client::real().await;
    let mut drawn = Vec::new();
    for _ in 0..4 {
        let facts: serde_json::Value = serde_json::from_str(&client.get("/echo/info").await.body).unwrap();
        drawn.push(facts["entropy"].as_u64().unwrap());
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 4);
}

#[tokio::test]
async fn info_options() {
    options(&Client::real().await, "/echo/info", "OPTIONS, GET").await;
}

#[tokio::test]
async fn info_options_of_a_page_without_origin() {
    let headers = [("origin", "null"), ("access-control-request-method", "POST")];
    let got = Client::real().await.ask("OPTIONS", "/echo/info", &headers, "").await;
    got.is(204, "");
    assert_eq!(got.header("access-control-allow-origin"), Some("null"));
}

#[tokio::test]
async fn info_without_websockets() {
    let got = Client::real().await.get("/disabled_websocket_echo/info").await;
    let facts: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(facts["websocket"], false);
}

#[tokio::test]
async fn sessions_any_value() {
    let client = Client::real().await;
    let name = crate::support::attempt();
    for session in ["/a/a", "/_/_", "/1/", "/abcdefgh_i-j%20/abcdefg_i-j%20"] {
        client.post(&format!("/echo{session}{name}/xhr"), "").await.is(200, "o\n");
    }
}

#[tokio::test]
async fn sessions_invalid_paths() {
    let client = Client::real().await;
    for session in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
        for method in ["GET", "POST"] {
            let got = client.ask(method, &format!("/echo{session}/xhr"), &[], "").await;
            assert_eq!(got.head.status, 404, "{session}");
        }
    }
}

#[tokio::test]
async fn sessions_ignoring_the_server_id() {
    let client = Client::real().await;
    let url = client.open("/echo").await;
    client.say(&url, "[\"a\"]").await;
    client.hear(&url.replace("/000/", "/999/"), "a[\"a\"]").await;
}

/// A service that sets the cookie of load balancers.
const COOKIES: &str = "/cookie_needed_echo";

#[tokio::test]
async fn cookie_basic() {
    let got = Client::real().await.get(&format!("{COOKIES}/info")).await;
    assert_eq!(got.header("set-cookie"), None);
    let facts: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(facts["cookie_needed"], true);
}

fn has_cookie(head: &Head, value: &str) {
    assert_eq!(head.header("set-cookie"), Some(&*format!("JSESSIONID={value}; path=/")));
}

#[tokio::test]
async fn cookie_xhr() {
    let client = Client::real().await;
    let got = client.post(&format!("{}/xhr", url(COOKIES)), "").await;
    got.is(200, "o\n");
    has_cookie(&got.head, "dummy");
    let headers = [("cookie", "JSESSIONID=abcdef")];
    let got = client.ask("POST", &format!("{}/xhr", url(COOKIES)), &headers, "").await;
    got.is(200, "o\n");
    has_cookie(&got.head, "abcdef");
}

#[tokio::test]
async fn cookie_xhr_streaming() {
    let (head, _) = Client::real().await.stream("POST", &format!("{}/xhr_streaming", url(COOKIES)), &[]).await;
    assert_eq!(head.status, 200);
    has_cookie(&head, "dummy");
}

#[tokio::test]
async fn cookie_eventsource() {
    let (head, _) = Client::real().await.stream("GET", &format!("{}/eventsource", url(COOKIES)), &[]).await;
    assert_eq!(head.status, 200);
    has_cookie(&head, "dummy");
}

#[tokio::test]
async fn cookie_htmlfile() {
    let (head, _) = Client::real().await.stream("GET", &format!("{}/htmlfile?c=%63allback", url(COOKIES)), &[]).await;
    assert_eq!(head.status, 200);
    has_cookie(&head, "dummy");
}

#[tokio::test]
async fn cookie_jsonp() {
    let (client, url) = (Client::real().await, url(COOKIES));
    let got = client.get(&format!("{url}/jsonp?c=%63allback")).await;
    got.is(200, "/**/callback(\"o\");\r\n");
    has_cookie(&got.head, "dummy");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let got = client.ask("POST", &format!("{url}/jsonp_send"), &form, "d=%5B%22x%22%5D").await;
    got.is(200, "ok");
    has_cookie(&got.head, "dummy");
}
