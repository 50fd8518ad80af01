//! Step 0 of every request: the sockets that are listened on, bound here or inherited.
//!
//! They are bound before the application is loaded, so that a wrong address is told at once, and
//! the manager accepts from them when the first worker is ready. The supervisor keeps them as long
//! as it runs, for the next manager.
//!
//! An inherited socket belongs to whoever handed it down: it is never shut down, its path never
//! removed.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{SocketAddrV4, SocketAddrV6, sockopt};

use crate::config::{Host, Inherited, Listen};
use crate::listener::{Address, Listener};
use crate::os;

/// An address could not be listened on: the server ends with status 4.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address as it was given.
    pub address: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// All listeners, and the paths that go when the server stops.
#[derive(Debug, Default)]
pub struct Listeners {
    all: Vec<Listener>,
    paths: Vec<BoundPath>,
}

/// A socket's path in the file system, and which file it was.
#[derive(Debug, PartialEq, Eq)]
struct BoundPath {
    path: PathBuf,
    file: (u64, u64),
}

impl Listeners {
    /// Takes what was inherited or, if nothing was, binds `listen`. After an error nothing is left
    /// behind.
    ///
    /// # Errors
    ///
    /// The first address that could not be listened on.
    pub fn bind(
        listen: &[Listen],
        inherited: &[Inherited],
        backlog: u32,
    ) -> Result<Self, ListenError> {
        let mut listeners = Self::default();
        let done = if inherited.is_empty() {
            listen.iter().try_for_each(|listen| listeners.add(listen, backlog))
        } else {
            inherited.iter().try_for_each(|entry| listeners.inherit(entry))
        };
        if done.is_err() {
            listeners.remove_paths();
        }
        done.map(|()| listeners)
    }

    fn add(&mut self, listen: &Listen, backlog: u32) -> Result<(), ListenError> {
        let failed = |source| ListenError { address: listen.to_string(), source };
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match listen {
            Listen::Tcp { host, port } => {
                self.all.push(tcp(host, *port, backlog).map_err(failed)?);
            }
            Listen::Unix { path, mode, owner, group, unlink } => {
                let (socket, bound) = unix(path, *unlink).map_err(failed)?;
                self.paths.push(bound);
                // Before it listens: nobody can connect yet, so nobody slips in under the umask.
                restrict(path, *mode, owner.as_deref(), group.as_deref()).map_err(failed)?;
                net::listen(&socket, backlog).map_err(|error| failed(error.into()))?;
                self.all.push(Listener { socket, address: Address::unix(listen.to_string()) });
            }
        }
        Ok(())
    }

    fn inherit(&mut self, entry: &Inherited) -> Result<(), ListenError> {
        let failed = |source| ListenError {
            address: format!("the inherited descriptor {} ({})", entry.fd, entry.name),
            source,
        };
        self.all.push(inherited(entry).map_err(failed)?);
        Ok(())
    }

    /// The listeners, in the order given.
    pub fn all(&self) -> &[Listener] {
        &self.all
    }

    /// What they are called, in the same order.
    pub fn addresses(&self) -> Vec<Address> {
        self.all.iter().map(|listener| listener.address.clone()).collect()
    }

    /// The same listeners under other numbers, for a manager.
    ///
    /// # Errors
    ///
    /// No descriptors are left.
    pub fn try_clone(&self) -> io::Result<Vec<Listener>> {
        self.all.iter().map(Listener::try_clone).collect()
    }

    /// Stops listening, as far as this process goes.
    pub fn close(&mut self) {
        self.all.clear();
    }

    /// Removes the paths that were made here, if they are still the same files: a successor may
    /// have put its own there.
    pub fn remove_paths(&mut self) {
        for bound in self.paths.drain(..) {
            if file_at(&bound.path).is_ok_and(|file| file == bound.file) {
                // Somebody else may have removed it since: that is as well.
                let _ = fs::remove_file(&bound.path);
            }
        }
    }
}

