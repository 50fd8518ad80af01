//! What plackup does to options before its handler sees them, undone.
//!
//! plackup always appends host, port, socket and listen, derived from one another (for
//! `-l [::1]:5000` the host is `[`); a bare `--key` takes the next word. Code that calls
//! Plack::Loader itself passes port and host without listen.

use super::asked::Options;
use super::error::OptionError;
use super::listen::{Host, Listen, read_port};
use super::names;
use super::table::{Doors, Standing};
use super::value::Unit;

/// What plackup listens on if nothing was said.
const DEFAULT: &str = ":5000";

/// Reads the pairs that a handler's `new` was given. An undef is `None`; `listen` is repeated, once
/// for each element of its array; of a value that is code only the name matters.
///
/// # Errors
///
/// All that is wrong with them.
pub fn options<I>(pairs: I) -> Result<Options, Vec<OptionError>>
where
    I: IntoIterator<Item = (String, Option<String>)>,
{
    let mut options = Options::default();
    let mut errors = Vec::new();
    let mut derived = Derived::default();
    for (key, value) in pairs {
        let value = value.as_deref();
        let set = match key.as_str() {
            "host" | "port" | "socket" | "listen" => {
                derived.add(&key, value);
                Ok(())
            }
            "keepalive" => options.set(&key, value.map(truth)),
            _ => set_other(&mut options, &key, value),
        };
        errors.extend(set.err());
    }
    derived.settle(&mut options, &mut errors);
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

/// Any true value is on: Catalyst's server script passes 1 and 100. Words stay what they are.
fn truth(value: &str) -> &str {
    let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if number && value.bytes().any(|byte| byte != b'0') { "1" } else { value }
}

fn set_other(options: &mut Options, key: &str, value: Option<&str>) -> Result<(), OptionError> {
    let Some(opt) = names::find(key) else { return options.set(key, value) };
    match (opt.doors, opt.standing) {
        (Doors::Program, _) => Err(OptionError::Refused {
            name: key.to_owned(),
            why: "the program's; plackup takes its own from the command line".to_owned(),
        }),
        // Code: the handler itself keeps and calls it.
        (Doors::Plackup, Standing::Built) if opt.unit == Unit::Code => Ok(()),
        _ => options.set(key, value),
    }
}

/// The four keys that say where to listen.
#[derive(Default)]
struct Derived {
    host: Option<String>,
    port: Option<String>,
    socket: Option<String>,
    listen: Vec<String>,
    /// The first three, as far as they were given: maybe as undef.
    given: Vec<&'static str>,
    /// What was given before the last time.
    superseded: Vec<(&'static str, Option<String>)>,
}

impl Derived {
    fn add(&mut self, key: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        let (name, place) = match key {
            "host" => ("host", &mut self.host),
            "port" => ("port", &mut self.port),
            "socket" => ("socket", &mut self.socket),
            _ => match value {
                None => return self.superseded.push(("listen", None)),
                Some(_) => return self.listen.extend(value),
            },
        };
        let before = std::mem::replace(place, value);
        if self.given.contains(&name) {
            self.superseded.push((name, before));
        }
        self.given.push(name);
    }

    /// listen is the truth when present. The others are derived from it; what is not, was typed
    /// beside it, and is listened on, too. Instead of plackup's default it is all that is listened
    /// on; so is a `socket_path`.
    fn settle(&self, options: &mut Options, errors: &mut Vec<OptionError>) {
        if self.listen.is_empty() {
            self.set(&["host", "port", "socket"], options, errors);
            return;
        }
        // plackup passes on what it could not read, and then says its own: so `--port=abc` comes
        // as a port abc before the port 5000.
        for (name, value) in &self.superseded {
            errors.extend(Options::default().set(name, value.as_deref()).err());
        }
        if self.socket.as_ref().is_some_and(|socket| !self.listen.contains(socket)) {
            self.set(&["socket"], options, errors);
        }
        if !self.is_derived() {
            let mut typed = Options::default();
            self.set(&["host", "port"], &mut typed, errors);
            let host = typed.host.unwrap_or(Host::V4Any);
            options.listen.push(Listen::Tcp { host, port: typed.port.unwrap_or(5_000) });
        }
        let said = options.socket.is_some() || !options.listen.is_empty();
        if said && self.listen == [DEFAULT] {
            return;
        }
        for element in &self.listen {
            match self.known(element) {
                Some(address) => options.listen.push(address),
                None => errors.extend(options.set("listen", Some(element)).err()),
            }
        }
    }

    /// Sets these as if they had been typed for the program.
    fn set(&self, names: &[&str], options: &mut Options, errors: &mut Vec<OptionError>) {
        for name in names {
            let value = match *name {
                "host" => &self.host,
                "port" => &self.port,
                _ => &self.socket,
            };
            let set = value.as_ref().map(|value| options.set(name, Some(value)));
            errors.extend(set.and_then(Result::err));
        }
    }

    /// Whether host and port say nothing that listen does not.
    fn is_derived(&self) -> bool {
        match (&self.host, &self.port) {
            (_, Some(port)) => self.listen.iter().any(|e| e.ends_with(&format!(":{port}"))),
            (Some(host), None) => self.listen.iter().any(|e| e.starts_with(host)),
            (None, None) => true,
        }
    }

    /// An element that host and port say without ambiguity: `--host ::1 --port 80` makes it
    /// `::1:80`.
    fn known(&self, element: &str) -> Option<Listen> {
        let (host, port) = (self.host.as_deref()?, self.port.as_deref()?);
        let number = read_port(port).filter(|_| element == format!("{host}:{port}"))?;
        let host = Some(host).filter(|host| !host.contains('/'))?;
        Some(Listen::Tcp { host: Host::read(host), port: number })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{keys, listens, message};

    #[test]
    fn nothing_that_was_typed_for_plackup_gets_lost() {
        // plackup --port=6030 -S /x
        let port = [("host", "undef"), ("port", "6030"), ("listen", "/x"), ("socket", "/x")];
        assert_eq!(listens(keys(&port)), [":6030", "/x"]);
        // plackup --host ::1 -S /x
        let host = [("host", "::1"), ("port", "undef"), ("listen", "/x"), ("socket", "/x")];
        assert_eq!(listens(keys(&host)), ["[::1]:5000", "/x"]);
        // plackup -l :80 -S /x
        let socket = [("host", "undef"), ("port", "80"), ("listen", ":80"), ("socket", "/x")];
        assert_eq!(listens(keys(&socket)), [":80", "/x"]);
        // Plack::Runner's set_options(port => 80), after it has read its command line
        let later = [("port", "5000"), ("listen", ":5000"), ("port", "80")];
        assert_eq!(listens(keys(&later)), [":80"]);
        // Code that says the same twice
        let twice = [("host", "0"), ("port", "80"), ("listen", ":80")];
        assert_eq!(listens(keys(&twice)), [":80"]);
        // plackup --port=abc
        let port = [("port", "abc"), ("host", "undef"), ("port", "5000"), ("listen", ":5000")];
        assert_eq!(message(keys(&port)), "port: \"abc\" is not a port from 0 to 65535");
        // plackup --host
        let none = [("host", "undef"), ("host", "undef"), ("port", "5000"), ("listen", ":5000")];
        assert!(message(keys(&none)).starts_with("host: nothing"));
        // plackup --listen
        let none = [("listen", "undef"), ("port", "5000"), ("listen", ":5000")];
        assert!(message(keys(&none)).starts_with("listen: nothing"));
        // plackup --listen 127.0.0.1
        for word in ["foo", "127.0.0.1", "5000"] {
            let said = message(keys(&[("listen", word), ("socket", word)]));
            assert!(said.contains("./app.sock"), "{said}");
        }
    }
}
