//! The form of a message that its receivers share.

use super::*;

#[test]
fn it_has_the_senders_headers_and_the_length() {
    let sent = content(&[("content-type", "text/plain"), ("a", "b:c"), ("a", "d")], b"hi");
    assert_eq!(shown(&sent.encode()), "content-type:text/plain\na:b\\cc\na:d\ncontent-length:2\n\nhi");
    assert_eq!(shown(&content(&[], b"").encode()), "content-length:0\n\n");
}

#[test]
fn it_is_text_if_its_body_is() {
    assert!(content(&[], "é".as_bytes()).encode().as_text().is_some());
    assert!(content(&[("é", "é")], b"\xe9").encode().as_text().is_none());
}

#[test]
fn it_holds_no_more_memory_than_its_bytes() {
    // Bytes that are given back with no copy are in memory of their own size.
    for body in [&b"hello"[..], b"\xff", &[b'x'; 1000], &[0xff; 1000]] {
        let bytes = content(&[("a", "b")], body).encode().into_bytes();
        let (length, vec) = (bytes.len(), Vec::from(bytes));
        assert_eq!(vec.capacity(), length);
    }
}
