//! Typed names of events ([`Event`], [`Request`]), and the traits by which a name decides what may be sent
//! and how it may be handled.

use std::{fmt, marker::PhantomData};

use serde::Serialize;

use super::{
    args::{Args, Data, IntoArgs, Reply},
    fault::Fault,
    reserved::check_name,
};

const fn checked(name: &'static str) -> &'static str {
    if let Err(error) = check_name(name) {
        panic!("{}", error.text());
    }
    name
}

/// The name of an event that carries `T`: one argument, [`Args`] for several, `()` for none.
///
/// ```
/// use anywire::{Args, Event};
///
/// const CHANGED: Event<String> = Event::new("changed");
/// const MOVED: Event<Args<(f64, f64)>> = Event::new("moved");
/// assert_eq!(CHANGED.name(), "changed");
/// ```
///
/// A name that no event may have does not compile:
///
/// ```compile_fail
/// const OPEN: anywire::Event<()> = anywire::Event::new("open");
/// ```
pub struct Event<T> {
    name: &'static str,
    types: PhantomData<fn(T)>,
}

/// The name of a request that carries `T` and is answered by `R`: one value, [`Args`] for several, `()` for
/// none.
///
/// ```
/// use anywire::Request;
///
/// const OVERWRITE: Request<u32, bool> = Request::new("overwrite?");
/// assert_eq!(OVERWRITE.name(), "overwrite?");
/// ```
pub struct Request<T, R> {
    name: &'static str,
    types: PhantomData<fn(T) -> R>,
}

impl<T> Event<T> {
    /// A name, for a constant.
    ///
    /// # Panics
    /// Panics, which in a constant is an error of compilation, if the name is empty, has more than 256 bytes,
    /// or is reserved: `open`, `message`, `transport`, `interrupted`, `resumed`, `closed`, `error`, `gap`,
    /// `connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener`, `removeListener`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Event { name: checked(name), types: PhantomData }
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T, R> Request<T, R> {
    /// A name, for a constant.
    ///
    /// # Panics
    /// Panics, which in a constant is an error of compilation, if no event may have this name: see
    /// [`Event::new`].
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Request { name: checked(name), types: PhantomData }
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Event<T> {}

impl<T, R> Clone for Request<T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, R> Copy for Request<T, R> {}

impl<T> fmt::Debug for Event<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.name).finish()
    }
}

impl<T, R> fmt::Debug for Request<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.name).finish()
    }
}

/// The name of an event: a text, an [`Event`] or a [`Request`].
#[diagnostic::on_unimplemented(message = "`{Self}` is not the name of an event")]
pub trait Named {
    /// The name as a text.
    fn name(&self) -> &str;
}

/// A name under which events with `D` can be sent. A text admits anything, an [`Event<T>`](Event) what
/// [fits](Fits) `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of an event that carries `{D}`",
    note = "an `Event<T>` is sent with `T` or `&T`; a `Request` is asked, not sent"
)]
pub trait Sends<D>: Named {}

/// A name under which requests with `D` can be asked that are answered by `R`. A text admits anything, a
/// [`Request<T, R>`](Request) what [fits](Fits) `T`, and `R` alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of a request that carries `{D}` and is answered by `{R}`",
    note = "a `Request<T, R>` is asked with `T` or `&T` and answered by `R`; an `Event` is sent, not asked"
)]
pub trait Asks<D, R>: Named {}

/// A name whose events can be handled by a handler that takes `D` ([`Data`], [`Args`], or `()` if it takes no
/// data) and returns `O`.
///
/// A text admits anything. An [`Event<T>`](Event) wants `Data<T>` or no data, and a handler that returns `()`
/// or `Result<(), Fault>`. A [`Request<T, R>`](Request) wants `Data<T>` or no data, and a handler that
/// returns `Reply<R>` or `Result<Reply<R>, Fault>`. Where `T` is `Args<..>`, that is taken in place of
/// `Data`.
#[diagnostic::on_unimplemented(
    message = "a handler that takes `{D}` and returns `{O}` does not fit the name `{Self}`",
    label = "this name wants other data or another result",
    note = "for an `Event<T>` a handler takes `Data<T>` or no data, and returns `()` or `Result<(), Fault>`",
    note = "for a `Request<T, R>` it takes `Data<T>` or no data, and returns `Reply<R>` or `Result<Reply<R>, Fault>`"
)]
pub trait Takes<D, O>: Named {}

/// A value that can be sent where `T` is wanted: `T` itself, `&T`, `&str` for a `String`, a slice for a
/// `Vec`, and [`Args`] of values that fit.
#[diagnostic::on_unimplemented(message = "this name carries `{T}`, not `{Self}`", label = "`{T}` or `&{T}` is wanted")]
pub trait Fits<T>: IntoArgs {}

impl Named for &str {
    fn name(&self) -> &str {
        self
    }
}

impl Named for String {
    fn name(&self) -> &str {
        self
    }
}

impl<T> Named for Event<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T, R> Named for Request<T, R> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T: Serialize> Fits<T> for T {}
impl<T: Serialize> Fits<T> for &T {}
impl Fits<String> for &str {}
impl<T: Serialize> Fits<Vec<T>> for &[T] {}
impl<T: Serialize, const N: usize> Fits<Vec<T>> for [T; N] where [T; N]: Serialize {}
impl<L> Fits<Args<L>> for &Args<L> where Args<L>: IntoArgs {}

macro_rules! lists_fit {
    ($(($($wanted:ident $given:ident),+))+) => {$(
        impl<$($wanted, $given: Fits<$wanted> + Serialize),+> Fits<Args<($($wanted,)+)>> for Args<($($given,)+)> {}
    )+};
}

lists_fit! {
    (A U)
    (A U, B V)
    (A U, B V, C W)
    (A U, B V, C W, D X)
    (A U, B V, C W, D X, E Y)
    (A U, B V, C W, D X, E Y, F Z)
}

impl<D: IntoArgs> Sends<D> for &str {}
impl<D: IntoArgs> Sends<D> for String {}
impl<T, D: Fits<T>> Sends<D> for Event<T> {}

impl<D: IntoArgs, R> Asks<D, R> for &str {}
impl<D: IntoArgs, R> Asks<D, R> for String {}
impl<T, R, D: Fits<T>> Asks<D, R> for Request<T, R> {}

impl<D, O> Takes<D, O> for &str {}
impl<D, O> Takes<D, O> for String {}

macro_rules! takes {
    ($(($($of:tt)*) $name:ty: $output:ty),+) => {$(
        impl<T, $($of)*> Takes<Data<T>, $output> for $name {}
        impl<T, $($of)*> Takes<(), $output> for $name {}
    )+};
}

takes! {
    () Event<T>: (),
    () Event<T>: Result<(), Fault>,
    (R) Request<T, R>: Reply<R>,
    (R) Request<T, R>: Result<Reply<R>, Fault>
}

impl<L> Takes<Args<L>, ()> for Event<Args<L>> {}
impl<L> Takes<Args<L>, Result<(), Fault>> for Event<Args<L>> {}
impl<L, R> Takes<Args<L>, Reply<R>> for Request<Args<L>, R> {}
impl<L, R> Takes<Args<L>, Result<Reply<R>, Fault>> for Request<Args<L>, R> {}
