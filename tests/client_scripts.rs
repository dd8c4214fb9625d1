//! The scripts that the crate serves: their content codings, tags, and what a browser that asks again gets.
#![allow(clippy::disallowed_methods)]

mod support;

use anywire::{Anywire, SocketIo};
use axum::{Router, body::Body, http::Request};
use support::{Answer, HOST, Site, echo, site};

macro_rules! dist {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/client-js/dist/", $name))
    };
}

struct Script {
    name: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

const SCRIPTS: [Script; 6] = [
    Script {
        name: "client.js",
        plain: dist!("anywire.js"),
        brotli: dist!("anywire.js.br"),
        gzip: dist!("anywire.js.gz"),
    },
    Script {
        name: "client.mjs",
        plain: dist!("anywire.mjs"),
        brotli: dist!("anywire.mjs.br"),
        gzip: dist!("anywire.mjs.gz"),
    },
    Script { name: "io.js", plain: dist!("io.js"), brotli: dist!("io.js.br"), gzip: dist!("io.js.gz") },
    Script { name: "io.mjs", plain: dist!("io.mjs"), brotli: dist!("io.mjs.br"), gzip: dist!("io.mjs.gz") },
    Script { name: "socket.js", plain: dist!("socket.js"), brotli: dist!("socket.js.br"), gzip: dist!("socket.js.gz") },
    Script {
        name: "socket.mjs",
        plain: dist!("socket.mjs"),
        brotli: dist!("socket.mjs.br"),
        gzip: dist!("socket.mjs.gz"),
    },
];

fn scripts() -> Site {
    site(&Anywire::builder().handler(echo).build())
}

async fn ask(site: &Site, method: &str, name: &str, headers: &[(&str, &[u8])]) -> Answer {
    ask_at(site, method, &format!("/live/{name}"), headers).await
}

async fn ask_at(site: &Site, method: &str, path: &str, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    site.ask(request.body(Body::empty()).unwrap()).await
}

async fn get(site: &Site, name: &str, headers: &[(&str, &[u8])]) -> Answer {
    ask(site, "GET", name, headers).await
}

/// The value of a header, or nothing.
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_script_is_sent_in_the_coding_that_the_client_prefers() {
    let rows: &[(&[&str], &str)] = &[
        (&[], ""),
        (&[""], ""),
        (&["br"], "br"),
        (&["gzip"], "gzip"),
        (&["deflate, zstd"], ""),
        (&["gzip, deflate, br, zstd"], "br"),
        (&["gzip, deflate"], "gzip"),
        (&["x-gzip"], "gzip"),
        // The best quality wins, and brotli where qualities are equal.
        (&["br;q=0.5, gzip"], "gzip"),
        (&["br;q=0.5, gzip;q=0.501"], "gzip"),
        (&["gzip;q=0.8, br;q=0.8"], "br"),
        (&["gzip;q=1.0, identity;q=0.5, *;q=0"], "gzip"),
        (&["identity, br;q=0.9"], ""),
        (&["identity;q=0.5, br;q=0.5"], "br"),
        // A quality of zero refuses.
        (&["br;q=0"], ""),
        (&["br;q=0, gzip"], "gzip"),
        (&["br;q=0.000, gzip;q=0.0"], ""),
        (&["identity;q=0"], ""),
        (&["identity;q=0, gzip;q=0.001"], "gzip"),
        (&["identity;q=0, *;q=0"], ""),
        // The star is what is not listed.
        (&["*"], "br"),
        (&["*;q=0"], ""),
        (&["*;q=0, gzip"], "gzip"),
        (&["br;q=0, *"], "gzip"),
        (&["br;q=0.2, *;q=0.4"], "gzip"),
        (&["br;q=0, gzip;q=0, *"], ""),
        // Names and the weight's letter are the same in upper case; blanks may stand around.
        (&["BR"], "br"),
        (&["GZip"], "gzip"),
        (&["br ; Q=0 , gzip"], "gzip"),
        (&["\tgzip\t;\tq=0.5\t"], "gzip"),
        (&[",, br,"], "br"),
        // Lines of the same name are one list; the first mention counts.
        (&["deflate", "br"], "br"),
        (&["br;q=0", "gzip"], "gzip"),
        (&["br;q=0", "br"], ""),
        // An item that is not well formed is ignored.
        (&["br;q=2"], ""),
        (&["br;q=1.001"], ""),
        (&["br;q=0.1234"], ""),
        (&["br;q=-1"], ""),
        (&["br;q=.5"], ""),
        (&["br;q=+0.5"], ""),
        (&["br;q=0.+5"], ""),
        (&["br;q=1e0"], ""),
        (&["br;q=nan"], ""),
        (&["br;q="], ""),
        (&["br;q"], ""),
        (&["br;level=11"], ""),
        (&["br;q=1;q=0"], ""),
        (&["br;"], ""),
        (&[";;;=,=;q,,;"], ""),
        (&["b r"], ""),
        (&["brotli gzip"], ""),
        (&["br\u{e9}, \u{1f4a5}"], ""),
        (&["\u{1f4a5}", "gzip"], "gzip"),
        (&["br;q=9, gzip;q=0.5"], "gzip"),
        (&["br;q=1.", "gzip;q=0.9"], "br"),
    ];
    let site = scripts();
    for Script { name, plain, brotli, gzip } in SCRIPTS {
        for (lines, coding) in rows {
            let headers: Vec<_> = lines.iter().map(|line| ("accept-encoding", line.as_bytes())).collect();
            let answer = get(&site, name, &headers).await;
            assert_eq!(header(&answer, "content-encoding"), *coding, "{name} {lines:?}");
            let content = match *coding {
                "br" => brotli,
                "gzip" => gzip,
                _ => plain,
            };
            assert!(answer.body == content, "{name} {lines:?}: the bytes are not those of {coding:?}");
            assert_eq!(answer.status, 200);
            assert_eq!(header(&answer, "vary"), "accept-encoding");
            assert_eq!(header(&answer, "content-type"), "text/javascript; charset=utf-8");
            // A cache asks again: a page of a newer server brings the newer script's hash.
            assert_eq!(header(&answer, "cache-control"), "public, no-cache");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_list_of_codings_is_read_to_its_end() {
    let long = format!("{}br", "nonsense;q=0.5,".repeat(500));
    assert_eq!(
        header(&get(&scripts(), "client.js", &[("accept-encoding", long.as_bytes())]).await, "content-encoding"),
        "br"
    );
}

#[tokio::test(start_paused = true)]
async fn each_form_has_its_own_tag() {
    let site = scripts();
    for Script { name, .. } in SCRIPTS {
        let mut tags = vec![];
        for coding in ["identity", "br", "gzip"] {
            let answer = get(&site, name, &[("accept-encoding", coding.as_bytes())]).await;
            tags.push((coding, header(&answer, "etag").to_owned()));
        }
        for (coding, tag) in &tags {
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
            for (asked, would_get) in &tags {
                let conditional = [("accept-encoding", asked.as_bytes()), ("if-none-match", tag.as_bytes())];
                let answer = get(&site, name, &conditional).await;
                let expected = if tag == would_get { 304 } else { 200 };
                assert_eq!(answer.status, expected, "{name}: has {coding}, asks for {asked}");
                assert_eq!(header(&answer, "etag"), would_get);
                assert_eq!(header(&answer, "vary"), "accept-encoding");
                assert_eq!(answer.body.is_empty(), expected == 304);
                assert_eq!(header(&answer, "content-encoding").is_empty(), expected == 304 || *asked == "identity");
            }
        }
        assert_eq!(tags.iter().filter(|(_, tag)| *tag == tags[0].1).count(), 1, "{tags:?}");
        assert_ne!(tags[1].1, tags[2].1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_found_in_a_list_and_compared_weakly() {
    let site = scripts();
    let brotli = ("accept-encoding", b"br".as_slice());
    let answer = get(&site, "client.js", &[brotli]).await;
    let tag = header(&answer, "etag");
    for (list, status) in [
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        (format!("\"other\",W/{tag} , \"more\""), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (format!("w/{tag}"), 200),
        (tag.trim_matches('"').to_owned(), 200),
        (String::new(), 200),
    ] {
        assert_eq!(
            get(&site, "client.js", &[brotli, ("if-none-match", list.as_bytes())]).await.status,
            status,
            "{list}"
        );
    }
    let lines = [brotli, ("if-none-match", b"\"other\"".as_slice()), ("if-none-match", tag.as_bytes())];
    assert_eq!(get(&site, "client.js", &lines).await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn the_head_is_that_of_the_answer() {
    let site = scripts();
    for Script { name, plain, brotli, .. } in SCRIPTS {
        for (coding, length) in [("", plain.len()), ("br", brotli.len())] {
            let headers = [("accept-encoding", coding.as_bytes())];
            let (head, whole) = (ask(&site, "HEAD", name, &headers).await, get(&site, name, &headers).await);
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
            assert_eq!(header(&head, "content-length"), length.to_string());
            for field in ["content-encoding", "content-type", "etag", "vary", "cache-control"] {
                assert_eq!(header(&head, field), header(&whole, field), "{field}");
            }
        }
        assert_eq!(ask(&site, "POST", name, &[]).await.status, 405);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_is_answered_with_the_whole() {
    let headers = [("accept-encoding", b"br".as_slice()), ("range", b"bytes=0-9".as_slice())];
    let answer = get(&scripts(), "client.js", &headers).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, SCRIPTS[0].brotli));
}

#[tokio::test(start_paused = true)]
async fn the_source_maps_that_the_scripts_name_are_served_as_they_are() {
    let site = scripts();
    for (name, map) in [
        ("client.js", dist!("anywire.js.map").as_slice()),
        ("client.mjs", dist!("anywire.mjs.map").as_slice()),
        ("io.js", dist!("io.js.map").as_slice()),
        ("io.mjs", dist!("io.mjs.map").as_slice()),
        ("socket.js", dist!("socket.js.map").as_slice()),
        ("socket.mjs", dist!("socket.mjs.map").as_slice()),
    ] {
        let script = get(&site, name, &[]).await;
        let text = std::str::from_utf8(&script.body).unwrap();
        let (_, named) = text.rsplit_once("\n//# sourceMappingURL=").unwrap();
        let answer = get(&site, named.trim_end(), &[("accept-encoding", b"br, gzip")]).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "content-encoding")), (200, ""));
        assert_eq!((header(&answer, "content-type"), header(&answer, "vary")), ("application/json", "accept-encoding"));
        assert!(answer.body == map, "{named}");
    }
}

/// The routes of Socket.IO at this path, beside the native ones.
fn socketio(path: &str, settings: SocketIo) -> Router {
    let live = Anywire::builder().handler(echo).build();
    Router::new().merge(live.socketio_with(path, settings)).nest("/live", live.routes())
}

/// The headers that a browser and a cache go by.
const FIELDS: [&str; 7] = [
    "content-type",
    "content-encoding",
    "cache-control",
    "etag",
    "vary",
    "x-content-type-options",
    "access-control-allow-origin",
];

/// The names below the path of Socket.IO, and those of the same files below the native one.
const SAME: [(&str, &str); 5] = [
    ("socket.io.js", "io.js"),
    ("socket.io.min.js", "io.js"),
    ("socket.io.esm.min.js", "io.mjs"),
    ("io.js.map", "io.js.map"),
    ("io.mjs.map", "io.mjs.map"),
];

#[tokio::test(start_paused = true)]
async fn the_path_of_socketio_has_our_scripts_by_the_names_that_its_pages_load() {
    for (path, folder) in [("/socket.io", "/socket.io"), ("/my/socket.io/", "/my/socket.io"), ("/", "")] {
        let site = Site::here(socketio(path, SocketIo::new()));
        for (theirs, ours) in SAME {
            let theirs = format!("{folder}/{theirs}");
            for coding in ["identity", "br", "gzip"] {
                let headers = [("accept-encoding", coding.as_bytes())];
                let (found, native) = (ask_at(&site, "GET", &theirs, &headers).await, get(&site, ours, &headers).await);
                assert_eq!(found.status, 200, "{theirs}");
                for field in FIELDS {
                    assert_eq!(header(&found, field), header(&native, field), "{field} of {theirs} in {coding}");
                }
                assert!(found.body == native.body, "{theirs} in {coding}");
                let tag = [headers[0], ("if-none-match", header(&found, "etag").as_bytes())];
                assert_eq!(ask_at(&site, "GET", &theirs, &tag).await.status, 304, "{theirs} in {coding}");
            }
            let head = ask_at(&site, "HEAD", &theirs, &[]).await;
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
            let post = ask_at(&site, "POST", &theirs, &[]).await;
            assert_eq!((post.status.as_u16(), header(&post, "allow")), (405, "GET, HEAD"));
        }
        // A page that has loaded one of them finds the native routes here.
        let script = ask_at(&site, "GET", &format!("{folder}/anywire/io.js"), &[]).await;
        assert!(script.status == 200 && script.body == SCRIPTS[2].plain);
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_of_the_application_takes_the_place_of_ours() {
    let own = "var io = 'their own'";
    let site = Site::here(socketio("/socket.io", SocketIo::new().client(own)));
    let other = Site::here(socketio("/socket.io", SocketIo::new().client("var io")));
    for name in ["socket.io.js", "socket.io.min.js"] {
        let path = format!("/socket.io/{name}");
        let answer = ask_at(&site, "GET", &path, &[("accept-encoding", b"br, gzip")]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, own.as_bytes()));
        assert_eq!((header(&answer, "content-encoding"), header(&answer, "cache-control")), ("", "public, no-cache"));
        assert_eq!(header(&answer, "content-type"), "text/javascript; charset=utf-8");
        let tag = header(&answer, "etag");
        assert!(tag.starts_with('"') && tag.len() > 2, "{tag} is no strong tag");
        let conditional = [("if-none-match", tag.as_bytes())];
        let unchanged = ask_at(&site, "GET", &path, &conditional).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
        assert_eq!(ask_at(&other, "GET", &path, &conditional).await.status, 200, "another script has another tag");
        let head = ask_at(&site, "HEAD", &path, &[]).await;
        assert_eq!((header(&head, "content-length"), head.body.len()), (own.len().to_string().as_str(), 0));
        assert_eq!(ask_at(&site, "PUT", &path, &[]).await.status, 405);
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_script_of_its_own_the_application_routes_its_own_module() {
    let router = socketio("/socket.io", SocketIo::new().client("var io"));
    let site = Site::here(router.clone());
    for (name, _) in &SAME[2..] {
        assert_eq!(ask_at(&site, "GET", &format!("/socket.io/{name}"), &[]).await.status, 404, "{name}");
    }
    let module = axum::routing::get(|| async { "export const io = 1" });
    let site = Site::here(router.route("/socket.io/socket.io.esm.min.js", module));
    assert_eq!(ask_at(&site, "GET", "/socket.io/socket.io.esm.min.js", &[]).await.body, "export const io = 1");
}
