//! [`Headers`], the headers of a frame.

use std::{fmt, ops::Range};

/// The headers of a frame in their order, decoded. All texts are in one piece of memory of their own.
#[derive(Clone, Default)]
pub(crate) struct Headers {
    text: String,
    entries: Vec<Entry>,
}

/// A header: where the text has its name and its value.
#[derive(Clone)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

impl Headers {
    pub(crate) fn new() -> Self {
        Headers::default()
    }

    /// The value of a header. The first of a repeated one stands.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// All headers with their values, repeated ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (&self.text[entry.name.clone()], &self.text[entry.value.clone()]))
    }

    /// The bytes of memory that it holds.
    pub(crate) fn held(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Appends a header.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        self.entries.push(Entry { name: start..middle, value: middle..self.text.len() });
    }

    /// A copy of the headers of which `keep` is true, by their names. Its memory is of its own size.
    pub(super) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = || self.iter().filter(|(name, _)| keep(name));
        let (count, length) =
            kept().fold((0, 0), |(count, length), (name, value)| (count + 1, length + name.len() + value.len()));
        let mut headers = Headers { text: String::with_capacity(length), entries: Vec::with_capacity(count) };
        kept().for_each(|(name, value)| headers.push(name, value));
        headers
    }

    /// Cuts off the spaces around all names and values.
    pub(super) fn trim(&mut self) {
        for Entry { name, value } in &mut self.entries {
            *name = trimmed(&self.text, name.clone());
            *value = trimmed(&self.text, value.clone());
        }
    }
}

/// The same range of a text without spaces at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = text[range.clone()].trim_start_matches(super::escape::SPACES);
    let start = range.end - inner.len();
    start..start + inner.trim_end_matches(super::escape::SPACES).len()
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
