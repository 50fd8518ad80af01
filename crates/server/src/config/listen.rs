//! Addresses to listen on, as they are written.
//!
//! Reading only: names are resolved and sockets bound by the supervisor. An address is shown again
//! as it was given, because that is what log lines and the application's `SERVER_NAME` say.

use std::fmt;
use std::path::PathBuf;

/// Bytes that a path may have in a UNIX socket's address (`sun_path`, less its final NUL).
const MOST_PATH: usize = 107;

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Over TCP.
    Tcp {
        /// Where.
        host: Host,
        /// The port; 0 lets the kernel choose one.
        port: u16,
    },
    /// A UNIX socket in the file system.
    Unix {
        /// Its path, at most 107 bytes, maybe relative.
        path: PathBuf,
        /// The permissions it gets, as for chmod; `None` leaves it to the umask.
        mode: Option<u32>,
        /// The user who is to own it, by name or number.
        owner: Option<String>,
        /// The group that is to own it, by name or number.
        group: Option<String>,
        /// Whether a socket that is already there is removed without asking who answers on it.
        unlink: bool,
    },
}

/// The host part of a TCP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// None was given: every IPv4 address of this machine.
    V4Any,
    /// A name or an address, as given, an IPv6 address without its brackets.
    Named(String),
}

/// A listening socket that a parent process has bound for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// What the parent calls it: `5000`, `127.0.0.1:5000`, `/run/app.sock`.
    pub name: String,
    /// The number of the descriptor it comes as. Not checked yet.
    pub fd: i32,
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadListen {
    /// It is no address: what it should be.
    Expected(&'static str),
    /// This part of it is not what it should be.
    Part(String, &'static str),
    /// It is one that we refuse: why.
    Refused(&'static str),
}

impl Listen {
    /// A UNIX socket with nothing said about who may use it.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix { path: path.into(), mode: None, owner: None, group: None, unlink: false }
    }

    /// Gives the socket to these, unless it was said whose it is.
    pub(super) fn belong_to(&mut self, user: &Option<String>, its: &Option<String>) {
        if let Self::Unix { owner, group, .. } = self {
            *owner = owner.take().or_else(|| user.clone());
            *group = group.take().or_else(|| its.clone());
        }
    }

    /// Reads `host:port`, `:port`, `[v6]:port`, `/path`, or `unix:/path?mode=0660&…`.
    pub(super) fn read(text: &str) -> Result<Self, BadListen> {
        if let Some(rest) = text.strip_prefix("unix:") {
            return read_unix(rest);
        }
        if text.contains('/') {
            return read_path(text).map(Self::unix);
        }
        if text.ends_with(":ssl") {
            return Err(BadListen::Refused("TLS is the edge's, or a proxy's in front"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(BadListen::Expected(
                "host:port, :port, [v6]:port, unix:path or a path with a / in it (./app.sock)",
            ));
        };
        let port =
            read_port(port).ok_or(BadListen::Expected("an address with a port 0 to 65535"))?;
        Ok(Self::Tcp { host: read_host(host)?, port })
    }
}

impl Host {
    /// Reads what stands in an option of its own, where an IPv6 address needs no brackets.
    pub(super) fn read(text: &str) -> Self {
        match text {
            "" | "*" | "0" => Self::V4Any,
            _ => Self::Named(
                text.strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'))
                    .unwrap_or(text)
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: Host::V4Any, port } => write!(out, ":{port}"),
            Self::Tcp { host: Host::Named(name), port } if name.contains(':') => {
                write!(out, "[{name}]:{port}")
            }
            Self::Tcp { host: Host::Named(name), port } => write!(out, "{name}:{port}"),
            Self::Unix { path, .. } => write!(out, "{}", path.display()),
        }
    }
}

impl Inherited {
    /// Reads Server::Starter's `SERVER_STARTER_PORT`: entries `name=number`, separated by `;`. A
    /// path may hold a `=`, so the last one counts. `Err` is the entry that is none.
    pub(super) fn read_all(text: &str) -> Result<Vec<Self>, String> {
        let entries = text.split(';').filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let (name, number) = entry.rsplit_once('=').ok_or_else(|| entry.to_owned())?;
                let fd = number.parse().ok().filter(|fd| *fd >= 0);
                let fd = fd.filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()));
                Ok(Self { name: name.to_owned(), fd: fd.ok_or_else(|| entry.to_owned())? })
            })
            .collect()
    }
}

