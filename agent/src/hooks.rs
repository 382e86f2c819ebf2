//! Programs of a capsule that take part: before a snapshot, and after a restore.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::own::{self, Ended};
use crate::spawn::Spec;
use crate::state::State;

/// When hooks run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    BeforeSnapshot,
    AfterRestore,
}

const MOST_TIME: Duration = Duration::from_secs(10);
/// All hooks of an occasion together.
const MOST_TIME_OF_ALL: Duration = Duration::from_secs(30);
const MOST_HOOKS: usize = 32;

/// What came of a hook.
#[derive(Serialize)]
pub struct HookResult {
    name: String,
    /// Absent when it could not be started or did not end in time; -1: a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    timed_out: bool,
    duration_ms: u64,
    /// The end of what it printed.
    output: String,
}

impl Occasion {
    fn folder(self) -> &'static str {
        match self {
            Occasion::BeforeSnapshot => "wrenn/before-snapshot.d",
            Occasion::AfterRestore => "wrenn/after-restore.d",
        }
    }
}

/// Whether anything is to be run.
pub fn are_there(state: &State, occasion: Occasion) -> bool {
    state.etc.as_ref().is_some_and(|etc| !names_in(&etc.join(occasion.folder())).is_empty())
}

/// Runs them one after the other, in the order of their names. Before a snapshot the first that fails is the last.
pub async fn run(state: &State, occasion: Occasion) -> Vec<HookResult> {
    let Some(folder) = state.etc.as_ref().map(|etc| etc.join(occasion.folder())) else { return vec![] };
    let until = Instant::now() + MOST_TIME_OF_ALL;
    let mut results = vec![];
    for name in names_in(&folder) {
        let time = until.saturating_duration_since(Instant::now()).min(MOST_TIME);
        let result = if results.len() >= MOST_HOOKS {
            not_run(name, false, format!("Not run: there are more than {MOST_HOOKS}."))
        } else if time.is_zero() {
            not_run(name, true, "Not run: those before it took all the time.".into())
        } else {
            run_one(state, &folder, (name, time)).await
        };
        let is_good = result.exit_code == Some(0);
        results.push(result);
        if (!is_good && occasion == Occasion::BeforeSnapshot) || results.len() > MOST_HOOKS {
            break;
        }
    }
    results
}

/// The executables of a directory that are not hidden.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_hook =
        |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let mut names: Vec<String> = entries
        .filter(|entry| is_hook(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .take(MOST_HOOKS * 4)
        .collect();
    names.sort();
    names
}

async fn run_one(state: &State, folder: &Path, (name, time): (String, Duration)) -> HookResult {
    let environment = BTreeMap::from([("WRENN_HOOK".to_owned(), name.clone())]);
    let spec = Spec::own(&folder.join(&name), vec![], environment, time);
    match own::run(&spec, state).await {
        Ok(Ended { exit_code, duration, output }) => HookResult {
            name,
            exit_code,
            timed_out: exit_code.is_none(),
            duration_ms: duration.as_millis() as u64,
            output: String::from_utf8_lossy(&output).into_owned(),
        },
        Err(failure) => not_run(name, false, failure.message),
    }
}

fn not_run(name: String, timed_out: bool, output: String) -> HookResult {
    HookResult { name, exit_code: None, timed_out, duration_ms: 0, output }
}
