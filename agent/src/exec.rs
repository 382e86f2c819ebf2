//! Programs that run attached to a request, or detached from all.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, sleep_until};

use crate::body::next_piece;
use crate::failure::Failure;
use crate::files::Pieces;
use crate::frames::{self, Decoder};
use crate::processes::Listed;
use crate::spawn::{Spawned, Spec, spawn};
use crate::state::State;

type Output = mpsc::Sender<std::io::Result<Bytes>>;

/// Frames that wait for the host; more slows the program.
const WAITING_FRAMES: usize = 4;
const PIECE: usize = 64 * 1024;
/// How long the output of an ended program's descendants is still waited for.
const LINGER: Duration = Duration::from_millis(250);

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
            other => Err(Failure::invalid(format!("{other} is not a signal that can be sent."))),
        }
    }
}

/// Starts the program that the first frame names; the answer's frames come as it runs.
pub async fn exec(mut body: Incoming, state: Rc<State>) -> Result<Pieces, Failure> {
    let mut decoder = Decoder::default();
    let mut spec = first_frame(&mut body, &mut decoder).await?;
    if spec.detached && spec.tag.is_none() {
        spec.tag = Some(generated_tag());
    }
    if let Some(tag) = &spec.tag {
        state.processes.check_free(tag)?;
    }
    // Nothing may be awaited between these two: the reaper has to know the program before it can end.
    let spawned = spawn(&spec)?;
    let ended = state.processes.add(Listed {
        pid: spawned.pid,
        tag: spec.tag.clone(),
        cmd: spec.cmd.clone(),
        args: spec.args.clone(),
    });

    let (output, pieces) = mpsc::channel(WAITING_FRAMES);
    let mut started = json!({ "pid": spawned.pid });
    if let Some(tag) = &spec.tag {
        started["tag"] = tag.as_str().into();
    }
    let _ = output.try_send(Ok(frames::encode(frames::STARTED, started.to_string().as_bytes())));
    if !spec.detached {
        let time_limit = spec.timeout_ms.map(Duration::from_millis);
        spawn_local(attend(spawned, Attended { ended, output, time_limit }, Input { body, decoder }));
    }
    Ok(pieces)
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

struct Attended {
    ended: oneshot::Receiver<i32>,
    output: Output,
    time_limit: Option<Duration>,
}

/// Stays with a program until its end: its time limit, its input and output, and the host's interest in it.
async fn attend(spawned: Spawned, attended: Attended, input: Input) {
    let Attended { mut ended, output, time_limit } = attended;
    let Spawned { pid, stdin, stdout, stderr } = spawned;
    let began = Instant::now();
    let activity = Rc::new(Activity::default());
    let mut readers = [(stdout, frames::STDOUT), (stderr, frames::STDERR)]
        .map(|(pipe, kind)| spawn_local(forward(pipe, kind, output.clone(), activity.clone())));
    let feeder = spawn_local(feed(input, stdin, pid));

    let mut timed_out = false;
    let deadline = time_limit.map(|limit| tokio::time::Instant::from_std(began + limit));
    let status = loop {
        tokio::select! {
            status = &mut ended => break status.unwrap_or(0),
            _ = output.closed() => {
                crate::system::signal_group(pid, libc::SIGKILL);
                break (&mut ended).await.unwrap_or(0);
            }
            _ = sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)), if deadline.is_some() && !timed_out => {
                timed_out = true;
                crate::system::signal_group(pid, libc::SIGKILL);
            }
        }
    };
    let duration_ms = began.elapsed().as_millis() as u64;
    drain(&mut readers, &activity).await;
    feeder.abort();
    let status = ExitStatus::from_raw(status);
    let mut end =
        json!({ "exit_code": status.code().unwrap_or(-1), "timed_out": timed_out, "duration_ms": duration_ms });
    if let Some(signal) = status.signal() {
        end["signal"] = signal.into();
    }
    let _ = output.send(Ok(frames::encode(frames::EXITED, end.to_string().as_bytes()))).await;
}

/// When output last moved, and whether it waits for the host right now.
struct Activity {
    last: Cell<Instant>,
    sending: Cell<u32>,
}

impl Default for Activity {
    fn default() -> Self {
        Activity { last: Cell::new(Instant::now()), sending: Cell::new(0) }
    }
}

/// Waits for the rest of the output. A pipe that a descendant keeps open and silent is waited for only a moment; a host
/// that reads slowly is waited for as long as it takes.
async fn drain(readers: &mut [JoinHandle<()>; 2], activity: &Activity) {
    activity.last.set(Instant::now());
    for reader in readers.iter_mut() {
        loop {
            tokio::select! {
                _ = &mut *reader => break,
                _ = sleep(LINGER) => {
                    if activity.sending.get() == 0 && activity.last.get().elapsed() >= LINGER {
                        reader.abort();
                    }
                }
            }
        }
    }
}

/// Sends what comes out of a pipe, as fast as the host takes it.
async fn forward(pipe: Option<OwnedFd>, kind: u8, output: Output, activity: Rc<Activity>) {
    let Some(Ok(mut pipe)) = pipe.map(pipe::Receiver::from_owned_fd) else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        activity.sending.set(activity.sending.get() + 1);
        let sent = output.send(Ok(frames::encode(kind, &buffer[..n]))).await;
        activity.sending.set(activity.sending.get() - 1);
        activity.last.set(Instant::now());
        if sent.is_err() {
            return;
        }
    }
}

/// Passes the host's frames on. The end of the request is the end of stdin and no more.
async fn feed(mut input: Input, stdin: Option<OwnedFd>, pid: i32) {
    let mut pipe = stdin.and_then(|pipe| pipe::Sender::from_owned_fd(pipe).ok());
    loop {
        while let Ok(Some((kind, payload))) = input.decoder.next() {
            match kind {
                frames::STDIN => pipe = write_or_drop(pipe, &payload).await,
                frames::STDIN_END => pipe = None,
                frames::SIGNAL => {
                    let asked = serde_json::from_slice::<Signal>(&payload).ok().and_then(|asked| asked.number().ok());
                    if let Some(signal) = asked {
                        crate::system::signal_group(pid, signal);
                    }
                }
                _ => {}
            }
        }
        match next_piece(&mut input.body).await {
            Some(Ok(piece)) => input.decoder.push(&piece),
            _ => return,
        }
    }
}

/// Writes to a pipe; one that nobody reads any more is let go.
async fn write_or_drop(pipe: Option<pipe::Sender>, data: &[u8]) -> Option<pipe::Sender> {
    let mut pipe = pipe?;
    pipe.write_all(data).await.ok().map(|()| pipe)
}

fn generated_tag() -> String {
    let mut random = [0; 4];
    // SAFETY: the buffer is valid for its length.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
    format!("proc-{:08x}", u32::from_ne_bytes(random))
}
