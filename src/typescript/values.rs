//! The values of typed names in TypeScript, and the declarations of the types that they need.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashSet},
};

use bytes::{Bytes, BytesMut};
use ts_rs::{Config, TS, TypeVisitor};

use crate::dialect::{Args, Event, Named, Request};

/// The names of the file's own types.
pub(super) const SERVER: &str = "ServerEvents";
pub(super) const CLIENT: &str = "ClientEvents";
pub(super) const VARIANT: &str = "Variant";

/// The half that sends a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Server,
    Client,
}

/// A typed name whose types are known in TypeScript: an [`Event`] or a [`Request`] of types that are
/// [`ts_rs::TS`](https://docs.rs/ts-rs/12/ts_rs/trait.TS.html), of [`Args`] of these, or of `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no typed name, or its types are not known in TypeScript",
    note = "a contract takes `&Event<T>` and `&Request<T, R>`, where `T` and `R` derive `ts_rs::TS`"
)]
pub trait TypedName: Named {
    #[doc(hidden)]
    fn function(&self, sender: Sender, types: &mut Types) -> String;
}

/// The type that a typed name carries or is answered by, if it is known in TypeScript: a type that is
/// [`ts_rs::TS`](https://docs.rs/ts-rs/12/ts_rs/trait.TS.html), or [`Args`] of such types.
#[diagnostic::on_unimplemented(
    message = "the type `{Self}` is not known in TypeScript",
    note = "derive `ts_rs::TS` for `{Self}`"
)]
pub trait TypedValues {
    #[doc(hidden)]
    fn parameters(sender: Sender, types: &mut Types) -> String;
    #[doc(hidden)]
    fn result(sender: Sender, types: &mut Types) -> String;
}

/// The types that were named so far, with their declarations.
pub struct Types {
    config: Config,
    seen: HashSet<TypeId>,
    /// By the name in TypeScript.
    declared: BTreeMap<String, String>,
    /// The name in Rust of the type that is being looked into.
    inside: &'static str,
}

impl Sender {
    fn other(self) -> Sender {
        match self {
            Sender::Server => Sender::Client,
            Sender::Client => Sender::Server,
        }
    }
}

fn is_bytes<T: ?Sized + 'static>() -> bool {
    [TypeId::of::<Bytes>(), TypeId::of::<BytesMut>()].contains(&TypeId::of::<T>())
}

impl Types {
    pub(super) fn new() -> Self {
        Types {
            config: Config::new().with_large_int("number"),
            seen: HashSet::new(),
            declared: BTreeMap::new(),
            inside: "",
        }
    }

    /// The declarations, sorted by the names of their types.
    pub(super) fn declarations(&self) -> impl Iterator<Item = &String> {
        self.declared.values()
    }

    /// The name of a type in TypeScript, where a value of it stands alone.
    pub(super) fn name<T: TS + 'static>(&mut self, sender: Sender) -> String {
        if is_bytes::<T>() {
            let text = if sender == Sender::Client { "ArrayBuffer | ArrayBufferView" } else { "ArrayBuffer" };
            return text.to_owned();
        }
        self.inside = type_name::<T>();
        self.visit::<T>();
        T::name(&self.config)
    }

    /// A parameter of a function. The client may leave out what may be absent, and behind which all may be.
    fn parameter<T: TS + 'static>(&mut self, name: &str, sender: Sender, may_be_absent: &mut bool) -> String {
        let of = self.name::<T>(sender);
        *may_be_absent &= sender == Sender::Client && of.ends_with(" | null");
        format!("{name}{}: {of}", if *may_be_absent { "?" } else { "" })
    }

    fn declare<T: TS + 'static + ?Sized>(&mut self) {
        let name = T::ident(&self.config);
        assert!(
            ![SERVER, CLIENT, VARIANT].contains(&name.as_str()),
            "a type is named {name}, as one of the contract's own"
        );
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(&self.config));
        let before = self.declared.entry(name.clone()).or_insert_with(|| declaration.clone());
        assert!(*before == declaration, "two types are named {name}; `#[ts(rename = \"..\")]` gives one another name");
    }
}

impl TypeVisitor for Types {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        assert!(
            !is_bytes::<T>(),
            "{} holds bytes, whose field wants `#[ts(type = \"ArrayBuffer\")]`, or a struct of its own that has it",
            self.inside
        );
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        let outside = self.inside;
        if T::output_path().is_some() {
            self.declare::<T>();
            self.inside = type_name::<T>();
        }
        // The generics first: the dependencies of a list are those of its items, without the items' own type.
        T::visit_generics(self);
        T::visit_dependencies(self);
        self.inside = outside;
    }
}

impl<T: TypedValues> TypedName for Event<T> {
    fn function(&self, sender: Sender, types: &mut Types) -> String {
        format!("({}) => void", T::parameters(sender, types))
    }
}

impl<T: TypedValues, R: TypedValues> TypedName for Request<T, R> {
    fn function(&self, sender: Sender, types: &mut Types) -> String {
        format!("({}) => {}", T::parameters(sender, types), R::result(sender.other(), types))
    }
}

impl<T: TS + 'static> TypedValues for T {
    fn parameters(sender: Sender, types: &mut Types) -> String {
        if TypeId::of::<T>() == TypeId::of::<()>() {
            return String::new();
        }
        types.parameter::<T>("data", sender, &mut true)
    }

    fn result(sender: Sender, types: &mut Types) -> String {
        if TypeId::of::<T>() == TypeId::of::<()>() { "void".to_owned() } else { types.name::<T>(sender) }
    }
}

impl<T: TS + 'static> TypedValues for Args<Vec<T>> {
    fn parameters(sender: Sender, types: &mut Types) -> String {
        format!("...data: Array<{}>", types.name::<T>(sender))
    }

    fn result(sender: Sender, types: &mut Types) -> String {
        format!("{} | undefined", types.name::<T>(sender))
    }
}

macro_rules! lists {
    ($(($first:ident $(, $rest:ident)*): $($last:ident $name:literal),+;)+) => {$(
        impl<$first: TS + 'static, $($rest: TS + 'static),*> TypedValues for Args<($first, $($rest,)*)> {
            fn parameters(sender: Sender, types: &mut Types) -> String {
                let mut may_be_absent = true;
                let mut from_the_last = vec![$(types.parameter::<$last>($name, sender, &mut may_be_absent)),+];
                from_the_last.reverse();
                from_the_last.join(", ")
            }

            fn result(sender: Sender, types: &mut Types) -> String {
                types.name::<$first>(sender)
            }
        }
    )+};
}

// Each is named from its last parameter on, since an optional one has no required one behind it.
lists! {
    (A): A "a";
    (A, B): B "b", A "a";
    (A, B, C): C "c", B "b", A "a";
    (A, B, C, D): D "d", C "c", B "b", A "a";
    (A, B, C, D, E): E "e", D "d", C "c", B "b", A "a";
    (A, B, C, D, E, F): F "f", E "e", D "d", C "c", B "b", A "a";
}
