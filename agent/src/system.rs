//! The system calls that the standard library does not have.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// The kernel's release, as `uname -r` says.
pub fn kernel_release() -> String {
    // SAFETY: uname fills the structure with strings that end in NUL.
    unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&mut names);
        CStr::from_ptr(names.release.as_ptr()).to_string_lossy().into_owned()
    }
}

/// Writes what the file systems hold back.
pub fn sync() {
    // SAFETY: takes and returns nothing.
    unsafe { libc::sync() }
}

pub fn mount(source: &str, target: &str, kind: &str, options: (libc::c_ulong, &str)) -> io::Result<()> {
    let [source, target, kind, data] = [source, target, kind, options.1].map(|text| CString::new(text).unwrap());
    // SAFETY: all are strings that end in NUL.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), options.0, data.as_ptr().cast()) })
}

/// Takes the topmost mount off a path.
pub fn unmount(target: &str) -> io::Result<()> {
    let target = CString::new(target)?;
    // SAFETY: a string that ends in NUL.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

/// Makes the directory where we are the root of the file system.
pub fn chroot_here() -> io::Result<()> {
    // SAFETY: a string that ends in NUL.
    check(unsafe { libc::chroot(c".".as_ptr()) })
}

/// Loads a kernel module; one that is there already is fine.
pub fn load_module(path: &Path) -> io::Result<()> {
    let file = std::fs::File::open(path)?;
    // SAFETY: an open descriptor and an empty string.
    let result = check(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) as i32 });
    result.or_else(|error| if error.raw_os_error() == Some(libc::EEXIST) { Ok(()) } else { Err(error) })
}

pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the pointer is valid for the length.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
}

/// Sets the wall clock.
pub fn set_clock(nanoseconds: i64) -> io::Result<()> {
    let time = libc::timespec {
        tv_sec: nanoseconds.div_euclid(1_000_000_000),
        tv_nsec: nanoseconds.rem_euclid(1_000_000_000),
    };
    // SAFETY: a valid structure.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) })
}

/// Credits the seed to the kernel's random pool and makes it take effect at once (random(4)).
pub fn add_entropy(seed: &[u8]) -> io::Result<()> {
    const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;
    const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
    let pool = std::fs::OpenOptions::new().write(true).open("/dev/urandom")?;
    // struct rand_pool_info: bits of entropy, bytes, and the bytes.
    let mut info = Vec::with_capacity(8 + seed.len());
    info.extend((seed.len() as i32 * 8).to_ne_bytes());
    info.extend((seed.len() as i32).to_ne_bytes());
    info.extend(seed);
    // SAFETY: the structure is as the call wants it and lives through it.
    check(unsafe { libc::ioctl(pool.as_raw_fd(), RNDADDENTROPY, info.as_ptr()) })?;
    // SAFETY: takes no argument.
    check(unsafe { libc::ioctl(pool.as_raw_fd(), RNDRESEEDCRNG) })
}

/// Brings the loopback interface up.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: the structure is zeroed and named; the socket is closed before the return.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(socket)?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &request));
        libc::close(socket);
        result
    }
}

/// So many random bytes, as hex digits.
pub fn random_hex(bytes: usize) -> String {
    let mut random = vec![0u8; bytes];
    // SAFETY: the buffer is valid for its length.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A pipe: the end to read, and the end to write.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two; what is opened is owned at once.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Lets reads and writes return at once when they would have to wait.
pub fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: plain numbers and an open descriptor.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        check(flags)?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))
    }
}

/// How many bytes can be read at once.
pub fn bytes_waiting(fd: &OwnedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the count is written to a valid place.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut count) };
    if result < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}

pub fn read(fd: &OwnedFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for its length.
    let n = unsafe { libc::read(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

pub fn write(fd: &OwnedFd, data: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for its length.
    let n = unsafe { libc::write(fd.as_raw_fd(), data.as_ptr().cast(), data.len()) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends a signal to a process group; a group that is gone is fine.
pub fn signal_group(leader: i32, signal: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(-leader, signal) };
}

/// Sends a signal to one process; one that is gone is fine.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal) };
}

/// Makes orphans below us our children, so that they are reaped here.
pub fn become_subreaper() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// The next child that has ended, and its wait status.
pub fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status is written to a valid place.
    let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// Ends the machine.
pub fn power_off() -> ! {
    sync();
    // SAFETY: plain numbers; RESTART ends the vm too, where it was told not to reboot.
    unsafe {
        libc::reboot(libc::RB_POWER_OFF);
        libc::reboot(libc::RB_AUTOBOOT);
    }
    std::process::exit(1)
}

/// The error of a system call that says -1.
pub fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
