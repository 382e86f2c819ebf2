//! The capsule's network card. What it is connected to is the host's affair: here it is the same in every capsule.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::small;
use crate::system::check;

const CARD: &str = "eth0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 213, 2);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 252);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 213, 1);
const RESOLVER: &str = "/etc/resolv.conf";

/// Gives the card its address and its route, and says where names are asked. A machine without a card is fine.
pub fn up() -> io::Result<()> {
    if !Path::new(&format!("/sys/class/net/{CARD}")).exists() {
        return Ok(());
    }
    // There is no IPv6 beyond the capsule; without this the card would look for it again and again.
    let _ = small::write(&format!("/proc/sys/net/ipv6/conf/{CARD}/disable_ipv6"), "1");
    // Where the host gives no network, the link is down, and programs are to hear so at once.
    let _ = small::write(&format!("/proc/sys/net/ipv4/conf/{CARD}/ignore_routes_with_linkdown"), "1");
    let socket = Socket::open()?;
    socket.set(libc::SIOCSIFADDR, |request| request.ifr_ifru.ifru_addr = address(ADDRESS))?;
    socket.set(libc::SIOCSIFNETMASK, |request| request.ifr_ifru.ifru_netmask = address(MASK))?;
    socket.set(libc::SIOCSIFFLAGS, |request| {
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    })?;
    socket.route_all(GATEWAY)?;
    write_resolver()
}

fn write_resolver() -> io::Result<()> {
    // It may be a link to a file of a program that does not run here.
    if fs::symlink_metadata(RESOLVER).is_ok_and(|found| !found.is_file()) {
        fs::remove_file(RESOLVER)?;
    }
    small::write(RESOLVER, &format!("nameserver {GATEWAY}\noptions timeout:2 attempts:2\n"))
}

struct Socket(libc::c_int);

impl Socket {
    fn open() -> io::Result<Self> {
        // SAFETY: plain numbers.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        check(fd).map(|()| Self(fd))
    }

    fn set(&self, what: libc::c_ulong, fill: impl FnOnce(&mut libc::ifreq)) -> io::Result<()> {
        // SAFETY: the structure is zeroed, named, and lives through the call.
        unsafe {
            let mut request: libc::ifreq = std::mem::zeroed();
            for (place, byte) in request.ifr_name.iter_mut().zip(CARD.bytes()) {
                *place = byte as libc::c_char;
            }
            fill(&mut request);
            check(libc::ioctl(self.0, what as libc::Ioctl, &request))
        }
    }

    /// Sends all that is for elsewhere to the gateway. A route that is there already is fine.
    fn route_all(&self, gateway: Ipv4Addr) -> io::Result<()> {
        // SAFETY: the structure is zeroed, which is "everything, by whatever device", and lives through the call.
        let result = unsafe {
            let mut route: libc::rtentry = std::mem::zeroed();
            route.rt_dst = address(Ipv4Addr::UNSPECIFIED);
            route.rt_genmask = address(Ipv4Addr::UNSPECIFIED);
            route.rt_gateway = address(gateway);
            route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
            check(libc::ioctl(self.0, libc::SIOCADDRT as libc::Ioctl, &route))
        };
        result.or_else(|error| if error.raw_os_error() == Some(libc::EEXIST) { Ok(()) } else { Err(error) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(self.0) };
    }
}

/// An address as the kernel's old calls want it.
fn address(ip: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    // After the port.
    for (place, byte) in data[2..6].iter_mut().zip(ip.octets()) {
        *place = byte as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_after_the_port() {
        let raw = address(GATEWAY);
        assert_eq!(raw.sa_data[..6].iter().map(|byte| *byte as u8).collect::<Vec<_>>(), [0, 0, 192, 168, 213, 1]);
    }
}
