//! A server of Redis of a test's own, which ends with it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use anywire::Redis;

pub struct Server {
    program: String,
    arguments: Vec<String>,
    pub port: u16,
    pub folder: PathBuf,
    child: Child,
}

impl Server {
    /// Starts a server on a free port, with these settings besides; `None` if there is no program. `ANYWIRE_REDIS_SERVER` may
    /// name it.
    pub fn start(settings: &[&str]) -> Option<Server> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = env::var("ANYWIRE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        if Command::new(&program).arg("--version").output().is_err() {
            assert!(
                env::var_os("CI").is_none(),
                "{program} is missing: install it (Debian: apt-get install redis-server)"
            );
            println!("SKIPPED: {program} is missing: install it (Debian: apt-get install redis-server)");
            return None;
        }
        let name = format!("anywire-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let arguments: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        // Another program may take the port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = launch(&program, port, &folder, &arguments);
            let mut server =
                Server { program: program.clone(), arguments: arguments.clone(), port, folder: folder.clone(), child };
            if server.is_up() {
                return Some(server);
            }
        }
        panic!("{program} does not start");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn engine(&self) -> Redis {
        Redis::new(&self.url()).unwrap()
    }

    /// Waits until it answers; it has ended if the result is `false`.
    fn is_up(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            // A process tells nobody when it listens: its port is asked until it answers.
            sleep(Duration::from_millis(5));
        }
        panic!("{} does not answer", self.program);
    }

    /// Kills the server, as a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, without its data.
    pub fn start_again(&mut self) {
        self.child = launch(&self.program, self.port, &self.folder, &self.arguments);
        assert!(self.is_up(), "its port was taken");
    }

    /// Stops the process: its connections stay, and nobody answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// The subscribers of a channel.
    pub fn subscribers(&self, channel: &str) -> u32 {
        let answer = self.command(&format!("EVAL \"return redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2]\" 0 {channel}"));
        answer.trim_start_matches(':').parse().unwrap()
    }

    /// Gives a command. Returns the answer as it comes; a text without its length.
    pub fn command(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$').and_then(|length| length.parse().ok()) else {
            return line.to_owned();
        };
        let mut text = vec![0; length];
        reader.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }
}

fn launch(program: &str, port: u16, folder: &PathBuf, settings: &[String]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .args(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was killed already is an error that says nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
