//! TypeScript from Rust: [`Contract`] writes the types of events for the page.

mod values;
mod variants;

use std::{any::type_name, fmt, fs, io, path::Path};

use serde::de::DeserializeOwned;
use ts_rs::TS;

use self::values::{CLIENT, SERVER, Sender, Types, VARIANT};
use crate::dialect::check_name;

pub use self::values::{TypedName, TypedValues};

const HEAD: &str = "// Written by `anywire::Contract` from the server's types. Changes here are lost.\n";
/// A variant's content is the list of values if it is a list of fixed length of two or more, and else a value.
const VARIANT_TYPE: &str = r#"
/** The event that is the variant `N` of an enum. */
export type Variant<E, N extends string> = (
  ...values: N extends E ? [] : Extract<E, { [K in N]: unknown }> extends { [K in N]: infer V }
    ? [V] extends [[unknown, unknown, ...unknown[]]] ? V : [V]
    : never
) => void
"#;

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
/// | an enum, by its variants | a function for each: `V`, `V(T)`, `V(A, B)`, `V { .. }` |
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
/// /** The events that the server sends: `connect<ServerEvents, ClientEvents>(url)`. */
/// export interface ServerEvents {
///   changed: (data: Doc) => void
///   "pointer moved": (a: number, b: number) => void
/// }
///
/// /** The events that the client sends: `connect<ServerEvents, ClientEvents>(url)`. */
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
    has_variants: bool,
}

/// A line of an interface.
struct Entry {
    name: String,
    function: String,
}

impl Contract {
    /// Returns a contract without names.
    pub fn new() -> Self {
        Contract { server: Vec::new(), client: Vec::new(), types: Types::new(), has_variants: false }
    }

    /// Adds the name of an event or of a request that clients send. Names stand in the file in the order in
    /// which they are added.
    ///
    /// # Panics
    /// Panics if the client has this name already, if a type holds [`Bytes`](bytes::Bytes) in a field that is
    /// not marked, or if two types that differ have one name in TypeScript, or one of the file's own
    /// (`ServerEvents`, `ClientEvents`, `Variant`); `#[ts(rename = "..")]` gives a type another.
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

    /// Adds the variants of an enum that a handler reads by [`Incoming::parse`](crate::Incoming::parse): each is
    /// an event that clients send. A variant with one value that is a tuple is taken for one with several
    /// values; a struct in its place is not.
    ///
    /// ```
    /// #[derive(serde::Deserialize, ts_rs::TS)]
    /// #[serde(rename_all = "kebab-case")]
    /// enum In { Say(String), MoveTo(f64, f64) }
    ///
    /// let text = anywire::Contract::new().client_enum::<In>().to_string();
    /// assert!(text.contains("  \"move-to\": Variant<In, \"move-to\">\n"));
    /// ```
    ///
    /// # Panics
    /// Panics as [`client`](Contract::client) does, also if the type is no enum whose variants are its tags, or if
    /// no event may have a variant's name.
    pub fn client_enum<E: TS + DeserializeOwned + 'static>(mut self) -> Self {
        self.has_variants = true;
        add_variants::<E>(&mut self.client, &mut self.types);
        self
    }

    /// Adds the variants of an enum that the server sends by [`emit_enum`](crate::Session::emit_enum). The enum
    /// is `Deserialize` too, by which its variants are known.
    ///
    /// # Panics
    /// Panics as [`client_enum`](Contract::client_enum) does.
    pub fn server_enum<E: TS + DeserializeOwned + 'static>(mut self) -> Self {
        self.has_variants = true;
        add_variants::<E>(&mut self.server, &mut self.types);
        self
    }

    /// Writes the file, unless it has this content already, and returns whether it was written. A path that is
    /// not absolute begins at the working directory, which in tests is the folder of the package. It blocks
    /// the thread, and is meant for a test of the application, a function with `#[test]`:
    ///
    /// ```no_run
    /// # use anywire::{Contract, Event};
    /// const CHANGED: Event<String> = Event::new("changed");
    ///
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
        for declaration in self.types.declarations() {
            write!(f, "\n{declaration}\n")?;
        }
        if self.has_variants {
            f.write_str(VARIANT_TYPE)?;
        }
        for (interface, sender, entries) in [(SERVER, "server", &self.server), (CLIENT, "client", &self.client)] {
            let use_of_both = format!("connect<{SERVER}, {CLIENT}>(url)");
            write!(
                f,
                "\n/** The events that the {sender} sends: `{use_of_both}`. */\nexport interface {interface} {{\n"
            )?;
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
    push(entries, name.name(), function);
}

fn add_variants<E: TS + DeserializeOwned + 'static>(entries: &mut Vec<Entry>, types: &mut Types) {
    let rust = type_name::<E>();
    let variants = variants::of::<E>();
    let variants = variants.unwrap_or_else(|| panic!("{rust} is no enum whose variants are its tags"));
    // Bytes in it are bytes in a type, whoever sends it.
    let name = types.name::<E>(Sender::Server);
    for variant in variants {
        if let Err(error) = check_name(variant) {
            panic!("{variant:?} of {rust}: {error}");
        }
        push(entries, variant, format!("{}<{name}, {}>", VARIANT, quoted(variant)));
    }
}

fn push(entries: &mut Vec<Entry>, name: &str, function: String) {
    assert!(entries.iter().all(|entry| entry.name != name), "the contract has the name {name:?} already");
    entries.push(Entry { name: name.to_owned(), function });
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The key of an interface, quoted if it is no identifier.
fn key(name: &str) -> String {
    let is_letter = |char: char| char.is_ascii_alphabetic() || char == '_' || char == '$';
    let is_identifier =
        name.starts_with(is_letter) && name.chars().all(|char| is_letter(char) || char.is_ascii_digit());
    if is_identifier { name.to_owned() } else { quoted(name) }
}
