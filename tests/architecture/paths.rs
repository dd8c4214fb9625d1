//! What a source file imports and how long its functions are, read off its lexemes.

use super::lexer::{Lexeme, Token, lex};

/// A path as written, with the names of a `use` tree spelled out and `self`/`super` resolved: `crate::session::frame`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Stands in a `use` declaration.
    pub(crate) imported: bool,
}

impl Path {
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }

    pub(crate) fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(|(a, b)| a == b)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
    /// Stands in a `#[cfg(test)] mod`.
    pub(crate) in_tests: bool,
}

/// Every path of a file whose module is `module` (`["session", "tests", "pair"]`).
pub(crate) fn paths(source: &str, module: &[String]) -> Vec<Path> {
    let lexemes = lex(source);
    let mut scanner = Scanner { lexemes: &lexemes, at: 0, found: Vec::new() };
    scanner.scan();
    let inner = inner_modules(&lexemes);
    let mut found = scanner.found;
    for (path, at) in &mut found {
        let mut home = module.to_vec();
        home.extend(inner.iter().filter(|m| m.from < *at && *at < m.to).map(|m| m.name.clone()));
        resolve(path, &home);
    }
    found.into_iter().map(|(path, _)| path).collect()
}

/// Turns a leading `self` or `super` into `crate::...`.
fn resolve(path: &mut Path, home: &[String]) {
    let mut up = 0;
    let mut skip = 0;
    for segment in &path.segments {
        match segment.as_str() {
            "self" => {}
            "super" => up += 1,
            _ => break,
        }
        skip += 1;
    }
    if skip == 0 {
        return;
    }
    let kept = home.len().saturating_sub(up);
    let mut segments = vec!["crate".to_owned()];
    segments.extend_from_slice(&home[..kept]);
    segments.extend_from_slice(&path.segments[skip..]);
    path.segments = segments;
}

struct Scanner<'a> {
    lexemes: &'a [Lexeme],
    at: usize,
    found: Vec<(Path, usize)>,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        while let Some(lexeme) = self.lexemes.get(self.at) {
            if lexeme.is_word("use") && self.begins_item() {
                self.at += 1;
                self.use_tree(&[]);
            } else if lexeme.word().is_some() {
                self.plain_path();
            } else {
                self.at += 1;
            }
        }
    }

    /// `use` also stands in `impl Trait + use<'a>`, which imports nothing.
    fn begins_item(&self) -> bool {
        !self.lexemes.get(self.at + 1).is_some_and(|next| next.is_sign('<'))
    }

    fn plain_path(&mut self) {
        let start = self.at;
        let mut segments = Vec::new();
        while let Some(word) = self.lexemes.get(self.at).and_then(Lexeme::word) {
            segments.push(word.to_owned());
            self.at += 1;
            let goes_on = self.is_sep(self.at) && self.lexemes.get(self.at + 1).is_some_and(|l| l.word().is_some());
            if !goes_on {
                break;
            }
            self.at += 1;
        }
        let continues_a_value = start > 0 && (self.lexemes[start - 1].is_sign('.') || self.is_sep(start - 1));
        let from_root = start > 0 && self.is_sep(start - 1);
        if segments.len() > 1 && (!continues_a_value || from_root) {
            let line = self.lexemes[start].line;
            self.found.push((Path { segments, line, imported: false }, start));
        }
    }

    fn is_sep(&self, at: usize) -> bool {
        self.lexemes.get(at).is_some_and(|l| l.token == Token::PathSep)
    }

    /// One tree of a `use`, behind `prefix`; stops behind its `,`, `}` or `;`.
    fn use_tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        while let Some(lexeme) = self.lexemes.get(self.at) {
            match &lexeme.token {
                Token::PathSep => self.at += 1,
                Token::Word(word) if word == "as" => {
                    self.at += 2;
                }
                Token::Word(word) => {
                    if word != "self" || segments.is_empty() {
                        segments.push(word.clone());
                    }
                    self.at += 1;
                }
                Token::Sign('*') => {
                    segments.push("*".to_owned());
                    self.at += 1;
                }
                Token::Sign('{') => {
                    self.at += 1;
                    self.use_list(&segments);
                    return;
                }
                Token::Sign(_) => break,
            }
        }
        let line = self.lexemes[self.at - 1].line;
        self.found.push((Path { segments, line, imported: true }, self.at));
    }

    fn use_list(&mut self, prefix: &[String]) {
        while let Some(lexeme) = self.lexemes.get(self.at) {
            if lexeme.is_sign('}') {
                self.at += 1;
                return;
            }
            if lexeme.is_sign(',') {
                self.at += 1;
            } else {
                self.use_tree(prefix);
            }
        }
    }
}

/// A module written out inside a file, as a range of lexemes.
struct InnerModule {
    name: String,
    from: usize,
    to: usize,
    tests: bool,
}

fn inner_modules(lexemes: &[Lexeme]) -> Vec<InnerModule> {
    let mut modules = Vec::new();
    for at in 0..lexemes.len().saturating_sub(2) {
        let Some(name) = lexemes[at + 1].word() else { continue };
        if lexemes[at].is_word("mod") && lexemes[at + 2].is_sign('{') {
            let tests = is_cfg_test(lexemes, at);
            modules.push(InnerModule { name: name.to_owned(), from: at, to: closing(lexemes, at + 2), tests });
        }
    }
    modules
}

/// Whether `#[cfg(test)]` stands among the attributes before the item at `at`.
fn is_cfg_test(lexemes: &[Lexeme], at: usize) -> bool {
    let begin = lexemes[..at].iter().rposition(|l| l.is_sign(';') || l.is_sign('}')).map_or(0, |i| i + 1);
    lexemes[begin..at]
        .windows(4)
        .any(|w| w[0].is_word("cfg") && w[1].is_sign('(') && w[2].is_word("test") && w[3].is_sign(')'))
}

/// The index of the brace that closes the one at `open`.
fn closing(lexemes: &[Lexeme], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, lexeme) in lexemes.iter().enumerate().skip(open) {
        if lexeme.is_sign('{') {
            depth += 1;
        } else if lexeme.is_sign('}') {
            depth -= 1;
            if depth == 0 {
                return i;
            }
        }
    }
    lexemes.len()
}

/// Every function that has a body, with its length from `fn` to the closing brace.
pub(crate) fn functions(source: &str) -> Vec<Function> {
    let lexemes = lex(source);
    let modules = inner_modules(&lexemes);
    let mut found = Vec::new();
    for at in 0..lexemes.len().saturating_sub(1) {
        let Some(name) = lexemes[at + 1].word() else { continue };
        if !lexemes[at].is_word("fn") {
            continue;
        }
        let Some(open) = body(&lexemes, at) else { continue };
        let line = lexemes[at].line;
        let end = lexemes.get(closing(&lexemes, open)).or(lexemes.last()).map_or(line, |l| l.line);
        let in_tests = modules.iter().any(|m| m.tests && m.from < at && at < m.to);
        found.push(Function { name: name.to_owned(), line, lines: end - line + 1, in_tests });
    }
    found
}

/// The brace that opens the body of the function at `at`; none for a declaration in a trait.
fn body(lexemes: &[Lexeme], at: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (i, lexeme) in lexemes.iter().enumerate().skip(at) {
        match lexeme.token {
            Token::Sign('(' | '[') => depth += 1,
            Token::Sign(')' | ']') => depth -= 1,
            Token::Sign('{') if depth == 0 => return Some(i),
            Token::Sign(';') if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
