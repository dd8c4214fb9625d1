//! Just enough of Rust's lexis to find paths and functions: comments, strings and characters vanish, the rest
//! becomes words and signs that know their line.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier, keyword or number.
    Word(String),
    /// `::`
    PathSep,
    /// Any other sign, one character at a time.
    Sign(char),
}

#[derive(Debug, Clone)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) line: usize,
}

impl Lexeme {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(w) if w == word)
    }

    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.token == Token::Sign(sign)
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match &self.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
}

pub(crate) fn lex(source: &str) -> Vec<Lexeme> {
    let chars: Vec<char> = source.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, line: 1 };
    let mut lexemes = Vec::new();
    while let Some(lexeme) = reader.next_lexeme() {
        lexemes.push(lexeme);
    }
    lexemes
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn next_lexeme(&mut self) -> Option<Lexeme> {
        loop {
            let line = self.line;
            let token = match self.peek(0)? {
                '/' if self.peek(1) == Some('/') => {
                    self.skip_line();
                    continue;
                }
                '/' if self.peek(1) == Some('*') => {
                    self.skip_block();
                    continue;
                }
                '"' => {
                    self.skip_string();
                    continue;
                }
                '\'' => {
                    self.skip_char_or_lifetime();
                    continue;
                }
                ':' if self.peek(1) == Some(':') => {
                    self.at += 2;
                    Token::PathSep
                }
                c if c.is_alphanumeric() || c == '_' => {
                    let word = self.take_word();
                    if self.skip_prefixed_literal(&word) {
                        continue;
                    }
                    Token::Word(word)
                }
                c => {
                    self.bump();
                    if c.is_whitespace() {
                        continue;
                    }
                    Token::Sign(c)
                }
            };
            return Some(Lexeme { token, line });
        }
    }

    fn take_word(&mut self) -> String {
        let from = self.at;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.chars[from..self.at].iter().collect()
    }

    /// `r"..."`, `br#"..."#`, `b"..."`, `c"..."`, `b'x'`; a raw identifier `r#type` stays a word.
    fn skip_prefixed_literal(&mut self, prefix: &str) -> bool {
        let raw = matches!(prefix, "r" | "br" | "cr");
        match self.peek(0) {
            Some('"') if raw => self.skip_raw_string(0),
            Some('#') if raw => {
                let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
                if self.peek(hashes) != Some('"') {
                    return false;
                }
                self.at += hashes;
                self.skip_raw_string(hashes);
            }
            Some('"') if matches!(prefix, "b" | "c") => self.skip_string(),
            Some('\'') if prefix == "b" => self.skip_char_or_lifetime(),
            _ => return false,
        }
        true
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    fn skip_block(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => {
                    self.bump();
                }
                (None, _) => return,
            }
        }
    }

    fn skip_string(&mut self) {
        self.bump();
        while let Some(c) = self.bump() {
            match c {
                '\\' => {
                    self.bump();
                }
                '"' => return,
                _ => {}
            }
        }
    }

    fn skip_raw_string(&mut self, hashes: usize) {
        self.bump();
        while let Some(c) = self.bump() {
            if c == '"' && (0..hashes).all(|i| self.peek(i) == Some('#')) {
                self.at += hashes;
                return;
            }
        }
    }

    fn skip_char_or_lifetime(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.bump();
            }
            self.at += 1;
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.at += 1;
        } else {
            self.take_word();
        }
    }
}
