//! The way from the kernel's start to a capsule: the agent is process 1, first in the initramfs, then on the disk.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::limits::prefer;
use crate::net;
use crate::small;
use crate::system::{chroot_here, load_module, loopback_up, mount, set_hostname};

const DISK: &str = "/dev/vda";
const NEW_ROOT: &str = "/newroot";
/// The disk is there as soon as its driver is loaded; a slow machine may need a moment.
const DISK_PATIENCE: Duration = Duration::from_secs(5);
const NO: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Mounts, loads and moves until the disk is the root. Fails with what was being done.
pub fn start() -> Result<(), String> {
    step("mounting /proc", mount("proc", "/proc", "proc", (NO, "")))?;
    step("mounting /sys", mount("sysfs", "/sys", "sysfs", (NO, "")))?;
    step("mounting /dev", mount("devtmpfs", "/dev", "devtmpfs", (libc::MS_NOSUID, "mode=0755")))?;
    step("loading modules", load_modules())?;
    step("waiting for the disk", wait_for_disk())?;
    step("mounting the disk", mount(DISK, NEW_ROOT, "ext4", (libc::MS_NOATIME, "")))?;
    step("moving to the disk", move_to_disk())?;
    step("mounting the rest", mount_rest())?;
    step("bringing up the loopback interface", loopback_up())?;
    step("bringing up the network", net::up())?;
    step("setting the hostname", set_hostname("wrenn"))?;
    // When memory is used up, the kernel never ends process 1 for it; processors it has to be given.
    step("preferring the agent", prefer())
}

/// Says on the console why there is no capsule.
pub fn complain(message: &str) {
    let text = format!("wrenn-agent: {message}\n");
    for path in ["/dev/console", "/dev/kmsg"] {
        if let Ok(mut file) = small::open_to_write(path) {
            let _ = file.write_all(text.as_bytes());
        }
    }
}

fn step(what: &str, result: io::Result<()>) -> Result<(), String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn load_modules() -> io::Result<()> {
    for path in fs::read_to_string("/modules/order")?.lines() {
        load_module(Path::new(path)).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    }
    Ok(())
}

fn wait_for_disk() -> io::Result<()> {
    let deadline = Instant::now() + DISK_PATIENCE;
    while !Path::new(DISK).exists() {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("there is no {DISK}")));
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn move_to_disk() -> io::Result<()> {
    // The initramfs stays in memory for good: what is not needed any more is removed from it.
    fs::remove_dir_all("/modules")?;
    fs::remove_file("/init")?;
    for name in ["proc", "sys", "dev"] {
        let target = format!("{NEW_ROOT}/{name}");
        fs::create_dir_all(&target)?;
        mount(&format!("/{name}"), &target, "", (libc::MS_MOVE, ""))?;
    }
    std::env::set_current_dir(NEW_ROOT)?;
    mount(".", "/", "", (libc::MS_MOVE, ""))?;
    chroot_here()?;
    std::env::set_current_dir("/")
}

fn mount_rest() -> io::Result<()> {
    for (source, target, kind, options) in [
        ("devpts", "/dev/pts", "devpts", (libc::MS_NOSUID | libc::MS_NOEXEC, "gid=5,mode=620,ptmxmode=666")),
        ("tmpfs", "/dev/shm", "tmpfs", (libc::MS_NOSUID | libc::MS_NODEV, "mode=1777")),
        ("tmpfs", "/run", "tmpfs", (libc::MS_NOSUID | libc::MS_NODEV, "mode=0755")),
        ("cgroup2", "/sys/fs/cgroup", "cgroup2", (NO, "")),
    ] {
        if !Path::new(target).exists() {
            fs::create_dir_all(target)?;
        }
        mount(source, target, kind, options)?;
    }
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        let _ = std::os::unix::fs::symlink(target, format!("/dev/{link}"));
    }
    fs::create_dir_all("/run/lock")
}
