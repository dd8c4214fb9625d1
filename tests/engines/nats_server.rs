//! A server of NATS of a test's own, which ends with it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use anywire::Nats;
use serde_json::Value;

const HELP: &str = "install nats-server 2.11 or later, or set ANYWIRE_NATS_SERVER to its path";

pub struct Server {
    program: String,
    pub port: u16,
    /// The port at which it tells of itself.
    monitor: u16,
    folder: PathBuf,
    child: Child,
}

impl Server {
    /// Starts a server on free ports, with these settings besides; `None` if there is no program. `ANYWIRE_NATS_SERVER` may
    /// name it.
    pub fn start(settings: &str) -> Option<Server> {
        Self::launch_with(&format!("jetstream {{}}\n{settings}"))
    }

    /// Starts three that are one cluster.
    pub fn start_three() -> Option<Vec<Server>> {
        let free: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let routes: Vec<_> = free.iter().map(|one| one.local_addr().unwrap().to_string()).collect();
        drop(free);
        let all: Vec<_> = routes.iter().map(|route| format!("\"nats://{route}\"")).collect();
        let start = |n: usize| {
            let cluster = format!("cluster {{name: three, listen: \"{}\", routes: [{}]}}", routes[n], all.join(", "));
            Self::start(&format!("server_name: \"server-{n}\"\n{cluster}"))
        };
        (0..3).map(start).collect()
    }

    /// Starts one without JetStream.
    pub fn start_plain() -> Option<Server> {
        Self::launch_with("")
    }

    fn launch_with(settings: &str) -> Option<Server> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = env::var("ANYWIRE_NATS_SERVER").unwrap_or_else(|_| "nats-server".to_owned());
        if let Err(error) = version(&program) {
            assert!(env::var_os("CI").is_none(), "{program}: {error}: {HELP}");
            println!("SKIPPED: {program}: {error}: {HELP}");
            return None;
        }
        let name = format!("anywire-nats-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("settings"), settings).unwrap();
        // Another program may take the ports before the server does.
        for _ in 0..10 {
            let free = || TcpListener::bind("127.0.0.1:0").unwrap();
            let (one, two) = (free(), free());
            let [port, monitor] = [one, two].map(|listener| listener.local_addr().unwrap().port());
            let child = launch(&program, port, monitor, &folder);
            let mut server = Server { program: program.clone(), port, monitor, folder: folder.clone(), child };
            if server.is_up() {
                return Some(server);
            }
        }
        panic!("{program} does not start with {settings}");
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn engine(&self) -> Nats {
        Nats::new(&self.url()).unwrap()
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
        self.child = launch(&self.program, self.port, self.monitor, &self.folder);
        assert!(self.is_up(), "its port was taken");
    }

    /// Stops the process: its connections stay, and nobody answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
        // Its threads stop one after another.
        let is_silent = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            stream.read(&mut [0; 1]).is_err()
        };
        while !is_silent() {}
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Tells it to end its connections soon.
    pub fn make_lame(&self) {
        self.signal("-USR2");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// A number that the server tells of itself.
    pub fn figure(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitor)).unwrap();
        stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()[name].as_u64().unwrap()
    }

    /// Publishes as a stranger does, and waits until the server has taken it. The words are lines of the protocol.
    pub fn say(&self, words: &str) {
        let mut stranger = Stranger::new(self.port);
        stranger.stream.write_all(format!("{words}\r\nPING\r\n").as_bytes()).unwrap();
        while stranger.line() != "PONG" {}
    }

    /// Asks a question. Returns the body of its answer.
    pub fn ask(&self, subject: &str, body: &str) -> Value {
        let mut stranger = Stranger::new(self.port);
        let words = format!("SUB stranger.answers 1\r\nPUB {subject} stranger.answers {}\r\n{body}\r\n", body.len());
        stranger.stream.write_all(words.as_bytes()).unwrap();
        let head = stranger.line();
        let length: usize = head.rsplit(' ').next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stranger.reader.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// A client of NATS that is no node.
struct Stranger {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Stranger {
    fn new(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\n").unwrap();
        let mut stranger = Stranger { reader: BufReader::new(stream.try_clone().unwrap()), stream };
        while stranger.line() != "PONG" {}
        stranger
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server has closed the connection");
        line.trim_end().to_owned()
    }
}

/// Whether the program is one that the tests need.
fn version(program: &str) -> Result<(), String> {
    let output = Command::new(program).arg("--version").output().map_err(|_| "it is missing".to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.trim().rsplit('v').next().unwrap_or_default();
    let words: Vec<u32> = number.split('.').map_while(|word| word.parse().ok()).collect();
    if words.as_slice() < [2, 11].as_slice() { Err(format!("it is too old: {}", text.trim())) } else { Ok(()) }
}

fn launch(program: &str, port: u16, monitor: u16, folder: &Path) -> Child {
    Command::new(program)
        .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--http_port", &monitor.to_string()])
        .arg("--store_dir")
        .arg(folder.join("store"))
        .arg("--config")
        .arg(folder.join("settings"))
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
