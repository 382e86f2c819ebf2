//! The boot id. The kernel makes it once and keeps it in memory, so that all clones would have the same one; what is read
//! in its place is a file of ours.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::small;
use crate::system::{mount, random_hex, unmount};

const KERNELS: &str = "/proc/sys/kernel/random/boot_id";
const OURS: &str = "/run/wrenn/boot_id";

/// Makes a new one. Where ours does not cover the kernel's yet, it does so from here on.
pub fn renew() -> io::Result<()> {
    small::write(OURS, &format!("{}\n", uuid(&random_hex(16))))?;
    if identity(KERNELS)? == identity(OURS)? {
        return Ok(());
    }
    // Somebody may have put another file in the place of ours: what covers is the old one.
    let _ = unmount(KERNELS);
    mount(OURS, KERNELS, "", (libc::MS_BIND, ""))
}

fn identity(path: &str) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// 32 random digits as a UUID, version 4.
fn uuid(digits: &str) -> String {
    let variant = ["8", "9", "a", "b"][usize::from(digits.as_bytes()[16]) % 4];
    let parts = [&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]];
    format!("{}-{}-4{}-{variant}{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_digits_become_a_uuid() {
        let made = uuid("0123456789abcdef0123456789abcdef");
        assert_eq!(made, "01234567-89ab-4def-8123-456789abcdef");
    }
}
