//! Handlers of events: async functions of the application, behind a trait.

use std::{pin::Pin, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    extract::FromEvent,
    incoming::Incoming,
    reply::{Answer, IntoAnswer},
};
use crate::dialect::{Args, Data, FromArgs};

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler with a state `S`, behind a pointer.
pub(super) type AnyEventHandler<S> = Arc<dyn Fn(Incoming, Arc<S>) -> Boxed<Answer> + Send + Sync>;

/// A handler of events: an `async fn` of up to six parameters. One of them, at any place, may be [`Data`], the
/// event's first argument, or [`Args`], all of them; the others are [made](FromEvent) of the event, its session and
/// the state.
///
/// It returns what [`IntoAnswer`] names: `()`, [`Reply`](crate::Reply), [`Fault`](crate::Fault), or a `Result`.
/// The parameters are made in their order. If one fails, its fault is the answer, and the handler is not called.
/// Data of another type than the handler's is a fault with the code `data` and serde's text.
///
/// `M` tells functions of different parameters apart; the compiler finds it. The trait is implemented for such
/// functions and closures, and cannot be implemented elsewhere.
///
/// ```
/// use anywire::{Data, Events, Reply, Session};
///
/// async fn add(Data((a, b)): Data<(u32, u32)>, session: Session) -> Reply<u32> {
///     session.join("calculators");
///     Reply(a.saturating_add(b))
/// }
///
/// let events: Events = Events::new().on("add", add).on("ping", async || Reply("pong"));
/// # let _ = events;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle events",
    note = "a handler of events is an `async fn` of up to six parameters, of which at most one is `Data<T>` or `Args<(..)>`; the others implement `FromEvent`",
    note = "`T` of `Data<T>` and `Args<T>` implements `serde::de::DeserializeOwned`; the handler returns `()`, `Reply<T>`, `Fault` or a `Result` with `Fault`",
    note = "its future must be `Send`: it must not hold an `Rc`, a `RefCell`'s borrow or a `MutexGuard` of std across an `.await`"
)]
pub trait EventHandler<M, S>: Clone + Send + Sync + 'static {
    /// The data that it takes of the event: [`Data`], [`Args`], or `()` for nothing.
    type Data;
    /// The type that it returns.
    type Output: IntoAnswer;

    /// Makes the parameters, and runs the function.
    #[doc(hidden)]
    fn call(self, event: Incoming, state: Arc<S>, sealed: sealed::Sealed) -> impl Future<Output = Answer> + Send;

    /// How many events of a session it may handle at a time; `None` if the session's next event waits for it.
    #[doc(hidden)]
    fn limit(&self, _: sealed::Sealed) -> Option<usize> {
        None
    }
}

/// A type that only this crate can name, so that only it implements [`EventHandler`].
mod sealed {
    /// Only this crate has one.
    #[derive(Clone, Copy, Debug)]
    pub struct Sealed;
}

/// Marks a handler that takes no data.
#[derive(Debug)]
pub enum Plain {}

/// Marks a handler whose parameter number `AT`, from 0, is [`Data`].
#[derive(Debug)]
pub struct With<D, const AT: usize>(std::marker::PhantomData<D>);

/// Marks a handler whose parameter number `AT`, from 0, is [`Args`].
#[derive(Debug)]
pub struct List<D, const AT: usize>(std::marker::PhantomData<D>);

pub(super) fn erase<H, M, S>(handler: H) -> AnyEventHandler<S>
where
    H: EventHandler<M, S>,
    M: 'static,
    S: Send + Sync + 'static,
{
    Arc::new(move |event, state| Box::pin(handler.clone().call(event, state, sealed::Sealed)))
}

pub(super) fn limit<H: EventHandler<M, S>, M, S>(handler: &H) -> Option<usize> {
    handler.limit(sealed::Sealed)
}

/// A handler that does not hold up its session's other events, as [`concurrent`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct Concurrent<H> {
    limit: usize,
    handler: H,
}

/// Lets a handler run for up to `limit` events of a session at a time, beside the session's other events. By
/// default the next event of a session waits until the handler of the last one has returned.
///
/// Its answers are sent as they come, in any order. One event more than the limit waits, and so does everything
/// behind it. All run in the session's one task: between two awaits a handler still has the session to itself.
/// When the session is over they are dropped at their next await.
///
/// ```
/// use anywire::{Data, Events, Reply, concurrent};
///
/// async fn search(Data(words): Data<String>) -> Reply<usize> {
///     Reply(words.len())
/// }
///
/// let events: Events = Events::new().on("search", concurrent(4, search));
/// # let _ = events;
/// ```
///
/// # Panics
/// Panics if the limit is 0.
pub fn concurrent<H>(limit: usize, handler: H) -> Concurrent<H> {
    assert!(limit > 0, "a concurrent handler handles at least one event at a time");
    Concurrent { limit, handler }
}

