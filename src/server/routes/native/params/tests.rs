//! Parameters that fit, and some that do not.

use axum::http::Request;

use super::*;
use crate::shared::{ChunkOutcome, tests::session_as};

#[test]
fn callbacks() {
    for name in ["f", "_", "_0", "awCallback7", &"a".repeat(64)] {
        assert!(is_callback(name), "{name}");
    }
    for name in ["", "0f", "a.b", "a-b", "a(b", "é", "a b", "$", "%61", &"a".repeat(65)] {
        assert!(!is_callback(name), "{name}");
    }
}

#[test]
fn addresses() {
    for (url, address_of_page) in [
        ("/live/open?session=&bytes=1&", "/live"),
        ("/room/7/websocket?session=n.1&token=a=b&x&browser=z&", "/room/7?token=a=b&x"),
        ("/open?session=", "/"),
        ("/live/jsonp-poll?session=&q=%20+&data=o1&callback=f", "/live?q=%20+"),
        ("https://a.test/live/open?session=&y", "https://a.test/live?y"),
    ] {
        assert_eq!(address(&url.parse().unwrap()), address_of_page, "{url}");
    }
}

#[test]
fn forms() {
    assert_eq!(form(b"data=u1%252Ca%252Cb%252C0%253Aa%2500").unwrap(), "u1,a,b,0:a\0".as_bytes()[..].to_vec());
    assert_eq!(form(b"x=1&data=%2541+b&y").unwrap(), b"A+b"[..]);
    assert_eq!(form(b"data=%25ff").unwrap(), vec![0xff]);
    for body in [&b""[..], b"data", b"dat=a", b"data=u1%2Ca%3A", b"data=a:", b"\xff&data=a"] {
        assert!(form(body).is_err(), "{body:?}");
    }
}

#[test]
fn numbers() {
    assert_eq!(number("0"), Some(0));
    assert_eq!(number("9007199254740991"), Some((1 << 53) - 1));
    for field in ["", "00", "01", "-1", "+1", "1x", "9007199254740992", "99999999999999999999"] {
        assert_eq!(number(field), None, "{field}");
    }
}

/// A query as a URL can have it.
fn of_query(query: &[u8]) -> Parts {
    let query: String = query.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect();
    let uri = format!("/room/7/jsonp-send?{query}").parse::<Uri>();
    Request::get(uri.unwrap_or_default()).body(()).unwrap().into_parts().0
}

/// Each line is a query or a form; pieces among them are put together.
#[test]
fn fuzz_queries_forms_and_pieces() {
    const LIMIT: usize = 300;
    crate::fuzz::run("queries", 20_000, |input, behaviour| {
        let session = session_as(uuid::Uuid::nil());
        let secret = uuid::Uuid::nil().simple().to_string();
        for line in input.split(|&byte| byte == b'\n') {
            if let Ok(form) = form(line) {
                assert!(form.len() <= line.len());
                behaviour.note(form.len());
            }
            let parts = of_query(line);
            let extras = (padding(&parts), browser(&parts).map(str::len), query(&parts, "callback").map(is_callback));
            assert!(extras.0 <= PADDING && extras.1.is_none_or(|length| length <= BROWSER));
            behaviour.note(extras);
            let Ok(data) = data(&parts) else { continue };
            match chunk(&parts, &data) {
                Ok(Some((chunk, ..))) => {
                    let outcome = session.take_chunk(&secret, chunk, LIMIT);
                    if let Ok(ChunkOutcome::Complete(data)) = &outcome {
                        assert!(data.len() <= LIMIT);
                    }
                    behaviour.note(outcome.map(|outcome| format!("{outcome:?}").len()).map_err(|why| why.code));
                }
                Ok(None) => behaviour.note(0),
                Err(why) => behaviour.note(why.code),
            }
            let address = seen(parts).uri;
            assert_eq!(address.path(), if address.path() == "/" { "/" } else { "/room/7" });
        }
    });
}
