use super::*;

#[test]
fn halves_of_pairs_are_mended_and_all_else_stays() {
    for (text, mended) in [
        (r#"2["a\ud83d b"]"#, r#"2["a\ufffd b"]"#),
        (r#"2["\uDC00\ud83d\uDE00\uD83D"]"#, r#"2["\ufffd\ud83d\uDE00\ufffd"]"#),
        (r#"2["\ud83d\ud83d\ude00"]"#, r#"2["\ufffd\ud83d\ude00"]"#),
        (r#"2["\\\ud83d\n\\"]"#, r#"2["\\\ufffd\n\\"]"#),
        (r"2\ud83", r"2\ud83"),
        (r"2\ud83d", r"2\ufffd"),
    ] {
        assert_eq!(mend_surrogates(text.into()), mended);
    }
    for text in ["", "2[\"\"]", r#"2["\\ud83d"]"#, r#"2["\u00e9\ud83d\ude00"]"#, "2\\é\\", r"\u+123", r"2\u\ud8"] {
        let text = ByteString::from(text);
        let same = mend_surrogates(text.clone());
        assert_eq!((same.as_ptr(), &same), (text.as_ptr(), &text), "it is not copied");
    }
}

#[test]
fn a_packet_counts_all_of_its_parts() {
    assert_eq!(Packet::new("", Vec::new()).len(), 0);
    let packet = Packet::new("52-[\"é\"]", vec![vec![0; 3].into(), vec![0; 5].into()]);
    assert_eq!(packet.len(), 9 + 3 + 5);
}

#[test]
fn a_packet_takes_no_more_room_than_a_text() {
    assert_eq!(size_of::<Packet>(), size_of::<ByteString>());
}

#[test]
fn an_offset_is_read_as_it_is_written_and_in_no_other_way() {
    for (number, text) in [(1, "1"), (35, "z"), (36, "10"), (123_456_789, "21i3v9"), (u64::MAX, "3w5e11264sgsf")] {
        let offset = Offset::new(number).unwrap();
        assert_eq!(offset.to_string(), text);
        assert_eq!(Offset::parse(text), Some(offset));
    }
    for text in ["", "0", "01", "Z", "-1", "+1", " 1", "1 ", "3w5e11264sgsg", "10000000000000", "é", "1.1"] {
        assert_eq!(Offset::parse(text), None, "{text}");
    }
    assert_eq!(Offset::new(0), None);
}

#[test]
fn an_offset_is_the_last_argument() {
    let offset = Offset::new(40).unwrap();
    let attached = Packet::new("51-/a,[\"x\",{\"_placeholder\":true,\"num\":0}]", vec![vec![7].into()]);
    let stamped = attached.with_offset(offset);
    assert_eq!(stamped.text(), "51-/a,[\"x\",{\"_placeholder\":true,\"num\":0},\"14\"]");
    assert_eq!((stamped.attachments(), stamped.offset()), (attached.attachments(), Some(offset)));
    assert_eq!(attached.offset(), None);
    let text = Packet::new("2[\"x\"]", Vec::new());
    assert_eq!(text.with_offset(offset).text(), "2[\"x\",\"14\"]");
}

#[test]
fn a_packet_of_a_channel_names_its_namespace() {
    let is_of_channel = |text: &str| Packet::new(text, Vec::new()).is_of_channel();
    for text in ["0/admin,", "1/admin", "2/a,[\"x\"]", "52-/a,7[\"x\"]", "3/a,7[]", "4/a,{}", "7/a,7{}"] {
        assert!(is_of_channel(text), "{text}");
    }
    for text in ["", "0", "2[\"x\"]", "27[\"x\"]", "52-[\"x/,\"]", "2/,[\"x\"]", "5", "37[\"/a,\"]"] {
        assert!(!is_of_channel(text), "{text}");
    }
}
