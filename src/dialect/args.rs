//! The values of events: [`Data`], [`Args`] and [`Reply`], and the traits by which a list of arguments is
//! written and read.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Error;

use super::{data::ListWriter, list::Arguments};
use crate::message::JsonError;

/// The first argument of an event, in a handler's parameters. Further arguments are ignored.
///
/// An argument that is absent counts as `null`: an [`Option`] is `None`, the unit `()` is read, other types
/// are an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// A list of arguments: a tuple of one to six, or a [`Vec`]. As a parameter of a handler it is the whole list
/// of an event; as what is sent it is more than one argument.
///
/// A tuple ignores further arguments, and those that are absent at the end count as `null`, so that an
/// [`Option`] there is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<T>(pub T);

/// The answer of a handler to a request: a value, `()` for no value, or [`Args`] for several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply<T>(pub T);

/// Data that an event can carry: anything that serde can serialise is one argument, `()` is no argument, and
/// [`Args`] is a list of arguments.
///
/// Bytes (`bytes::Bytes`, or what `serde_bytes` marks) may stand anywhere in the data and travel as they are,
/// at most ten of them in an event. In an untagged enum that has both, bytes stand before `String`, which
/// serde also reads from bytes that are UTF-8; a `Vec<u8>` there is not read from bytes. The key
/// `_placeholder` cannot be used beside bytes.
///
/// A value that serialises as serde's unit is no argument, so `serde_json::Value::Null` is none either.
#[diagnostic::on_unimplemented(
    message = "an event cannot carry `{Self}`",
    label = "neither serde's `Serialize`, nor `Args` of a tuple of up to six or a `Vec` of what is",
    note = "derive `serde::Serialize` for `{Self}`, or send a list as `Args((a, b))`"
)]
pub trait IntoArgs {
    #[doc(hidden)]
    fn write_to(&self, list: &mut ListWriter) -> Result<(), Error>;
}

/// Types that are read from the arguments of an event or of a reply: any that serde can deserialise is read
/// from the first argument, [`Args`] from the whole list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an event",
    label = "neither serde's `Deserialize`, nor `Args` of a tuple of up to six or a `Vec` of what is",
    note = "derive `serde::Deserialize` for `{Self}`; it must own its data"
)]
pub trait FromArgs: Sized {
    #[doc(hidden)]
    fn read_from(arguments: Arguments<'_>) -> Result<Self, Error>;
}

/// Reads arguments as a value, which is the first, or as [`Args`].
///
/// # Errors
/// Fails if the list is not JSON, is nested more than 128 deep, refers to attachments that it does not have
/// or more than once, or does not fit the type.
pub(crate) fn read_args<T: FromArgs>(arguments: Arguments<'_>) -> Result<T, JsonError> {
    T::read_from(arguments).map_err(JsonError)
}

impl<T: Serialize + ?Sized> IntoArgs for T {
    fn write_to(&self, list: &mut ListWriter) -> Result<(), Error> {
        list.push_single(self)
    }
}

impl<T: DeserializeOwned> FromArgs for T {
    fn read_from(arguments: Arguments<'_>) -> Result<Self, Error> {
        if let Some(only) = arguments.only() {
            return Ok(only);
        }
        let (first,) = <(T,)>::deserialize(arguments)?;
        Ok(first)
    }
}

impl<T: Serialize> IntoArgs for Args<Vec<T>> {
    fn write_to(&self, list: &mut ListWriter) -> Result<(), Error> {
        self.0.iter().try_for_each(|argument| list.push(argument))
    }
}

impl<T: DeserializeOwned> FromArgs for Args<Vec<T>> {
    fn read_from(arguments: Arguments<'_>) -> Result<Self, Error> {
        Vec::deserialize(arguments).map(Args)
    }
}

impl<T> IntoArgs for &Args<T>
where
    Args<T>: IntoArgs,
{
    fn write_to(&self, list: &mut ListWriter) -> Result<(), Error> {
        (**self).write_to(list)
    }
}

macro_rules! lists {
    ($(($($type:ident $nth:tt),+))+) => {$(
        impl<$($type: Serialize),+> IntoArgs for Args<($($type,)+)> {
            fn write_to(&self, list: &mut ListWriter) -> Result<(), Error> {
                $(list.push(&self.0.$nth)?;)+
                Ok(())
            }
        }

        impl<$($type: DeserializeOwned),+> FromArgs for Args<($($type,)+)> {
            fn read_from(arguments: Arguments<'_>) -> Result<Self, Error> {
                <($($type,)+)>::deserialize(arguments).map(Args)
            }
        }
    )+};
}

lists! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}
