//! The user whom a session belongs to, and for how long: the user's key, and the end of the login.

use std::time::SystemTime;

use super::{live::Live, session::Session};
use crate::{config::check_close_code, session::CloseReason};

/// # The user of a session
impl Session {
    /// Sets the user that this session belongs to, by any key: a user's id, an account, a device. Another call
    /// replaces it. [`Live::find`] finds the sessions of a user, and [`Live::close_user`] closes them. The key
    /// is forgotten when the handler has returned; set later, it has no effect. A session whose key has more than 64 KiB does
    /// not [move](crate::Builder::movable) to another node.
    ///
    /// ```
    /// use anywire::{Auth, Session};
    ///
    /// async fn chat(Auth(user): Auth<String>, session: Session) {
    ///     session.set_user(&user);
    ///     session.closed().await;
    /// }
    /// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
    /// # check(chat);
    /// ```
    pub fn set_user(&self, key: impl AsRef<str>) {
        self.core.hub.set_user(self.member.session(), key.as_ref());
    }

    /// Returns the user that this session belongs to, if it was [set](Self::set_user).
    pub fn user(&self) -> Option<String> {
        self.member.session().user().map(|user| user.to_string())
    }

    /// Sets the time at which the login of this session expires. Then the session ends with code 4106 unless
    /// another call has moved the time, or `None` has taken it away. What is under way is lost. The client opens
    /// a new session at once, through its login: with `auth` as a function it asks for a new token first.
    /// A time that has passed ends the session now. Default: it never expires.
    ///
    /// The time is converted when it is set: a clock of the system that is set later moves nothing.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use anywire::Session;
    ///
    /// async fn chat(session: Session) {
    ///     session.expires_at(SystemTime::now() + Duration::from_secs(3600));
    ///     session.closed().await;
    /// }
    /// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
    /// # check(chat);
    /// ```
    pub fn expires_at(&self, time: impl Into<Option<SystemTime>>) {
        let clock = self.core.runtime.clock();
        self.member.shared.expire_at(time.into().map(|time| clock.of_system(time)));
    }
}

/// The sessions of a user.
impl Live {
    /// Returns the sessions of this [user](Session::set_user), without those that are over or were closed here.
    pub fn find(&self, user: impl AsRef<str>) -> Vec<Session> {
        let members = self.core.hub.of_user(user.as_ref()).into_iter();
        let live = members.filter(|member| member.shared.close_reason().is_none());
        live.map(|member| Session { core: self.core.clone(), member }).collect()
    }

    /// Closes the sessions of this [user](Session::set_user), as [`Session::close`] does: when a user logs out,
    /// say, or loses a right. Does not wait. Returns their number.
    ///
    /// # Panics
    /// Panics if the code is neither 1000 nor from 3000 to 3999.
    pub fn close_user(&self, user: impl AsRef<str>, code: u16, text: impl Into<String>) -> usize {
        check_close_code(code);
        let text = CloseReason::new(code, text).text;
        let sessions = self.find(user);
        for session in &sessions {
            session.close(code, &*text);
        }
        sessions.len()
    }
}
