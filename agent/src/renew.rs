//! What a restored capsule must not share with its siblings: randomness, time, names, keys.

mod boot_id;
mod host_keys;
mod sshd;

use std::fs;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::failure::Failure;
use crate::init::complain;
use crate::small;
use crate::state::State;
use crate::system::{add_entropy, set_clock, set_hostname};

/// Whether the machine that we run on is a capsule, which we may change, or somebody's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    Capsule,
    Foreign,
}

/// What the host sends for a renewal.
#[derive(Deserialize)]
pub struct Renewal {
    seed: String,
    unix_time_ns: String,
    hostname: String,
    machine_id: String,
    capsule_id: String,
    template: String,
}

const SMALLEST_SEED: usize = 32;
const LONGEST_NAME: usize = 512;

/// Who a capsule is.
pub struct Identity {
    pub capsule_id: String,
    pub template: String,
}

impl Renewal {
    /// Refuses what is out of bounds; gives the seed and the time.
    fn check(&self) -> Result<(Vec<u8>, i64), Failure> {
        let seed = BASE64_STANDARD.decode(&self.seed).unwrap_or_default();
        if seed.len() < SMALLEST_SEED {
            return Err(Failure::invalid(format!("The seed must be {SMALLEST_SEED} bytes or more, in base64.")));
        }
        let time = self.unix_time_ns.parse().map_err(|_| Failure::invalid("The time must be a decimal number."))?;
        if self.hostname.is_empty() || self.hostname.len() > 64 || !self.hostname.bytes().all(is_host_byte) {
            return Err(Failure::invalid("The hostname must be 1 to 64 letters, digits and hyphens."));
        }
        if self.machine_id.len() != 32 || !self.machine_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Failure::invalid("The machine id must be 32 hex digits."));
        }
        if [&self.capsule_id, &self.template].iter().any(|name| name.len() > LONGEST_NAME || name.contains('\0')) {
            return Err(Failure::invalid(format!("A name must have at most {LONGEST_NAME} bytes, and no NUL.")));
        }
        Ok((seed, time))
    }
}

/// Renews, and returns the names of what really was renewed. SSH host keys are those of a capsule: one that is resumed keeps
/// them. That they could not be made is a failure, since whoever asks cannot know whether there are any.
pub async fn renew(asked: Renewal, state: &State) -> Result<Vec<&'static str>, Failure> {
    let (seed, time) = asked.check()?;
    let is_another = state.identity.borrow().as_ref().is_none_or(|before| before.capsule_id != asked.capsule_id);
    let mut renewed = match state.machine {
        Machine::Capsule => renew_machine(&asked, &seed, time),
        Machine::Foreign => vec![],
    };
    if is_another && host_keys::renew(state).await? {
        renewed.push("ssh_host_keys");
    }
    let Renewal { capsule_id, template, .. } = asked;
    state.identity.replace(Some(Identity { capsule_id, template }));
    Ok(renewed)
}

fn renew_machine(asked: &Renewal, seed: &[u8], time: i64) -> Vec<&'static str> {
    let parts = [
        // First, since the time is that of the request.
        ("clock", set_clock(time)),
        ("random", add_entropy(seed)),
        ("hostname", renew_hostname(&asked.hostname)),
        ("hosts", renew_hosts(&asked.hostname)),
        ("machine_id", small::write("/etc/machine-id", &format!("{}\n", asked.machine_id))),
        ("identity", write_identity(asked)),
        ("boot_id", boot_id::renew()),
    ];
    let confirmed = |(name, result): (&'static str, io::Result<()>)| match result {
        Ok(()) => Some(name),
        Err(error) => {
            complain(&format!("renewing {name}: {error}"));
            None
        }
    };
    parts.into_iter().filter_map(confirmed).collect()
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn renew_hostname(name: &str) -> io::Result<()> {
    set_hostname(name)?;
    small::write("/etc/hostname", &format!("{name}\n"))
}

fn renew_hosts(name: &str) -> io::Result<()> {
    let hosts = small::read("/etc/hosts").unwrap_or_default();
    small::write("/etc/hosts", &with_own_name(&hosts, name))
}

/// The hosts file with the line of our own name replaced. Debian keeps that name at 127.0.1.1.
fn with_own_name(hosts: &str, name: &str) -> String {
    let others = hosts.lines().filter(|line| line.split_whitespace().next() != Some("127.0.1.1"));
    let mut lines: Vec<&str> = others.collect();
    if !lines.iter().any(|line| line.split_whitespace().any(|word| word == "localhost")) {
        lines.insert(0, "127.0.0.1 localhost");
    }
    let own = format!("127.0.1.1 {name}");
    lines.push(&own);
    lines.join("\n") + "\n"
}

fn write_identity(asked: &Renewal) -> io::Result<()> {
    fs::create_dir_all("/run/wrenn")?;
    let identity = serde_json::json!({ "capsule_id": asked.capsule_id, "template": asked.template });
    small::write("/run/wrenn/identity.json", &identity.to_string())?;
    small::write("/run/wrenn/capsule-id", &format!("{}\n", asked.capsule_id))?;
    small::write("/run/wrenn/template", &format!("{}\n", asked.template))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewal() -> Renewal {
        Renewal {
            seed: BASE64_STANDARD.encode([7; 64]),
            unix_time_ns: "1".into(),
            hostname: "cl-1".into(),
            machine_id: "0".repeat(32),
            capsule_id: "cl-1".into(),
            template: "minimal".into(),
        }
    }

    #[test]
    fn values_of_the_wrong_form_are_refused() {
        assert_eq!(renewal().check().unwrap(), (vec![7; 64], 1));
        for broken in [
            Renewal { seed: "AAAA".into(), ..renewal() },
            Renewal { unix_time_ns: "now".into(), ..renewal() },
            Renewal { hostname: "a b".into(), ..renewal() },
            Renewal { machine_id: "xyz".into(), ..renewal() },
            Renewal { template: "a\0b".into(), ..renewal() },
            Renewal { capsule_id: "x".repeat(1000), ..renewal() },
        ] {
            assert!(broken.check().is_err());
        }
    }

    #[test]
    fn the_hosts_file_keeps_its_other_lines() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 old\n10.0.0.1 db\n";
        assert_eq!(with_own_name(hosts, "new"), "127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1 new\n");
        assert_eq!(with_own_name("", "new"), "127.0.0.1 localhost\n127.0.1.1 new\n");
    }
}
