//! A folder of a test's own for the processes of a machine, which ends with it.

use std::{
    env, fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anywire::Host;

pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("aw-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Folder(env::temp_dir().join(name))
    }

    pub fn engine(&self) -> Host {
        Host::at(&self.0).unwrap()
    }

    /// The names in it that begin so, sorted.
    pub fn names(&self, begin: &str) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(begin)).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
