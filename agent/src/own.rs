//! Programs that the agent runs for itself, to their end: they are not listed, and nothing of them stays.

use std::future::poll_fn;
use std::time::Duration;

use serde::Deserialize;

use crate::body::Source;
use crate::exec;
use crate::failure::Failure;
use crate::frames::{self, Decoder};
use crate::log::From;
use crate::spawn::Spec;
use crate::state::State;
use crate::system::signal_group;

/// How much of what it prints is kept: the end.
pub const MOST_OUTPUT: usize = 4096;

/// How a program ended.
pub struct Ended {
    /// -1: by a signal. None: its time was over.
    pub exit_code: Option<i32>,
    pub duration: Duration,
    pub output: Vec<u8>,
}

#[derive(Deserialize)]
struct Exited {
    exit_code: i32,
    timed_out: bool,
    duration_ms: u64,
}

/// Runs a program as root, without stdin; when its time is over, or it has ended, all of its process group is killed.
pub async fn run(spec: &Spec, state: &State) -> Result<Ended, Failure> {
    let session = exec::start(spec, state)?;
    session.wait().await;
    signal_group(session.pid, libc::SIGKILL);
    let mut reader = session.log.attach(From::Tail(MOST_OUTPUT as u64));
    let (mut decoder, mut output) = (Decoder::default(), vec![]);
    while let Some(Ok(piece)) = poll_fn(|cx| reader.poll_piece(cx)).await {
        decoder.push(&piece);
        while let Ok(Some((kind, payload))) = decoder.next() {
            if kind != frames::EXITED {
                output.extend_from_slice(&payload);
                output.drain(..output.len().saturating_sub(MOST_OUTPUT));
                continue;
            }
            let Ok(Exited { exit_code, timed_out, duration_ms }) = serde_json::from_slice(&payload) else { break };
            let exit_code = (!timed_out).then_some(exit_code);
            return Ok(Ended { exit_code, duration: Duration::from_millis(duration_ms), output });
        }
    }
    Err(Failure::new(crate::failure::Code::Io, format!("{} ended without a word.", spec.cmd)))
}
