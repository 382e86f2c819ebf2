//! What a restored capsule must not share with its siblings: randomness, time, names.

use std::fs;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::failure::Failure;
use crate::init::complain;
use crate::small;
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

/// Renews, and returns the names of what really was renewed.
pub fn renew(asked: &Renewal, machine: Machine) -> Result<Vec<&'static str>, Failure> {
    let seed = BASE64_STANDARD.decode(&asked.seed).unwrap_or_default();
    if seed.len() < SMALLEST_SEED {
        return Err(Failure::invalid(format!("The seed must be {SMALLEST_SEED} bytes or more, in base64.")));
    }
    let time: i64 = asked.unix_time_ns.parse().map_err(|_| Failure::invalid("The time must be a decimal number."))?;
    if asked.hostname.is_empty() || asked.hostname.len() > 64 || !asked.hostname.bytes().all(is_host_byte) {
        return Err(Failure::invalid("The hostname must be 1 to 64 letters, digits and hyphens."));
    }
    if asked.machine_id.len() != 32 || !asked.machine_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::invalid("The machine id must be 32 hex digits."));
    }
    if machine == Machine::Foreign {
        return Ok(vec![]);
    }
    let parts = [
        ("random", add_entropy(&seed)),
        ("clock", set_clock(time)),
        ("hostname", renew_hostname(&asked.hostname)),
        ("machine_id", small::write("/etc/machine-id", &format!("{}\n", asked.machine_id))),
        ("identity", write_identity(asked)),
    ];
    Ok(parts
        .into_iter()
        .filter_map(|(name, result)| {
            result.map_err(|error| complain(&format!("renewing {name}: {error}"))).ok().map(|()| name)
        })
        .collect())
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn renew_hostname(name: &str) -> io::Result<()> {
    set_hostname(name)?;
    small::write("/etc/hostname", &format!("{name}\n"))?;
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
    small::write("/run/wrenn/identity.json", &identity.to_string())
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
    fn a_machine_that_is_no_capsule_is_left_alone() {
        assert!(renew(&renewal(), Machine::Foreign).unwrap().is_empty());
    }

    #[test]
    fn values_of_the_wrong_form_are_refused() {
        for broken in [
            Renewal { seed: "AAAA".into(), ..renewal() },
            Renewal { unix_time_ns: "now".into(), ..renewal() },
            Renewal { hostname: "a b".into(), ..renewal() },
            Renewal { machine_id: "xyz".into(), ..renewal() },
        ] {
            assert!(renew(&broken, Machine::Foreign).is_err());
        }
    }

    #[test]
    fn the_hosts_file_keeps_its_other_lines() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 old\n10.0.0.1 db\n";
        assert_eq!(with_own_name(hosts, "new"), "127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1 new\n");
        assert_eq!(with_own_name("", "new"), "127.0.0.1 localhost\n127.0.1.1 new\n");
    }
}
