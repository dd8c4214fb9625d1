//! Parameters of handlers of events: the session, its values, the state of the server.

use std::fmt;

use axum::{
    Extension,
    extract::{FromRef, State},
};
use bytestring::ByteString;

use super::incoming::Incoming;
use crate::{
    dialect::Fault,
    server::api::{live::Live, session::Session},
};

/// A parameter of a handler of events, which is made of the event and the state `S`.
///
/// These are such parameters: the [`Session`]; axum's [`State`] of what [`FromRef`] finds in `S`; axum's
/// [`Extension`], a clone of what was [inserted](Session::insert) into the session; [`EventName`]; the
/// [`Live`] of the server; and an `Option` of any of them, which is `None` where the parameter itself would
/// fail. [`Data`](crate::Data) and [`Args`](crate::Args) are not among them, because a handler has at most one of
/// the two.
///
/// ```
/// use anywire::{Fault, FromEvent, Incoming};
///
/// #[derive(Clone)]
/// struct User { admin: bool }
///
/// /// An administrator: the parameter of a handler that others may not call.
/// struct Admin(User);
///
/// impl<S: Sync> FromEvent<S> for Admin {
///     async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
///         match event.session().get::<User>() {
///             Some(user) if user.admin => Ok(Admin(user)),
///             _ => Err(Fault::new("forbidden", "admins only")),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a handler of events",
    label = "cannot be made of an event",
    note = "a handler has at most one `Data<T>` or `Args<(..)>`, `Session`, axum's `State<T>` and `Extension<T>`, `EventName`, `Live`, an `Option` of these, and types that implement `FromEvent`",
    note = "`State<T>` needs `T: FromRef<S>`, where `S` is the state of the axum router"
)]
pub trait FromEvent<S>: Sized {
    /// Makes the parameter. The session's next event waits for it, unless the handler is
    /// [`concurrent`](crate::concurrent()). The future may be dropped at any await.
    ///
    /// # Errors
    /// Fails if the event cannot be handled. The fault is the answer, and the handler is not called.
    fn from_event(event: &Incoming, state: &S) -> impl Future<Output = Result<Self, Fault>> + Send;
}

/// The name of the event, as a parameter of a handler. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(ByteString);

impl EventName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Sync> FromEvent<S> for EventName {
    async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
        Ok(EventName(event.shared_name()))
    }
}

impl<S: Sync> FromEvent<S> for Session {
    async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
        Ok(event.session().clone())
    }
}

impl<S: Sync> FromEvent<S> for Live {
    async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
        Ok(event.session().live())
    }
}

impl<S: Sync, T: FromRef<S>> FromEvent<S> for State<T> {
    async fn from_event(_: &Incoming, state: &S) -> Result<Self, Fault> {
        Ok(State(T::from_ref(state)))
    }
}

/// A clone of the session's value of this type. Without one the fault has the code `missing`: the name of the
/// type is logged and not sent.
impl<S: Sync, T: Clone + Send + Sync + 'static> FromEvent<S> for Extension<T> {
    async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
        event.session().get().map(Extension).ok_or_else(|| {
            let (session, name, value) = (event.session().id(), event.name(), std::any::type_name::<T>());
            tracing::debug!(%session, name, value, "the session has no such value");
            Fault::new("missing", "the session lacks what this event needs")
        })
    }
}

/// The fault of an event, for [`on_fault`](crate::Events::on_fault) alone. Elsewhere there is none, and the
/// fault that says so has the code `missing`.
impl<S: Sync> FromEvent<S> for Fault {
    async fn from_event(event: &Incoming, _: &S) -> Result<Self, Fault> {
        event.fault().cloned().ok_or_else(|| Fault::new("missing", "this event has no fault"))
    }
}

impl<S: Sync, T: FromEvent<S>> FromEvent<S> for Option<T> {
    async fn from_event(event: &Incoming, state: &S) -> Result<Self, Fault> {
        Ok(T::from_event(event, state).await.ok())
    }
}
