//! Every code point within every wrapping; whole answers and streamed ones.

use super::*;

fn string(text: &str) -> String {
    let mut out = Vec::new();
    put_string(text.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Characters that a string must not hold, wherever it is read.
fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn assert_well(text: &str) {
    let string = string(text);
    assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text, "{string}");
    assert!(!string.chars().any(is_forbidden), "{string:?}");
    let inner = &string[1..string.len() - 1];
    assert!(!inner.replace("\\\\", "").replace("\\\"", "").contains('"'), "{string:?}");
}

#[test]
fn every_character_survives() {
    let all: Vec<char> = (0..=0x0011_0000).filter_map(char::from_u32).collect();
    for few in all.chunks(997) {
        assert_well(&few.iter().collect::<String>());
    }
    for &character in all.iter().filter(|&&character| is_forbidden(character) || "\"\\".contains(character)) {
        assert_well(&character.to_string());
        assert_well(&format!("{character}{character}a{character}"));
    }
}

#[test]
fn neighbours_of_what_is_escaped_stand_as_they_are() {
    for text in ["", "plain", "\u{a0}\u{c1}", "\u{2027}\u{202a}\u{2068}", "\u{fefe}\u{ff00}\u{ffff}", "é€😀\u{10ffff}"]
    {
        assert_eq!(string(text), format!("\"{text}\""));
    }
    assert_eq!(string("</script>\r\n"), r#""\u003c/script\u003e\r\n""#);
    assert_eq!(string("\u{2028}\u{feff}\u{85}\0"), r#""\u2028\ufeff\u0085\u0000""#);
}

#[test]
fn whole_answers() {
    let whole = |row, name: &str| String::from_utf8(Wrapping::new(row, name).whole(b"a1:".to_vec())).unwrap();
    assert_eq!(whole(&PLAIN, ""), "a1:");
    assert_eq!(whole(&BLANK, ""), "");
    assert_eq!(whole(&EVENTS, ""), "data: \"a1:\"\n\n");
    assert_eq!(whole(&SOCKJS_EVENTS, ""), "\r\ndata: a1:\r\n\r\n");
    assert_eq!(whole(&CALL, "_f1"), "/**/_f1(\"a1:\");");
    for (row, name, call) in [(&PAGE_CALL, "f", "{parent.f(t)}"), (&PAGE, "", "{parent.postMessage(t,'*')}")] {
        let page = whole(row, name);
        let (prelude, flush) = page.split_at(page.find("<script>p(").unwrap());
        let head = "<!doctype html><html><head><meta charset=\"utf-8\"><script>function p(t)";
        let spaces = " ".repeat(2048);
        assert_eq!(prelude, format!("{head}{call}</script></head><body>{spaces}\n"));
        assert_eq!(flush, "<script>p(\"a1:\")</script>\n");
    }
    let head = "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    assert_eq!(whole(&PARTS, "x"), format!("--x\r\n{head}a1:\r\n--x\r\n{head}\r\n--x--\r\n"));
}

#[test]
fn an_event_of_sockjs_is_decoded_like_a_url() {
    for (text, event) in [("%", "%25"), ("a%41%%u0041%25", "a%2541%25%25u0041%2525"), ("é€😀", "é€😀"), ("", "")]
    {
        let event = format!("\r\ndata: {event}\r\n\r\n");
        assert_eq!(Wrapping::new(&SOCKJS_EVENTS, "").whole(text.as_bytes().to_vec()), event.into_bytes());
    }
}

#[test]
fn types() {
    let of = |row, name: &str| Wrapping::new(row, name).content_type().map(Cow::into_owned);
    assert_eq!(of(&PLAIN, ""), None);
    assert_eq!(of(&PARTS, "x").unwrap(), "multipart/x-mixed-replace;boundary=x");
    for row in [&PAGE, &PAGE_CALL, &BLANK] {
        assert_eq!(of(row, "f").unwrap(), "text/html; charset=utf-8");
    }
    assert_eq!(of(&EVENTS, "").unwrap(), "text/event-stream");
    assert_eq!(of(&CALL, "f").unwrap(), "text/javascript; charset=utf-8");
}

#[test]
fn the_prelude_goes_once() {
    let mut wrapper = Wrapper::new(Wrapping::new(&PLAIN, ""), b"i3:   ".to_vec());
    assert_eq!(wrapper.wrap(b"sfull,0:".to_vec(), false), b"i3:   sfull,0:");
    assert_eq!(wrapper.wrap(b"a1:".to_vec(), false), b"a1:");
    let mut wrapper = Wrapper::new(Wrapping::new(&PARTS, "x"), Vec::new());
    assert!(wrapper.wrap(b"a1:".to_vec(), false).starts_with(b"--x\r\nC"));
    let last = wrapper.wrap(b"a2:".to_vec(), true);
    assert!(last.starts_with(b"C") && last.ends_with(b"\r\n\r\n\r\n--x--\r\n"));
}

#[test]
fn an_answer_without_a_flush_is_ended_where_its_end_is_marked() {
    assert_eq!(Wrapper::new(Wrapping::new(&EVENTS, ""), Vec::new()).end(), None);
    let mut wrapper = Wrapper::new(Wrapping::new(&PARTS, "x"), Vec::new());
    let end = b"Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n--x--\r\n";
    assert_eq!(wrapper.end().unwrap(), [b"--x\r\n", &end[..]].concat());
    assert_eq!(wrapper.end().unwrap(), end);
}