/// What systemd says of the sockets that it hands down (sd_listen_fds(3)), as it is in the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activation {
    /// `LISTEN_PID`: the process that they are for.
    pub pid: Option<String>,
    /// `LISTEN_FDS`: how many; the first is descriptor 3.
    pub count: Option<String>,
    /// `LISTEN_FDNAMES`: what the socket units call them, separated by `:`.
    pub names: Option<String>,
}

impl Activation {
    /// The sockets that are for process `me`; the others are somebody else's. `Err` is the variable that
    /// makes no sense, and its value.
    pub(super) fn read(&self, me: i32) -> Result<Vec<Inherited>, (&'static str, String)> {
        let (Some(pid), Some(count)) = (&self.pid, &self.count) else { return Ok(Vec::new()) };
        let pid = pid.parse::<i32>().map_err(|_| ("LISTEN_PID", pid.clone()))?;
        let number = count.parse::<u8>().map_err(|_| ("LISTEN_FDS", count.clone()))?;
        if pid != me {
            return Ok(Vec::new());
        }
        let names = self.names.as_deref().unwrap_or_default().split(':');
        let names = names.map(Some).chain(std::iter::repeat(None));
        let named = (3..).zip(names).take(usize::from(number));
        let called = |name: Option<&str>| match name {
            None | Some("") => "LISTEN_FDS".to_owned(),
            Some(name) => name.to_owned(),
        };
        Ok(named.map(|(fd, name)| Inherited { name: called(name), fd }).collect())
    }
}

fn read_host(text: &str) -> Result<Host, BadListen> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => {
            Ok(Host::Named(inner.to_owned()))
        }
        Some(_) => Err(BadListen::Expected("an IPv6 address in its brackets")),
        None if text.contains(':') => {
            Err(BadListen::Expected("an address: IPv6 is written in brackets, [::1]:5000"))
        }
        None if text.bytes().any(|byte| byte <= b' ' || byte == 0x7F) => {
            Err(BadListen::Expected("a host name"))
        }
        None => Ok(Host::read(text)),
    }
}

/// Reads a port: digits alone.
pub(super) fn read_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Reads the path of a UNIX socket.
pub(super) fn read_path(text: &str) -> Result<PathBuf, BadListen> {
    if text.is_empty() || text.len() > MOST_PATH || text.contains('\0') {
        return Err(BadListen::Expected("a path of 1 to 107 bytes"));
    }
    Ok(PathBuf::from(text))
}

/// Reads the path of a file.
pub(super) fn read_file(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

fn read_unix(text: &str) -> Result<Listen, BadListen> {
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let path = read_path(before)?;
    let (mut mode, mut owner, mut group, mut unlink) = (None, None, None, false);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("mode", octal)) => mode = Some(read_mode(octal)?),
            Some(("owner", name)) if !name.is_empty() => owner = Some(name.to_owned()),
            Some(("group", name)) if !name.is_empty() => group = Some(name.to_owned()),
            Some(("unlink", "0")) => unlink = false,
            Some(("unlink", "1")) => unlink = true,
            _ => {
                let known = "mode=0660, owner=user, group=group or unlink=1";
                return Err(BadListen::Part(pair.to_owned(), known));
            }
        }
    }
    Ok(Listen::Unix { path, mode, owner, group, unlink })
}

fn read_mode(octal: &str) -> Result<u32, BadListen> {
    let digits = octal.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(octal, 8).ok().filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| BadListen::Part(format!("mode={octal}"), "a mode in octal, from 0 to 0777"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_systemd_are_those_for_this_process() {
        let read = |pid: &str, count: &str, names: Option<&str>| {
            let text = |text: &str| Some(text.to_owned());
            Activation { pid: text(pid), count: text(count), names: names.and_then(text) }
                .read(4711)
        };
        let socket = |name: &str, fd| Inherited { name: name.to_owned(), fd };
        let all = [socket("web.socket", 3), socket("LISTEN_FDS", 4), socket("extra", 5)];
        assert_eq!(read("4711", "3", Some("web.socket::extra")).unwrap(), all);
        let unnamed = [socket("LISTEN_FDS", 3), socket("LISTEN_FDS", 4)];
        assert_eq!(read("4711", "2", None).unwrap(), unnamed);
        assert_eq!(read("4712", "1", None).unwrap(), [], "another's");
        assert_eq!(Activation::default().read(4711).unwrap(), []);
        assert_eq!(read("4711", "some", None).unwrap_err(), ("LISTEN_FDS", "some".to_owned()));
        assert_eq!(read("me", "1", None).unwrap_err(), ("LISTEN_PID", "me".to_owned()));
    }
}