impl<H: EventHandler<M, S>, M, S: Send + Sync> EventHandler<M, S> for Concurrent<H> {
    type Data = H::Data;
    type Output = H::Output;

    fn call(self, event: Incoming, state: Arc<S>, sealed: sealed::Sealed) -> impl Future<Output = Answer> + Send {
        self.handler.call(event, state, sealed)
    }

    fn limit(&self, _: sealed::Sealed) -> Option<usize> {
        Some(self.limit)
    }
}

/// One kind of handler: how it is marked, what it takes of the event and how, and the parameters before and
/// behind that.
macro_rules! handler {
    ($Marker:ty, $Data:ty, [$($D:ident: $($bound:tt)*)?], ($($B:ident)*) ($($take:ident $Taken:ident)?) ($($A:ident)*)) => {
        impl<F, Fut, R, S, $($D,)? $($B,)* $($A,)*> EventHandler<($Marker, ($($B,)* $($A,)*)), S> for F
        where
            F: FnOnce($($B,)* $($Taken<$D>,)? $($A,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoAnswer,
            S: Send + Sync + 'static,
            $($($bound)*, $D: Send + 'static,)?
            $($B: FromEvent<S> + Send + 'static,)*
            $($A: FromEvent<S> + Send + 'static,)*
        {
            type Data = $Data;
            type Output = R;

            #[allow(non_snake_case, unused_variables, reason = "there may be no parameter")]
            fn call(
                self,
                event: Incoming,
                state: Arc<S>,
                _: sealed::Sealed,
            ) -> impl Future<Output = Answer> + Send {
                // The future of an `async fn` would hold its arguments twice.
                async move {
                    $(let $B = $B::from_event(&event, &state).await?;)*
                    $(let $take = $Taken(event.$take()?);)?
                    $(let $A = $A::from_event(&event, &state).await?;)*
                    let id = event.request();
                    // They are not kept for as long as the handler runs.
                    drop(event);
                    drop(state);
                    self($($B,)* $($take,)? $($A,)*).await.into_answer_to(id)
                }
            }
        }
    };
}

/// The handlers with data at the place `AT`: behind these parameters, and before those.
macro_rules! with_data {
    ($AT:literal, ($($B:ident)*) ($($A:ident)*)) => {
        handler!(With<D, $AT>, Data<D>, [D: D: DeserializeOwned], ($($B)*) (data Data) ($($A)*));
        handler!(List<D, $AT>, Args<D>, [D: Args<D>: FromArgs], ($($B)*) (args Args) ($($A)*));
    };
}

handler!(Plain, (), [], ()()());
handler!(Plain, (), [], (T1)()());
handler!(Plain, (), [], (T1 T2) () ());
handler!(Plain, (), [], (T1 T2 T3) () ());
handler!(Plain, (), [], (T1 T2 T3 T4) () ());
handler!(Plain, (), [], (T1 T2 T3 T4 T5) () ());
handler!(Plain, (), [], (T1 T2 T3 T4 T5 T6) () ());
with_data!(0, ()());
with_data!(0, ()(T1));
with_data!(1, (T1)());
with_data!(0, () (T1 T2));
with_data!(1, (T1)(T2));
with_data!(2, (T1 T2) ());
with_data!(0, () (T1 T2 T3));
with_data!(1, (T1) (T2 T3));
with_data!(2, (T1 T2) (T3));
with_data!(3, (T1 T2 T3) ());
with_data!(0, () (T1 T2 T3 T4));
with_data!(1, (T1) (T2 T3 T4));
with_data!(2, (T1 T2) (T3 T4));
with_data!(3, (T1 T2 T3) (T4));
with_data!(4, (T1 T2 T3 T4) ());
with_data!(0, () (T1 T2 T3 T4 T5));
with_data!(1, (T1) (T2 T3 T4 T5));
with_data!(2, (T1 T2) (T3 T4 T5));
with_data!(3, (T1 T2 T3) (T4 T5));
with_data!(4, (T1 T2 T3 T4) (T5));
with_data!(5, (T1 T2 T3 T4 T5) ());
