//! The folder by which the processes of one machine find each other.
//!
//! Whatever it holds may be left by a process that was killed at any moment, so nothing in it is a lock that somebody must
//! give back. A name is made once and never used again; a socket has its name only once it listens, so that one which
//! refuses is that of a dead process; and what only one process may make is made by a call that fails if it is there.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

use tokio::net::{UnixListener, UnixStream};

use crate::{
    cluster::{engine::EngineError, secret::Secret},
    ids,
};

/// The most bytes of the folder's path. Those of its sockets are below 100 then, which all systems take.
const MOST_PATH: usize = 80;

/// The length of a secret: 64 hexadecimal digits, of which 61 are random, are more than anybody guesses.
const SECRET: usize = 64;

/// The epochs whose entries are kept. Who has looked before so many others came would believe in an old one.
const KEPT_EPOCHS: u64 = 64;

/// The tries to make or read the secret while others sweep the folder.
const TRIES: usize = 10;

/// The purpose of a socket. Its name begins with the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A process lives. Nothing is said there.
    Member,
    /// Other nodes reach this one.
    Peer,
    /// A sequencer listens.
    Engine,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Kind::Member => 'm',
            Kind::Peer => 'n',
            Kind::Engine => 'e',
        }
    }

    pub(super) fn name(self, id: u64) -> String {
        format!("{}{id:016x}", self.letter())
    }

    /// The id in a name; `None` if that is no name of this kind.
    pub(super) fn id(self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(self.letter())?;
        let id = u64::from_str_radix(digits, 16).ok()?;
        (self.name(id) == name).then_some(id)
    }
}

/// Whether a file is one that a process of ours makes before it gives it its name. Others are not ours to take away.
fn is_draft(name: &str) -> bool {
    let Some(name) = name.strip_prefix('.') else { return false };
    let is_secret = name.strip_prefix('s').is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    });
    is_secret || [Kind::Member, Kind::Peer, Kind::Engine].iter().any(|kind| kind.id(name).is_some())
}

/// A sequencer's term. Of several the one with the highest number counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) number: u64,
    /// The name of its socket.
    pub(super) socket: String,
}

impl Epoch {
    fn entry(number: u64) -> String {
        format!("epoch-{number:020}")
    }

    fn number(name: &OsStr) -> Option<u64> {
        name.to_str()?.strip_prefix("epoch-")?.parse().ok()
    }
}

/// The folder. All of its files are small and none is on a disk that matters, so they are read and made in place.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

fn failed(path: &Path, error: impl std::fmt::Display) -> EngineError {
    EngineError::new(format_args!("the folder {}: {error}", path.display()))
}

fn check_length(path: &Path) -> Result<(), EngineError> {
    let bytes = path.as_os_str().len();
    if bytes <= MOST_PATH {
        return Ok(());
    }
    let text = format_args!("its path has {bytes} bytes, and may have {MOST_PATH}, since its sockets' are short");
    Err(failed(path, text))
}

