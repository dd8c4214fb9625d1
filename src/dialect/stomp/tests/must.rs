//! The demands of the specifications that are of frames, requests, subscriptions or transactions, and the tests that
//! hold them.
//!
//! The times of heart-beats and the ends of connections are not here: this module has neither.

/// Where a demand stands, its content in our words, and its test.
const DEMANDS: &[(&str, &str, &str)] = &[
    // Frames.
    (
        "1.0 1.1 1.2",
        "a frame is a command, headers, a blank line, a body and a NUL",
        "a_frame_has_a_command_headers_and_a_body",
    ),
    ("1.2", "a line ends in LF, before which a CR may stand", "a_carriage_return_may_stand_before_each_line_feed"),
    ("1.1", "a line ends in LF", "in_1_1_a_carriage_return_ends_no_line"),
    ("1.0 1.1 1.2", "line ends may follow the NUL, and are heart-beats", "line_ends_between_frames_are_heart_beats"),
    ("1.0 1.1 1.2", "a stream of frames has no other boundaries", "it_does_not_matter_where_a_stream_is_cut"),
    ("1.1 1.2", "commands and names are case sensitive", "commands_and_names_are_case_sensitive"),
    ("1.1 1.2", "commands and headers are UTF-8, which all support", "headers_are_utf_8_and_bodies_are_any_bytes"),
    ("1.0 1.1 1.2", "a header has a name, and a colon", "a_line_that_is_no_header_is_refused"),
    // Values.
    ("1.1 1.2", "escapes are undone", "escapes_are_undone"),
    ("1.1 1.2", "names have escapes as values do", "names_have_escapes_too"),
    ("1.1 1.2", "an undefined escape is fatal", "an_undefined_escape_is_fatal"),
    ("1.1 1.2", "the reverse is done where headers are written", "all_that_must_be_escaped_is"),
    ("1.1 1.2", "CONNECT and CONNECTED have no escapes", "connect_has_no_escapes_in_any_version"),
    ("1.1 1.2", "CONNECT and CONNECTED have no escapes", "connected_has_its_version"),
    ("1.1 1.2", "nobody cuts off or adds spaces", "spaces_belong_to_names_and_values"),
    ("1.0", "headers are padded", "in_1_0_spaces_are_cut_off"),
    ("1.0", "headers have no escapes", "a_header_that_stomp_1_0_cannot_spell_is_left_out"),
    ("1.1 1.2", "the first of a repeated header stands", "the_first_of_a_repeated_header_stands"),
    // Bodies.
    ("1.1 1.2", "of a client's frames only SEND has a body", "only_send_has_a_body"),
    ("1.0", "the body of SUBSCRIBE is ignored", "only_send_has_a_body"),
    ("1.0 1.1 1.2", "a RECEIPT has no body", "receipt_has_the_id_and_no_body"),
    ("1.0 1.1 1.2", "with a length so many bytes are read, NULs too", "a_body_with_a_length_may_have_nuls"),
    ("1.0 1.1 1.2", "a NUL ends a frame that states its length", "a_nul_follows_the_body"),
    ("1.0 1.1 1.2", "without a length the first NUL is the end", "a_body_with_a_length_may_have_nuls"),
    ("1.1 1.2", "a body with NULs has its length", "message_is_text_or_binary_as_its_body_is"),
    ("1.1 1.2", "a body with NULs has its length", "error_has_a_message_a_receipt_and_a_body"),
    ("1.2", "a content-type is a MIME type", "one_argument_is_the_body"),
    ("1.2", "a content-type is a MIME type", "an_error_that_is_a_fault_is_json"),
    // Limits.
    (
        "1.1 1.2",
        "a frame beyond a limit is answered with an ERROR",
        "a_frame_within_its_limits_is_taken_and_one_beyond_is_not",
    ),
    // CONNECT.
    ("1.1 1.2", "STOMP means the same as CONNECT", "stomp_is_connect"),
    ("1.1 1.2", "CONNECT has `host`, by the client's duty", "connect_without_host_is_taken"),
    ("1.1 1.2", "without `accept-version` the version is 1.0", "a_client_that_states_no_version_has_1_0"),
    ("1.1 1.2", "the highest common version is taken", "the_highest_common_version_is_taken"),
    ("1.1 1.2", "without a common version there is an ERROR", "no_common_version_is_refused"),
    ("1.1 1.2", "CONNECTED has the version", "connected_has_its_version"),
    ("1.0", "CONNECTED has the session", "connected_has_its_version"),
    ("1.1 1.2", "`server` begins with a name", "connected_has_its_version"),
    ("1.1 1.2", "`heart-beat` is two numbers with a comma", "a_heart_beat_is_two_numbers"),
    ("1.1 1.2", "no `heart-beat` is two zeros", "no_heart_beat_is_two_zeros"),
    ("1.0 1.1 1.2", "the first frame is CONNECT", "nothing_is_obeyed_before_connect"),
    // SEND.
    ("1.0 1.1 1.2", "SEND has a destination", "send_has_a_destination"),
    ("1.1 1.2", "the sender's headers are passed through", "all_headers_of_the_sender_are_kept"),
    ("1.1 1.2", "the sender's headers are passed through", "each_version_spells_the_senders_headers"),
    // SUBSCRIBE and UNSUBSCRIBE.
    ("1.0 1.1 1.2", "SUBSCRIBE has a destination", "subscribe_has_a_destination_and_an_id"),
    ("1.1 1.2", "SUBSCRIBE has an id", "subscribe_has_a_destination_and_an_id"),
    ("1.0", "SUBSCRIBE may have no id", "in_1_0_a_subscription_may_have_its_destination_alone"),
    ("1.2", "different subscriptions have different ids", "different_subscriptions_have_different_ids"),
    ("1.0 1.1 1.2", "`ack` is one of two or three words, else `auto`", "each_version_has_its_ack_modes"),
    ("1.0 1.1 1.2", "in `auto` no ACK is due", "in_the_mode_auto_no_ack_is_due"),
    ("1.1 1.2", "in `client` an ACK is of all before it", "in_the_mode_client_an_ack_is_of_all_before_it"),
    (
        "1.1 1.2",
        "in `client-individual` an ACK is of no message before",
        "in_the_mode_client_individual_an_ack_is_of_one",
    ),
    ("1.1 1.2", "UNSUBSCRIBE has an id", "unsubscribe_has_an_id"),
    ("1.0", "UNSUBSCRIBE has an id or a destination", "unsubscribe_has_an_id"),
    ("1.1 1.2", "UNSUBSCRIBE matches a subscription", "unsubscribe_matches_an_existing_subscription"),
    ("1.0 1.1 1.2", "nothing is sent behind UNSUBSCRIBE", "unsubscribe_matches_an_existing_subscription"),
    // ACK and NACK.
    ("1.2", "ACK and NACK have the `ack` of the message as `id`", "an_ack_names_its_message_as_its_version_does"),
    ("1.1", "ACK and NACK have `message-id` and `subscription`", "an_ack_names_its_message_as_its_version_does"),
    ("1.0", "ACK has `message-id`", "an_ack_names_its_message_as_its_version_does"),
    ("1.0 1.1 1.2", "the id of an ACK is that of a message", "an_ack_of_what_was_never_sent_is_refused"),
    ("1.1", "the subscription of an ACK is that of the message", "in_1_1_an_ack_names_the_subscription_of_its_message"),
    ("1.1 1.2", "a NACK is of one message, or of all up to it", "a_nack_is_of_as_many_as_an_ack"),
    ("1.0", "there is no NACK", "in_1_0_there_is_no_nack"),
    // Transactions.
    ("1.0 1.1 1.2", "BEGIN, COMMIT and ABORT have a transaction", "begin_commit_and_abort_have_a_transaction"),
    ("1.2", "different transactions have different names", "different_transactions_have_different_names"),
    (
        "1.0 1.1 1.2",
        "COMMIT and ABORT name one that was begun",
        "commit_abort_and_requests_name_a_transaction_that_was_begun",
    ),
    ("1.0 1.1 1.2", "a transaction is obeyed as a whole", "commit_gives_all_requests_in_their_order"),
    ("1.0 1.1 1.2", "ABORT undoes it", "abort_forgets_all"),
    // Receipts, MESSAGE and ERROR.
    ("1.0 1.1 1.2", "every frame but CONNECT may have a receipt", "every_request_but_connect_can_have_a_receipt"),
    ("1.0 1.1 1.2", "CONNECT has none", "connect_cannot_ask_for_a_receipt"),
    ("1.0 1.1 1.2", "RECEIPT has the id", "receipt_has_the_id_and_no_body"),
    ("1.0 1.1 1.2", "MESSAGE has the destination and an id", "message_has_its_destination_id_and_subscription"),
    ("1.0 1.1 1.2", "no two messages have the same id", "each_message_has_an_id_of_its_own"),
    ("1.1 1.2", "MESSAGE names the subscription", "message_has_its_destination_id_and_subscription"),
    ("1.0", "MESSAGE names a subscription that has an id", "a_subscription_without_id_is_not_named"),
    ("1.2", "MESSAGE has `ack` if one is due", "message_whose_ack_is_due_has_the_header_ack_in_1_2"),
    ("1.1 1.2", "ERROR has the receipt of the frame", "error_has_a_message_a_receipt_and_a_body"),
    ("1.1 1.2", "an unknown command is answered with an ERROR", "an_unknown_command_is_refused"),
    ("1.2", "nothing is obeyed behind an ERROR", "nothing_is_read_behind_a_frame_that_was_refused"),
];

const TESTS: &[&str] = &[
    include_str!("connecting.rs"),
    include_str!("contents.rs"),
    include_str!("escapes.rs"),
    include_str!("events.rs"),
    include_str!("frames.rs"),
    include_str!("pieces.rs"),
    include_str!("requests.rs"),
    include_str!("server_frames.rs"),
    include_str!("subscriptions.rs"),
    include_str!("transactions.rs"),
];

#[test]
fn each_demand_has_its_test() {
    let all = TESTS.concat();
    for (versions, demand, test) in DEMANDS {
        assert!(
            all.contains(&format!("#[test]\nfn {test}() {{")),
            "STOMP {versions}: {demand}: no test is named {test}"
        );
    }
}
