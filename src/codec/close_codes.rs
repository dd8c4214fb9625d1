//! The codes of the library in a close frame of RFC 6455, for clients that know only that one's.
//!
//! Its section 7.4 and its registry have the codes. The library's own become:
//!
//! | reason | code | because |
//! |---|---|---|
//! | 4004 malformed | 1002 | it is a violation of the protocol |
//! | 4006 too large | 1009 | it is the code for that |
//! | 4005, 4202 going away | 1001 | it is the code for that |
//! | 4200 too many sessions, 4201 short of memory | 1013 | the registry calls it "try again later" |
//! | all others from 4000 to 4499, as too slow, aborted, no answer to a ping | 1008 | no other code fits |
//!
//! The text stays. These codes stay as the application gave them: 1000 to 1003, 1007 to 1009, 1011 to 1014,
//! 3000 to 3999 and 4500 to 4999. A server must not send any other: 1004, 1005, 1006, 1010, 1015 and the
//! numbers that are not assigned become 1000, since an application that closes with one of them closes all
//! the same.

use crate::session::frame::CloseReason;

/// The reason with the code of RFC 6455 that stands for it.
pub(super) fn registered(reason: CloseReason) -> CloseReason {
    let code = match reason.code {
        4004 => 1002,
        4005 | 4202 => 1001,
        4006 => 1009,
        4200 | 4201 | 4203 => 1013,
        4000..=4499 => 1008,
        code @ (1000..=1003 | 1007..=1009 | 1011..=1014 | 3000..=4999) => code,
        _ => 1000,
    };
    CloseReason { code, ..reason }
}