impl Folder {
    /// Makes the folder if it is not there. Fails if others than this user could reach into it.
    pub(super) fn open(path: &Path) -> Result<(Self, Secret), EngineError> {
        // A path that is too long is refused before anything is made there.
        check_length(&std::path::absolute(path).map_err(|error| failed(path, error))?)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(path, error)),
            _ => {}
        }
        let path = path.canonicalize().map_err(|error| failed(path, error))?;
        check_length(&path)?;
        let found = fs::metadata(&path).map_err(|error| failed(&path, error))?;
        if !found.is_dir() {
            return Err(failed(&path, "it is none"));
        }
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o777;
            return Err(failed(
                &path,
                format_args!("its mode is {mode:o}: others than its owner may not reach into it"),
            ));
        }
        let folder = Folder { path };
        let secret = folder.secret(found.uid())?;
        Ok((folder, secret))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The secret of all processes, which the first one makes. A file that this process makes belongs to its user, as the
    /// folder must.
    fn secret(&self, owner: u32) -> Result<Secret, EngineError> {
        for _ in 0..TRIES {
            let draft = self.path.join(format!(".s{:016x}", ids::random().as_u64_pair().0));
            let made = self.offer_secret(&draft, owner);
            let _ = fs::remove_file(&draft);
            made?;
            if let Some(secret) = self.read_secret(owner)? {
                return Ok(secret);
            }
        }
        Err(failed(&self.path, "the file `secret` in it does not stay"))
    }

    fn offer_secret(&self, draft: &Path, owner: u32) -> Result<(), EngineError> {
        let failed = |error| failed(&self.path, error);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft).map_err(failed)?;
        let me = file.metadata().map_err(failed)?.uid();
        if me != owner {
            return Err(self::failed(
                &self.path,
                format_args!("it belongs to the user {owner}, and this process to {me}"),
            ));
        }
        let (one, other) = (ids::random().simple(), ids::random().simple());
        file.write_all(format!("{one}{other}").as_bytes()).map_err(failed)?;
        match fs::hard_link(draft, self.path.join("secret")) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                Err(failed(error))
            }
            _ => Ok(()),
        }
    }

    fn read_secret(&self, owner: u32) -> Result<Option<Secret>, EngineError> {
        let file = match File::open(self.path.join("secret")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&self.path, error)),
        };
        let found = file.metadata().map_err(|error| failed(&self.path, error))?;
        if !found.is_file() || found.uid() != owner || found.mode() & 0o077 != 0 {
            return Err(failed(&self.path, "the file `secret` in it is not this user's alone"));
        }
        let mut secret = Vec::new();
        file.take(SECRET as u64 + 1).read_to_end(&mut secret).map_err(|error| failed(&self.path, error))?;
        if secret.len() != SECRET {
            return Err(failed(&self.path, "the file `secret` in it holds none"));
        }
        Ok(Some(Secret::new(secret)))
    }

    /// Listens at a socket of this name. It is there once it listens.
    pub(super) fn listen(&self, name: &str) -> io::Result<Socket> {
        let draft = self.path.join(format!(".{name}"));
        let path = self.path.join(name);
        let listener = UnixListener::bind(&draft)?;
        if let Err(error) = fs::rename(&draft, &path) {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Socket { listener, name: name.to_owned(), path })
    }

    /// Connects to the socket of this name. One that was taken away refuses too.
    pub(super) async fn connect(&self, name: &str) -> io::Result<UnixStream> {
        UnixStream::connect(self.path.join(name)).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::ErrorKind::ConnectionRefused.into(),
            _ => error,
        })
    }

    /// Whether the process that made the socket of this name is gone. One that takes no more connections is not.
    pub(super) async fn is_gone(&self, name: &str) -> bool {
        self.connect(name).await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    fn entries(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// The epoch that counts, if there was one.
    pub(super) fn epoch(&self) -> io::Result<Option<Epoch>> {
        let mut latest = None;
        for entry in fs::read_dir(&self.path)? {
            latest = latest.max(Epoch::number(&entry?.file_name()));
        }
        let Some(number) = latest else { return Ok(None) };
        let socket = fs::read_link(self.path.join(Epoch::entry(number)))?;
        let socket = socket.to_str().filter(|name| Kind::Engine.id(name).is_some());
        let socket = socket.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an epoch is none"))?;
        Ok(Some(Epoch { number, socket: socket.to_owned() }))
    }

    /// Begins an epoch of this number with the socket of this name, which listens already. The result is `false` if another
    /// process was faster.
    pub(super) fn begin(&self, number: u64, socket: &str) -> io::Result<bool> {
        match symlink(socket, self.path.join(Epoch::entry(number))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            done => done?,
        }
        // It may have been the number of one that is over, and whose entry is gone already.
        if self.epoch()?.is_none_or(|epoch| epoch.number != number) {
            return Ok(false);
        }
        for name in self.entries()? {
            if Epoch::number(OsStr::new(&name)).is_some_and(|old| old.saturating_add(KEPT_EPOCHS) < number) {
                let _ = fs::remove_file(self.path.join(name));
            }
        }
        Ok(true)
    }

    /// The processes that live or have left their socket behind.
    pub(super) fn members(&self) -> io::Result<HashSet<u64>> {
        Ok(self.entries()?.iter().filter_map(|name| Kind::Member.id(name)).collect())
    }

    /// The time at which a process came here, if that can be read.
    pub(super) fn came(&self, member: u64) -> Option<SystemTime> {
        fs::symlink_metadata(self.path.join(Kind::Member.name(member))).ok()?.modified().ok()
    }

    /// Takes away what dead processes have left. `drafts` are those that were there the last time.
    pub(super) async fn sweep(&self, drafts: &mut HashSet<String>) -> io::Result<()> {
        let entries = self.entries()?;
        for name in &entries {
            if Kind::Engine.id(name).is_some() && self.is_gone(name).await {
                self.remove_socket(name);
            }
            let Some(member) = Kind::Member.id(name) else { continue };
            if self.is_gone(name).await {
                self.forget(member);
            }
        }
        let now: HashSet<String> = entries.into_iter().filter(|name| is_draft(name)).collect();
        for stale in now.intersection(drafts) {
            let _ = fs::remove_file(self.path.join(stale));
        }
        *drafts = now;
        Ok(())
    }

    /// Takes away the sockets of a process that is gone.
    pub(super) fn forget(&self, member: u64) {
        self.remove_socket(&Kind::Member.name(member));
        self.remove_socket(&Kind::Peer.name(member));
    }

    fn remove_socket(&self, name: &str) {
        let path = self.path.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket of this process. Its name is gone with it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) name: String,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_ours_is_swept_away() {
        let path = std::env::temp_dir().join(format!("anywire-{:016x}", ids::random().as_u64_pair().0));
        let (folder, _) = Folder::open(&path).unwrap();
        let ours = [".m0000000000000001", ".n00000000000000ff", ".e0123456789abcdef", ".s0123456789abcdef"];
        let others =
            [".lock", ".env", ".m1", ".s0123456789abcdeg", ".s0123456789abcdef0", ".x0123456789abcdef", "..m1"];
        for name in ours.iter().chain(&others) {
            File::create(path.join(name)).unwrap();
        }
        let mut drafts = HashSet::new();
        folder.sweep(&mut drafts).await.unwrap();
        assert!(ours.iter().all(|name| path.join(name).exists()), "they are there for the first time");
        folder.sweep(&mut drafts).await.unwrap();
        let left: Vec<_> = ours.iter().chain(&others).filter(|name| path.join(name).exists()).collect();
        let _ = fs::remove_dir_all(&path);
        assert_eq!(left, others.iter().collect::<Vec<_>>());
    }
}
