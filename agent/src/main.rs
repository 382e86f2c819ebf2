//! The guest agent: process 1 of every capsule. It runs programs and serves files for the host.

mod body;
mod capsule;
mod channel;
mod children;
mod clock;
mod entry;
mod exec;
mod failure;
mod files;
mod frames;
mod hooks;
mod http;
mod init;
mod launch;
mod limits;
mod link;
mod log;
mod metrics;
mod net;
mod own;
mod pipe;
mod pool;
mod port;
mod processes;
mod pty;
mod relocate;
mod renew;
mod ring;
mod session;
mod small;
mod spawn;
mod state;
mod system;
mod tar;
mod tree;
mod tunnel;
mod watch;
mod wipe;

use std::io;
use std::path::Path;
use std::rc::Rc;

use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::channel::Channel;
use crate::children::{Children, Listening};
use crate::renew::Machine;
use crate::state::State;

/// The agent's ports in a capsule.
const CONTROL: &str = "wrenn.control";
const DATA: &str = "wrenn.data";

const USAGE: &str = "usage: wrenn-agent --version\n       wrenn-agent serve --control PATH --data PATH [--etc PATH]";

fn main() {
    if std::process::id() == 1 {
        let failure = match init::start() {
            Ok(()) => run(
                || Ok((Channel::device(CONTROL)?, Channel::device(DATA)?)),
                State::new(Machine::Capsule, Some("/etc".into())),
            )
            .to_string(),
            Err(failure) => failure,
        };
        init::complain(&failure);
        system::power_off();
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--version"] => println!("wrenn-agent {}", env!("CARGO_PKG_VERSION")),
        ["serve", "--control", control, "--data", data, more @ ..] => {
            let etc = match more {
                [] => None,
                ["--etc", etc] => Some(etc.into()),
                _ => return usage(),
            };
            system::become_subreaper();
            let open = || Ok((Channel::socket(Path::new(control))?, Channel::socket(Path::new(data))?));
            eprintln!("wrenn-agent: {}", run(open, State::new(Machine::Foreign, etc)));
            std::process::exit(1);
        }
        _ => usage(),
    }
}

fn usage() {
    eprintln!("{USAGE}");
    std::process::exit(2);
}

/// Serves until that is not possible any more, and returns why.
fn run(open: impl FnOnce() -> io::Result<(Channel, Channel)>, state: State) -> io::Error {
    if let Err(error) = limits::raise() {
        init::complain(&format!("raising the limit of descriptors: {error}"));
    }
    // Before there is another thread.
    let children = Children::watch();
    let runtime = pool::start().and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let served = runtime.and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            let (control, data) = open()?;
            let state = Rc::new(state);
            spawn_local(reap(state.clone(), children?.listen()?));
            link::serve(control, data, state).await
        })
    });
    served.err().unwrap_or_else(|| io::Error::other("the agent has nothing more to serve"))
}

/// Reaps whenever a child has ended. Children that end without end must not keep the agent from everything else.
async fn reap(state: Rc<State>, children: Listening) {
    while children.ended().await.is_ok() {
        while state.processes.reap() {
            yield_now().await;
        }
    }
}
