//! CONNECT and its version.

use super::*;

fn connect(text: &str) -> Connect {
    match ask(None, text) {
        Ok(Asked { request: Request::Connect(connect), receipt: None }) => connect,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn stomp_is_connect() {
    for command in ["CONNECT", "STOMP"] {
        let connect = connect(&format!("{command}\naccept-version:1.2\nhost:a\n\n^"));
        assert_eq!((connect.version, connect.headers.get("host")), (V1_2, Some("a")));
    }
}

#[test]
fn the_highest_common_version_is_taken() {
    let cases = [
        ("1.0", V1_0),
        ("1.1", V1_1),
        ("1.2", V1_2),
        ("1.0,1.1,1.2", V1_2),
        ("1.2,1.1,1.0", V1_2),
        ("1.0,1.1,2.0", V1_1),
        ("1.1,1.0", V1_1),
        ("1.3,1.0", V1_0),
        (" 1.1 , 1.2 ", V1_2),
    ];
    for (accepted, version) in cases {
        assert_eq!(connect(&format!("CONNECT\naccept-version:{accepted}\n\n^")).version, version, "{accepted}");
    }
}

#[test]
fn a_client_that_states_no_version_has_1_0() {
    assert_eq!(connect("CONNECT\nlogin:a\n\n^").version, V1_0);
    assert_eq!(connect("CONNECT\n\n^").version, V1_0);
}

#[test]
fn no_common_version_is_refused() {
    for accepted in ["", "2.0", "1.20", "1", "1.3,9", "1.0;1.1", "v1.2"] {
        let refusal = ask(None, &format!("CONNECT\naccept-version:{accepted}\n\n^")).expect_err(accepted);
        assert_eq!(refusal.message, "no common version");
        assert_eq!(refusal.detail, "Supported protocol versions are 1.0 1.1 1.2");
        // The answer has them as a header too.
        let answer = error(None, &refusal.message, &refusal.detail, None);
        assert!(shown(&answer).contains("\nversion:1.0,1.1,1.2\n"));
    }
}

#[test]
fn connect_without_host_is_taken() {
    for version in ["1.1", "1.2"] {
        let connect = connect(&format!("CONNECT\naccept-version:{version}\n\n^"));
        assert_eq!(connect.headers.get("host"), None);
    }
}

#[test]
fn a_heart_beat_is_two_numbers() {
    for version in ["1.1", "1.2"] {
        let text = |times: &str| format!("CONNECT\naccept-version:{version}\nheart-beat:{times}\n\n^");
        let cases = [
            ("0,0", (0, 0)),
            ("1000,30000", (1000, 30_000)),
            ("9007199254740992,1", (9_007_199_254_740_991, 1)),
            ("1,99999999999999999999999", (1, 9_007_199_254_740_991)),
        ];
        for (times, meant) in cases {
            assert_eq!(connect(&text(times)).heart_beat, meant);
        }
        for times in ["", ",", "1", "1,", ",1", "1,2,3", "-1,0", "+1,0", "1.5,0", "a,b", "1;2", "1 ,2", "1, 2"] {
            let detail = "the header heart-beat is not two numbers of milliseconds with a comma";
            assert_eq!(ask(None, &text(times)).expect_err(times).detail, detail);
        }
    }
}

#[test]
fn no_heart_beat_is_two_zeros() {
    for version in ["1.0", "1.1", "1.2"] {
        assert_eq!(connect(&format!("CONNECT\naccept-version:{version}\n\n^")).heart_beat, (0, 0));
    }
    // STOMP 1.0 does not know this header.
    assert_eq!(connect("CONNECT\nheart-beat:1000,1000\n\n^").heart_beat, (0, 0));
    assert_eq!(connect("CONNECT\nheart-beat:nonsense\n\n^").heart_beat, (0, 0));
}

#[test]
fn connect_has_no_escapes_in_any_version() {
    for version in ["1.0", "1.1", "1.2"] {
        let connect = connect(&format!("CONNECT\naccept-version:{version}\npasscode:a\\c\\t\\:b\n\n^"));
        assert_eq!(connect.headers.get("passcode"), Some("a\\c\\t\\:b"));
    }
}

#[test]
fn only_in_1_0_spaces_are_cut_off_its_values() {
    let padded = "CONNECT\naccept-version: 1.1 \nlogin: me \n\n^";
    assert_eq!(connect(padded).headers.get("login"), Some(" me "));
    let padded = "CONNECT\nlogin: me \npasscode:\tx\r\n\n^";
    assert_eq!(connect(padded).headers, headers(&[("login", "me"), ("passcode", "x")]));
}

#[test]
fn its_headers_are_the_auth_data() {
    let auth = |text: &str| connect(text).auth();
    assert_eq!(auth("CONNECT\n\n^"), "{}");
    assert_eq!(
        auth("CONNECT\nlogin:\"é\\\npasscode:a:b\nlogin:other\nhost:\n\n^"),
        r#"{"login":"\"é\\","passcode":"a:b","host":""}"#
    );
    let auth: serde_json::Value = serde_json::from_str(&auth("STOMP\naccept-version:1.2\nx:1\n\n^")).unwrap();
    assert_eq!(auth, serde_json::json!({"accept-version": "1.2", "x": "1"}));
}

#[test]
fn connect_cannot_ask_for_a_receipt() {
    assert_eq!(ask(None, "CONNECT\nreceipt:1\n\n^").unwrap().receipt, None);
    assert_eq!(ask(None, "CONNECT\nreceipt:1\naccept-version:9\n\n^").expect_err("a version").receipt, None);
    assert_eq!(ask(None, "CONNECT\nreceipt:1\nnonsense\n\n^").expect_err("no colon").receipt, None);
}

#[test]
fn nothing_is_obeyed_before_connect() {
    for command in ["SEND", "SUBSCRIBE", "ACK", "DISCONNECT", "SHOUT", "connect"] {
        let refusal = ask(None, &format!("{command}\ndestination:/a\nreceipt:r\n\n^")).expect_err(command);
        assert_eq!((&refusal.message[..], refusal.receipt), ("not connected", some("r")), "{command}");
    }
}

#[test]
fn a_connection_has_one_connect() {
    for version in Version::ALL {
        for command in ["CONNECT", "STOMP"] {
            let text = format!("{command}\naccept-version:1.2\npasscode:\\t\n\n^");
            assert_eq!(refusal(version, &text), "a connection has one CONNECT");
        }
    }
}