fn tcp(host: &Host, port: u16, backlog: i32) -> io::Result<Listener> {
    let (name, ip) = match host {
        Host::V4Any => ("0.0.0.0".to_owned(), Ipv4Addr::UNSPECIFIED.into()),
        Host::Named(name) => (name.clone(), resolve(name)?),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = if ip.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    // The connections of a server that has just stopped do not keep the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::bind(&socket, &SocketAddr::new(ip, port))?;
    net::listen(&socket, backlog)?;
    let port = tcp_name(&socket)?.map_or(port, |name| name.port());
    Ok(Listener { socket, address: Address::tcp(name, ip, port) })
}

/// The address of a name. Of several the first of IPv4 is taken: that is what Perl's servers bind,
/// and clients try all of them.
fn resolve(name: &str) -> io::Result<IpAddr> {
    let all: Vec<_> = (name, 0).to_socket_addrs()?.map(|address| address.ip()).collect();
    let first = all.iter().find(|ip| ip.is_ipv4()).or(all.first());
    first.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address"))
}

fn unix(path: &Path, unlink: bool) -> io::Result<(OwnedFd, BoundPath)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    match net::bind(&socket, &address) {
        Err(Errno::ADDRINUSE) if is_socket(path) && (unlink || nobody_answers(&address)?) => {
            fs::remove_file(path)?;
            net::bind(&socket, &address)?;
        }
        done => done?,
    }
    Ok((socket, BoundPath { path: path.to_owned(), file: file_at(path)? }))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// Whether a socket file was left behind by somebody who is dead. One who is only too busy to
/// answer is not.
fn nobody_answers(address: &SocketAddrUnix) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(net::connect(&probe, address) == Err(Errno::CONNREFUSED))
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

fn restrict(
    path: &Path,
    mode: Option<u32>,
    owner: Option<&str>,
    group: Option<&str>,
) -> io::Result<()> {
    let unknown = |what: &str, name: &str| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} {name}"))
    };
    let owner = owner.map(|name| os::user::user(name).ok_or_else(|| unknown("user", name)));
    let group = group.map(|name| os::user::group(name).ok_or_else(|| unknown("group", name)));
    let (owner, group) = (owner.transpose()?, group.transpose()?);
    if owner.is_some() || group.is_some() {
        lchown(path, owner, group)?;
    }
    match mode {
        Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

fn inherited(entry: &Inherited) -> io::Result<Listener> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let socket = os::socket::inherit(entry.fd)?;
    if sockopt::socket_type(&socket)? != SocketType::STREAM {
        return Err(wrong("it is no stream socket"));
    }
    if !sockopt::socket_acceptconn(&socket)? {
        return Err(wrong("it does not listen"));
    }
    rustix::io::ioctl_fionbio(&socket, true)?;
    let address = match tcp_name(&socket)? {
        Some(at) => Address::tcp(host_of(&entry.name, at.ip()), at.ip(), at.port()),
        // systemd gives a name, and no path.
        None if entry.name.contains('/') => Address::unix(entry.name.clone()),
        None => Address::unix(unix_name(&socket)?.unwrap_or_else(|| entry.name.clone())),
    };
    Ok(Listener { socket, address })
}

/// The path that a UNIX socket is bound to, if it has one.
fn unix_name(socket: &OwnedFd) -> io::Result<Option<String>> {
    let name = SocketAddrUnix::try_from(net::getsockname(socket)?)?;
    Ok(name.path().map(|path| path.to_string_lossy().into_owned()))
}

/// The host in a name that Server::Starter gave: `5000`, `127.0.0.1:5000`, `[::1]:5000`.
fn host_of(name: &str, ip: IpAddr) -> String {
    match name.rsplit_once(':') {
        Some((host, _)) if !host.is_empty() => {
            host.trim_start_matches('[').trim_end_matches(']').to_owned()
        }
        _ => ip.to_string(),
    }
}

/// The address that a TCP socket is bound to; `None` if it is a UNIX socket.
fn tcp_name(socket: &OwnedFd) -> io::Result<Option<SocketAddr>> {
    let name: SocketAddrAny = net::getsockname(socket)?;
    match name.address_family() {
        AddressFamily::INET => Ok(Some(SocketAddrV4::try_from(name)?.into())),
        AddressFamily::INET6 => Ok(Some(SocketAddrV6::try_from(name)?.into())),
        AddressFamily::UNIX => Ok(None),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither TCP nor UNIX")),
    }
}

#[cfg(test)]
mod tests;
