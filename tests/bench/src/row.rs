//! The rows of the tables: each is a contender, and the program that serves it.

use crate::contenders::Contender;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The program with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Build {
    This,
    /// That of `--before`, which was built with another Anywire.
    Before(&'static Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) build: Build,
}

impl From<Contender> for Row {
    fn from(contender: Contender) -> Self {
        Self { contender, build: Build::This }
    }
}

impl Row {
    /// All rows that this build can run. Each of Anywire's is followed by its like from the program `before`.
    pub(crate) fn all(before: Option<&'static Path>) -> Vec<Self> {
        let rows_of = |contender: Contender| {
            let before = before.filter(|_| contender.server().is_anywire());
            [Some(Build::This), before.map(Build::Before)]
                .into_iter()
                .flatten()
                .map(move |build| Self { contender, build })
        };
        Contender::all().into_iter().flat_map(rows_of).collect()
    }

    pub(crate) fn is_before(self) -> bool {
        matches!(self.build, Build::Before(_))
    }

    pub(crate) fn name(self) -> String {
        let name = self.contender.name();
        if self.is_before() { format!("{name}, before") } else { name.to_owned() }
    }

    /// The program to start.
    pub(crate) fn program(self) -> Result<PathBuf> {
        Ok(match self.build {
            Build::This => std::env::current_exe()?,
            Build::Before(path) => path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_anywire_has_a_build_before() {
        let path = Path::new("/before");
        for row in Row::all(Some(path)) {
            assert!(!row.is_before() || row.contender.server().is_anywire(), "{}", row.name());
        }
        let with = Row::all(Some(path)).len() - Row::all(None).len();
        let ours = Contender::all().into_iter().filter(|contender| contender.server().is_anywire()).count();
        assert_eq!(with, ours);
        assert!(Row::all(None).iter().all(|row| !row.is_before()));
    }
}
