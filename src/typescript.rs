//! TypeScript from Rust: [`Contract`] writes the types of events for the page.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashSet},
    fmt, fs, io,
    path::Path,
};

use bytes::{Bytes, BytesMut};
use ts_rs::{Config, TS, TypeVisitor};

use crate::dialect::{Args, Event, Named, Request};

const HEAD: &str = "// Written by `anywire::Contract` from the server's types. Changes here are lost.\n";
const SERVER: (&str, &str) = ("ServerEvents", "What the server sends: `connect<ServerEvents, ClientEvents>(url)`.");
const CLIENT: (&str, &str) = ("ClientEvents", "What the client sends: `connect<ServerEvents, ClientEvents>(url)`.");

/// The names of an application's events with their types, as a file of TypeScript for the page. (Feature
/// `typescript`.)
///
/// The file has two interfaces, `ServerEvents` and `ClientEvents`, with which `connect<ServerEvents,
/// ClientEvents>(url)` is typed both ways, and the declarations of all types that they need, as the crate
/// [`ts-rs`](https://docs.rs/ts-rs/12) derives them; it respects serde's attributes.
///
/// | in Rust | in the interface |
/// |---|---|
/// | `Event<T>` | `(data: T) => void` |
/// | `Event<Args<(A, B)>>` | `(a: A, b: B) => void` |
/// | `Event<Args<Vec<T>>>` | `(...data: Array<T>) => void` |
/// | `Event<()>` | `() => void` |
/// | `Request<T, R>` | `(data: T) => R` |
/// | `Request<T, Args<(A, B)>>` | `(data: T) => A`: a promise resolves to the first value |
/// | `Request<T, ()>` | `(data: T) => void` |
///
/// In what the client sends, an `Option` behind which nothing else is required need not be given.
///
/// **Integers** are numbers, also those of 64 and 128 bits: JSON has no others, and JavaScript keeps 53 bits.
/// **Bytes**: where a whole value is a [`Bytes`](bytes::Bytes), as in `Event<Bytes>` or `Args<(u32, Bytes)>`,
/// it is an `ArrayBuffer` for who receives it in the page, and an `ArrayBuffer` or a view of one, such as a
/// `Uint8Array`, where the page sends it. A field that holds bytes is marked with `#[ts(type =
/// "ArrayBuffer")]`.
///
/// ```
/// use anywire::{Args, Contract, Event, Request};
/// use serde::{Deserialize, Serialize};
/// use ts_rs::TS;
///
/// #[derive(Serialize, Deserialize, TS)]
/// #[serde(rename_all = "camelCase")]
/// struct Doc { id: u32, last_author: Option<String> }
///
/// const SAVE: Request<Doc, u32> = Request::new("save");
/// const CHANGED: Event<Doc> = Event::new("changed");
/// const MOVED: Event<Args<(f64, f64)>> = Event::new("pointer moved");
///
/// let contract = Contract::new().client(&SAVE).server(&CHANGED).server(&MOVED);
/// assert!(contract.to_string().ends_with(r#"
/// export type Doc = { id: number, lastAuthor: string | null, };
///
/// /** What the server sends: `connect<ServerEvents, ClientEvents>(url)`. */
/// export interface ServerEvents {
///   changed: (data: Doc) => void
///   "pointer moved": (a: number, b: number) => void
/// }
///
/// /** What the client sends: `connect<ServerEvents, ClientEvents>(url)`. */
/// export interface ClientEvents {
///   save: (data: Doc) => number
/// }
/// "#));
/// ```
#[must_use]
pub struct Contract {
    server: Vec<Entry>,
    client: Vec<Entry>,
    types: Types,
}

/// A line of an interface.
struct Entry {
    name: String,
    function: String,
}

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

/// What a typed name carries or is answered by, if it is known in TypeScript: a type that is
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

impl Contract {
    /// Returns a contract without names.
    pub fn new() -> Self {
        let types = Types {
            config: Config::new().with_large_int("number"),
            seen: HashSet::new(),
            declared: BTreeMap::new(),
            inside: "",
        };
        Contract { server: Vec::new(), client: Vec::new(), types }
    }

    /// Adds the name of an event or of a request that clients send. Names stand in the file in the order in
    /// which they are added.
    ///
    /// # Panics
    /// Panics if the client has this name already, if a type holds [`Bytes`](bytes::Bytes) in a field that is
    /// not marked, or if two types that differ have one name in TypeScript, or that of an interface of the
    /// file; `#[ts(rename = "..")]` gives a type another.
    pub fn client(mut self, name: &impl TypedName) -> Self {
        add(&mut self.client, &mut self.types, name, Sender::Client);
        self
    }

    /// Adds the name of an event or of a request that the server sends. Names stand in the file in the order in
    /// which they are added.
    ///
    /// # Panics
    /// Panics as [`client`](Contract::client) does, if the server has this name already.
    pub fn server(mut self, name: &impl TypedName) -> Self {
        add(&mut self.server, &mut self.types, name, Sender::Server);
        self
    }

    /// Writes the file, unless it has this content already, and returns whether it was written. A path that is
    /// not absolute begins at the working directory, which in tests is the folder of the package. It blocks
    /// the thread, and is meant for a test of the application:
    ///
    /// ```no_run
    /// # use anywire::{Contract, Event};
    /// const CHANGED: Event<String> = Event::new("changed");
    ///
    /// #[test]
    /// fn the_page_has_the_servers_types() -> std::io::Result<()> {
    ///     let is_changed = Contract::new().server(&CHANGED).write("web/events.ts")?;
    ///     assert!(!is_changed, "web/events.ts was old, and is written anew");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Fails if the file cannot be read or written, for example because there is no such folder.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let (path, text) = (path.as_ref(), self.to_string());
        match fs::read(path) {
            Ok(present) if present == text.as_bytes() => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(path, text)?;
        Ok(true)
    }
}

impl Default for Contract {
    fn default() -> Self {
        Contract::new()
    }
}

/// The content of the file.
impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for declaration in self.types.declared.values() {
            write!(f, "\n{declaration}\n")?;
        }
        for ((interface, text), entries) in [(SERVER, &self.server), (CLIENT, &self.client)] {
            write!(f, "\n/** {text} */\nexport interface {interface} {{\n")?;
            for Entry { name, function } in entries {
                writeln!(f, "  {}: {function}", key(name))?;
            }
            f.write_str("}\n")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |entries: &[Entry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        let (server, client) = (names(&self.server), names(&self.client));
        f.debug_struct("Contract").field("server", &server).field("client", &client).finish_non_exhaustive()
    }
}

fn add(entries: &mut Vec<Entry>, types: &mut Types, name: &impl TypedName, sender: Sender) {
    let function = name.function(sender, types);
    let name = name.name();
    assert!(entries.iter().all(|entry| entry.name != name), "the contract has the name {name:?} already");
    entries.push(Entry { name: name.to_owned(), function });
}

/// The key of an interface, quoted if it is no identifier.
fn key(name: &str) -> String {
    let is_letter = |char: char| char.is_ascii_alphabetic() || char == '_' || char == '$';
    let is_identifier =
        name.starts_with(is_letter) && name.chars().all(|char| is_letter(char) || char.is_ascii_digit());
    if is_identifier { name.to_owned() } else { serde_json::Value::from(name).to_string() }
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
    /// The name of a type in TypeScript, where a value of it stands alone.
    fn name<T: TS + 'static>(&mut self, sender: Sender) -> String {
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
            ![SERVER.0, CLIENT.0].contains(&name.as_str()),
            "a type is named {name}, as an interface of the contract"
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
