//! Requests that start programs, and that write to them.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::spawn_local;

use crate::body::{Reply, next_piece};
use crate::failure::Failure;
use crate::frames::{self, Decoder};
use crate::log::{From, Log, Reader};
use crate::pipe::Pipe;
use crate::pty::Terminal;
use crate::session::{Output, Session};
use crate::spawn::{Connection, OnDisconnect, Spawned, Spec, spawn};
use crate::state::State;
use crate::system::random_hex;

/// A signal that may be sent.
#[derive(Deserialize)]
pub struct Signal {
    signal: String,
}

impl Signal {
    pub fn number(&self) -> Result<i32, Failure> {
        match self.signal.as_str() {
            "SIGKILL" => Ok(libc::SIGKILL),
            "SIGTERM" => Ok(libc::SIGTERM),
            "SIGINT" => Ok(libc::SIGINT),
            "SIGHUP" => Ok(libc::SIGHUP),
            "SIGQUIT" => Ok(libc::SIGQUIT),
            other => Err(Failure::invalid(format!("{other} is not a signal that can be sent."))),
        }
    }
}

/// Starts the program that the first frame names; the answer's frames come as it runs.
pub async fn exec(mut body: Incoming, state: Rc<State>) -> Result<Reply, Failure> {
    let mut decoder = Decoder::default();
    let mut spec = first_frame(&mut body, &mut decoder).await?;
    spec.check()?;
    if spec.tag.is_none() && (spec.detached || spec.pty.is_some()) {
        let prefix = if spec.pty.is_some() { "pty" } else { "proc" };
        spec.tag = Some(format!("{prefix}-{}", random_hex(4)));
    }
    state.processes.check(spec.tag.as_deref())?;
    let session = start(&spec, &state)?;
    let started = frames::encode(frames::STARTED, Value::Object(session.names()).to_string().as_bytes());
    if spec.detached {
        return Ok(Reply::Whole(Some(started)));
    }
    let mut reader = session.log.attach(From::Oldest).with_head(started);
    if spec.on_disconnect() == OnDisconnect::Kill {
        let session = session.clone();
        // Does nothing to one that has ended.
        reader = reader.on_drop(move || session.signal(libc::SIGKILL));
    }
    spawn_local(feed(Input { body, decoder }, session));
    Ok(Reply::Source(Box::new(reader)))
}

/// Starts a program and what attends it.
pub fn start(spec: &Spec, state: &State) -> Result<Rc<Session>, Failure> {
    // Nothing may be awaited before the program is entered: the reaper has to know it before it can end.
    let Spawned { pid, connection } = spawn(spec, state.identity.borrow().as_ref())?;
    let Ends { stdin, terminal, outputs, slave } = Ends::of(connection);
    let session = Rc::new(Session {
        id: format!("exec-{}", random_hex(8)),
        pid,
        tag: spec.tag.clone(),
        is_own: spec.is_own,
        cmd: spec.cmd.clone(),
        args: spec.args.clone().into(),
        log: Rc::new(Log::new(spec.log_bytes(), state.processes.held.clone())),
        stdin: Mutex::new(stdin),
        terminal,
        status: None.into(),
        ended: Default::default(),
    });
    state.processes.add(session.clone());
    spawn_local(session.clone().attend(outputs, slave, spec.timeout_ms.map(Duration::from_millis)));
    Ok(session)
}

/// Our ends of what connects us to a program.
#[derive(Default)]
struct Ends {
    stdin: Option<Rc<Pipe>>,
    terminal: Option<Rc<Pipe>>,
    outputs: Vec<Output>,
    slave: Option<OwnedFd>,
}

impl Ends {
    /// What cannot be watched is closed: the program lives without it.
    fn of(connection: Connection) -> Ends {
        let pipe = |fd| Pipe::new(fd).map(Rc::new).ok();
        match connection {
            Connection::Pipes(stdin, outputs) => Ends {
                stdin: stdin.and_then(pipe),
                outputs: outputs.into_iter().filter_map(|(fd, kind)| Some((pipe(fd)?, kind))).collect(),
                ..Ends::default()
            },
            Connection::Terminal(Terminal { master, slave }) => {
                let master = pipe(master);
                Ends {
                    stdin: master.clone(),
                    outputs: master.iter().map(|master| (master.clone(), frames::STDOUT)).collect(),
                    terminal: master,
                    slave: Some(slave),
                }
            }
        }
    }
}

async fn first_frame(body: &mut Incoming, decoder: &mut Decoder) -> Result<Spec, Failure> {
    loop {
        match decoder.next() {
            Ok(Some((frames::START, payload))) => {
                return serde_json::from_slice(&payload).map_err(|error| Failure::invalid(format!("start: {error}.")));
            }
            Ok(None) => {}
            _ => return Err(Failure::invalid("The first frame must be a start.")),
        }
        match next_piece(body).await {
            Some(Ok(piece)) => decoder.push(&piece),
            _ => return Err(Failure::invalid("The request ends before its first frame.")),
        }
    }
}

struct Input {
    body: Incoming,
    decoder: Decoder,
}

/// Passes the host's frames on, until the program has ended.
async fn feed(input: Input, session: Rc<Session>) {
    tokio::select! {
        _ = feed_all(input, &session) => {}
        _ = session.wait() => {}
    }
}

/// The end of the request is the end of stdin and no more; a request that breaks off isn't even that. What a terminal's
/// end would be is up to its program.
async fn feed_all(mut input: Input, session: &Session) {
    loop {
        loop {
            match input.decoder.next() {
                Ok(Some((kind, payload))) => take(kind, &payload, session).await,
                Ok(None) => break,
                // Where the next frame begins is not known any more.
                Err(()) => return drop(session.end_stdin().await),
            }
        }
        match next_piece(&mut input.body).await {
            Some(Ok(piece)) => input.decoder.push(&piece),
            Some(Err(_)) => return,
            None => return drop(session.end_stdin().await),
        }
    }
}

async fn take(kind: u8, payload: &Bytes, session: &Session) {
    match kind {
        // A program that doesn't read any more doesn't mind.
        frames::STDIN => drop(session.write(payload).await),
        frames::STDIN_END => drop(session.end_stdin().await),
        frames::RESIZE => {
            if let Ok(size) = serde_json::from_slice(payload) {
                let _ = session.resize(size);
            }
        }
        frames::SIGNAL => {
            if let Some(signal) = serde_json::from_slice::<Signal>(payload).ok().and_then(|asked| asked.number().ok()) {
                session.signal(signal);
            }
        }
        _ => {}
    }
}

/// Writes the body of a request to a program's stdin.
pub async fn write_stdin(session: &Session, mut body: Incoming) -> Result<(), Failure> {
    if session.stdin.lock().await.is_none() {
        // Said even if there is nothing to write.
        return session.write(b"").await;
    }
    while let Some(piece) = next_piece(&mut body).await {
        let piece = piece.map_err(|_| Failure::invalid("The request broke off."))?;
        session.write(&piece).await?;
    }
    Ok(())
}

/// The output of a program: where it begins, what is kept of it, and what comes.
pub fn output(session: &Session, from: From) -> Reader {
    let reader = session.log.attach(from);
    let mut position = session.names();
    position.insert("offset".into(), reader.offset.into());
    position.insert("dropped".into(), reader.dropped.into());
    let position = Value::Object(position).to_string();
    reader.with_head(frames::encode(frames::POSITION, position.as_bytes()))
}
