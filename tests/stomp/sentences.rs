//! The duties of a server in the specifications of STOMP 1.0, 1.1 and 1.2, by their sections, and the tests of each.
//!
//! Only those are here that show on the wire. `MUST` of clients counts where a server has to judge it.

/// Versions, section, the duty in short, and the names of its tests.
const DUTIES: &[(&str, &str, &str, &[&str])] = &[
    (
        "1.1 1.2",
        "Value Encoding",
        "escapes are decoded and encoded by the table",
        &["headers_of_the_sender_arrive_in_each_version", "texts_of_a_client_come_back_escaped"],
    ),
    ("1.1 1.2", "Value Encoding", "undefined escapes are fatal", &["an_undefined_escape_is_fatal"]),
    (
        "1.1 1.2",
        "Value Encoding",
        "CONNECT and CONNECTED have no escapes",
        &["connect_has_no_escapes_and_its_headers_are_the_auth_data"],
    ),
    (
        "1.2",
        "Value Encoding",
        "a carriage return is escaped, and may stand before a line feed",
        &["version_1_2_ends_lines_in_cr_lf_too", "carriage_returns_make_no_lines_either"],
    ),
    (
        "1.1 1.2",
        "Value Encoding",
        "headers are never trimmed or padded",
        &["headers_of_the_sender_arrive_in_each_version"],
    ),
    (
        "1.0 1.1 1.2",
        "STOMP Frames",
        "commands and headers are case sensitive, in UTF-8",
        &["names_are_case_sensitive", "malformed_heads_are_refused"],
    ),
    ("1.0 1.1 1.2", "STOMP Frames", "line ends may follow a frame", &["line_ends_between_frames_mean_nothing"]),
    ("1.1 1.2", "Body", "only SEND, MESSAGE and ERROR have one", &["only_send_has_a_body"]),
    ("1.0", "SUBSCRIBE", "its body is ignored", &["only_send_has_a_body"]),
    (
        "1.1 1.2",
        "Size Limits",
        "beyond them ERROR, and the end",
        &["a_body_is_bounded", "headers_are_bounded_in_number_and_bytes"],
    ),
    ("1.1 1.2", "Repeated Header Entries", "the first stands", &["the_first_of_a_repeated_header_stands"]),
    (
        "1.0 1.1 1.2",
        "content-length",
        "so many octets are read, NULs or not, and a NUL follows",
        &["a_body_of_a_stated_length_may_have_any_bytes", "a_wrong_length_is_refused"],
    ),
    ("1.0 1.1 1.2", "content-length", "a body with a NUL states it", &["a_body_of_a_stated_length_may_have_any_bytes"]),
    ("1.0 1.1 1.2", "Connecting", "CONNECTED answers CONNECT", &["the_highest_common_version_is_agreed_upon"]),
    ("1.0", "Connecting", "CONNECTED has a session id of its own", &["sessions_have_different_ids"]),
    ("1.1 1.2", "Connecting", "STOMP means CONNECT", &["stomp_is_connect"]),
    ("1.1 1.2", "CONNECTED", "it has the version", &["the_highest_common_version_is_agreed_upon"]),
    ("1.1 1.2", "CONNECTED", "a server header begins with a name", &["the_highest_common_version_is_agreed_upon"]),
    (
        "1.1 1.2",
        "Connecting",
        "a rejected client gets an ERROR, and the end",
        &["a_login_that_is_refused_is_told_why_and_nothing_behind_it_is_obeyed"],
    ),
    (
        "1.1 1.2",
        "Protocol Negotiation",
        "no accept-version is 1.0; the highest common one is taken",
        &["the_highest_common_version_is_agreed_upon"],
    ),
    (
        "1.1 1.2",
        "Protocol Negotiation",
        "without a common one ERROR with those of the server, and the end",
        &["without_a_common_version_there_is_an_error_that_names_those_of_the_server"],
    ),
    ("1.1 1.2", "Once Connected", "an unknown frame may be refused", &["behind_connect"]),
    ("1.0 1.1 1.2", "SEND", "destination is required", &["behind_connect", "a_destination_must_be_of_a_known_kind"]),
    (
        "1.1 1.2",
        "SEND",
        "headers of the user are passed through",
        &[
            "a_message_reaches_each_subscription_with_the_senders_headers",
            "headers_of_the_sender_come_with_a_message_of_a_queue",
        ],
    ),
    ("1.1 1.2", "SEND", "if it cannot be processed ERROR, and the end", &["a_destination_must_be_of_a_known_kind"]),
    (
        "1.0 1.1 1.2",
        "SEND",
        "transaction holds it back",
        &["a_transaction_is_sent_whole_and_in_order_when_it_is_committed"],
    ),
    ("1.0 1.1 1.2", "SUBSCRIBE", "destination is required", &["a_destination_must_be_of_a_known_kind"]),
    (
        "1.1 1.2",
        "SUBSCRIBE",
        "if it cannot be created ERROR, and the end",
        &["a_hook_decides_about_topics", "subscriptions_are_bounded"],
    ),
    (
        "1.1 1.2",
        "SUBSCRIBE",
        "id is required, and different for each",
        &["ids_of_subscriptions_are_required_and_unique"],
    ),
    (
        "1.0",
        "SUBSCRIBE",
        "id may be left out; with it MESSAGE has a subscription header",
        &["version_1_0_may_leave_the_id_out"],
    ),
    (
        "1.0 1.1 1.2",
        "SUBSCRIBE ack",
        "its values, and auto if there is none",
        &["ack_modes_are_those_of_the_version", "a_message_waits_for_a_consumer_and_goes_to_one"],
    ),
    (
        "1.1 1.2",
        "SUBSCRIBE ack",
        "client is cumulative within the subscription",
        &["acks_in_the_mode_client_are_cumulative_since_1_1", "nack_in_the_mode_client_is_of_all_up_to_the_message"],
    ),
    (
        "1.1 1.2",
        "SUBSCRIBE ack",
        "client-individual settles no earlier message",
        &["acks_in_the_mode_client_individual_are_of_one_message"],
    ),
    (
        "1.0 1.1 1.2",
        "SUBSCRIBE ack",
        "what is unacknowledged at the end goes to another",
        &[
            "unacknowledged_messages_of_a_connection_that_breaks_go_to_another_consumer",
            "unacknowledged_messages_of_a_session_that_disconnects_go_to_another_consumer",
        ],
    ),
    ("1.0 1.1 1.2", "UNSUBSCRIBE", "no message comes behind it", &["behind_unsubscribe_no_message_comes"]),
    (
        "1.1 1.2",
        "UNSUBSCRIBE",
        "id is required, and of a subscription",
        &["ids_of_subscriptions_are_required_and_unique"],
    ),
    ("1.0", "UNSUBSCRIBE", "id or destination", &["version_1_0_may_leave_the_id_out"]),
    ("1.0 1.1 1.2", "ACK", "its headers by version", &["an_ack_names_its_message_as_the_version_says"]),
    ("1.1 1.2", "ACK", "subscription matches", &["an_ack_of_what_was_never_sent_is_refused"]),
    ("1.0 1.1 1.2", "ACK", "transaction holds it back", &["acknowledgements_count_when_they_are_committed"]),
    ("1.1 1.2", "NACK", "the message was not consumed", &["nack_hands_a_message_to_another_consumer"]),
    ("1.0", "Commands", "there is no NACK", &["an_ack_names_its_message_as_the_version_says"]),
    (
        "1.0 1.1 1.2",
        "BEGIN",
        "transaction is required, and different for each that is open",
        &["unknown_and_repeated_transactions_are_refused"],
    ),
    (
        "1.0 1.1 1.2",
        "COMMIT, ABORT",
        "transaction is required, and of one that is open",
        &["unknown_and_repeated_transactions_are_refused"],
    ),
    ("1.0 1.1 1.2", "ABORT", "nothing is left", &["an_aborted_transaction_leaves_nothing_and_its_name_is_free"]),
    ("1.1 1.2", "BEGIN", "DISCONNECT and a broken connection abort", &["a_transaction_that_is_left_open_is_aborted"]),
    (
        "1.1 1.2",
        "DISCONNECT",
        "RECEIPT comes behind all before, and nothing behind it counts",
        &["disconnect_is_answered_and_nothing_behind_it_is_obeyed"],
    ),
    (
        "1.0 1.1 1.2",
        "receipt",
        "RECEIPT has its value, and no body",
        &["texts_of_a_client_come_back_escaped", "frames_in_any_pieces"],
    ),
    ("1.0 1.1 1.2", "receipt", "CONNECT has none", &["a_receipt_of_connect_is_not_sent"]),
    (
        "1.0 1.1 1.2",
        "receipt",
        "RECEIPT comes once the frame was processed",
        &["a_receipt_comes_when_the_handler_has_succeeded", "a_commit_whose_messages_were_refused_has_no_receipt"],
    ),
    (
        "1.0 1.1 1.2",
        "MESSAGE",
        "destination and message-id, which differs",
        &["a_message_reaches_each_subscription_with_the_senders_headers"],
    ),
    ("1.1 1.2", "MESSAGE", "subscription matches", &["a_message_reaches_each_subscription_with_the_senders_headers"]),
    ("1.2", "MESSAGE", "ack where it is to be acknowledged", &["messages_of_a_topic_may_be_acknowledged"]),
    ("1.1 1.2", "MESSAGE", "content-length and content-type of a body", &["events_to_a_room_reach_its_subscriptions"]),
    (
        "1.2",
        "ERROR",
        "the connection closes behind it",
        &["behind_connect", "a_full_queue_refuses_and_the_refusal_is_told_as_the_version_allows"],
    ),
    (
        "1.0",
        "ERROR",
        "the connection may go on",
        &["a_full_queue_refuses_and_the_refusal_is_told_as_the_version_allows"],
    ),
    ("1.1 1.2", "ERROR", "message, and receipt-id of the frame", &["behind_connect"]),
    ("1.1 1.2", "Heart-beating", "two numbers", &["a_heart_beat_header_is_two_numbers"]),
    ("1.1 1.2", "Heart-beating", "no header is 0,0", &["a_side_that_cannot_or_does_not_want_has_no_heart_beats"]),
    (
        "1.1 1.2",
        "Heart-beating",
        "the slower side's time, or none",
        &["both_sides_state_what_they_agree_upon", "a_side_that_cannot_or_does_not_want_has_no_heart_beats"],
    ),
    (
        "1.1 1.2",
        "Heart-beating",
        "new data at least as often, a line feed if there is no frame",
        &["the_server_beats_as_often_as_the_slower_side_has_it", "whatever_the_server_sends_is_a_sign_of_life"],
    ),
    (
        "1.1 1.2",
        "Heart-beating",
        "a silent client is dead, with a margin; all data are life",
        &["a_client_that_falls_silent_is_let_go_and_one_that_beats_stays"],
    ),
];

/// The files that have the tests.
const SOURCES: &[&str] = &[
    include_str!("bad_input.rs"),
    include_str!("connecting.rs"),
    include_str!("events.rs"),
    include_str!("frames.rs"),
    include_str!("heart_beats.rs"),
    include_str!("limits.rs"),
    include_str!("queues.rs"),
    include_str!("redelivery.rs"),
    include_str!("rooms.rs"),
    include_str!("security.rs"),
    include_str!("topics.rs"),
    include_str!("transactions.rs"),
];

#[test]
fn each_duty_has_tests_that_exist() {
    for (versions, section, duty, tests) in DUTIES {
        assert!(versions.split(' ').all(|version| super::client::VERSIONS.contains(&version)), "{versions}");
        assert!(!tests.is_empty(), "{section}: {duty}");
        for test in *tests {
            let head = format!("#[tokio::test(start_paused = true)]\nasync fn {test}() {{");
            assert!(SOURCES.iter().any(|source| source.contains(&head)), "{section}: {duty}: there is no test {test}");
        }
    }
}
