//! What the machine is doing, read at the moment when it is asked for.

use std::ffi::CStr;
use std::io;

use serde::Serialize;

use crate::failure::Failure;
use crate::small;
use crate::system::check;

#[derive(Debug, PartialEq, Serialize)]
pub struct Metrics {
    cpu: Cpu,
    memory: Memory,
    disk: Disk,
    /// Processes and their threads, as the kernel counts them.
    processes: u64,
    /// Of 1, 5 and 15 minutes.
    load: [f64; 3],
}

/// Since the machine's start, of all processors together.
#[derive(Debug, PartialEq, Serialize)]
struct Cpu {
    busy: u64,
    total: u64,
    count: usize,
}

/// In bytes.
#[derive(Debug, PartialEq, Serialize)]
struct Memory {
    total: u64,
    available: u64,
    used: u64,
}

/// In bytes, of the root file system.
#[derive(Debug, PartialEq, Serialize)]
struct Disk {
    total: u64,
    used: u64,
}

impl Metrics {
    pub fn read() -> Result<Metrics, Failure> {
        let read = |path: &str| small::read(path).map_err(|error| Failure::of(&error, path));
        let (load, processes) = load(&read("/proc/loadavg")?);
        let disk = disk(c"/").map_err(|error| Failure::of(&error, "/"))?;
        Ok(Metrics { cpu: cpu(&read("/proc/stat")?), memory: memory(&read("/proc/meminfo")?), disk, processes, load })
    }
}

/// From lines of `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
fn cpu(stat: &str) -> Cpu {
    let mut lines = stat.lines();
    let all = lines.next().unwrap_or("").split_whitespace().skip(1);
    // A guest's time is a part of the user's.
    let times: Vec<u64> = all.take(8).map(|time| time.parse().unwrap_or(0)).collect();
    let total = times.iter().sum();
    // Not busy: idle, waiting for the disk, and what the host kept for others.
    let rest: u64 = [3, 4, 7].iter().filter_map(|i| times.get(*i)).sum();
    Cpu { busy: total - rest, total, count: lines.take_while(|line| line.starts_with("cpu")).count() }
}

fn memory(meminfo: &str) -> Memory {
    let find = |name: &str| -> u64 {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    };
    let (total, available) = (find("MemTotal"), find("MemAvailable"));
    Memory { total, available, used: total.saturating_sub(available) }
}

/// From `0.00 0.01 0.05 running/total last-pid`.
fn load(loadavg: &str) -> ([f64; 3], u64) {
    let fields: Vec<&str> = loadavg.split_whitespace().collect();
    let average = |i: usize| fields.get(i).and_then(|field| field.parse().ok()).unwrap_or(0.0);
    let total = fields.get(3).and_then(|field| field.split_once('/')?.1.parse().ok());
    ([average(0), average(1), average(2)], total.unwrap_or(0))
}

fn disk(path: &CStr) -> io::Result<Disk> {
    // SAFETY: a string that ends in NUL; the structure is filled before it is read.
    let found = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        check(libc::statvfs(path.as_ptr(), &mut found))?;
        found
    };
    let bytes = |blocks: u64| blocks * found.f_frsize;
    Ok(Disk { total: bytes(found.f_blocks), used: bytes(found.f_blocks.saturating_sub(found.f_bfree)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_understood() {
        let stat = "cpu  100 20 30 400 50 6 7 8 9 1\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n";
        assert_eq!(cpu(stat), Cpu { busy: 163, total: 621, count: 2 });
        let meminfo = "MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(memory(meminfo), Memory { total: 2 << 20, available: 1 << 20, used: 1 << 20 });
        assert_eq!(load("0.50 0.25 1.00 3/142 999\n"), ([0.5, 0.25, 1.0], 142));
        assert_eq!((cpu("").total, load("").1, memory("x").total), (0, 0, 0));
    }
}
