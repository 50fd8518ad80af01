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
        (Doors::Plackup, Standing::Built) => Ok(()),
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
}

impl Derived {
    fn add(&mut self, key: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match key {
            "host" => self.host = value,
            "port" => self.port = value,
            "socket" => self.socket = value,
            _ => self.listen.extend(value),
        }
    }

    /// listen is the truth when present, and the others are derived from it, but for elements
    /// that they say better. A `socket_path` replaces plackup's default, and joins anything else.
    fn settle(&self, options: &mut Options, errors: &mut Vec<OptionError>) {
        if self.listen.is_empty() {
            for (name, value) in
                [("host", &self.host), ("port", &self.port), ("socket", &self.socket)]
            {
                let set = value.as_ref().map(|value| options.set(name, Some(value)));
                errors.extend(set.and_then(Result::err));
            }
            return;
        }
        if options.socket.is_some() && self.listen == [DEFAULT] {
            return;
        }
        for element in &self.listen {
            match self.known(element) {
                Some(address) => options.listen.push(address),
                None => errors.extend(options.set("listen", Some(element)).err()),
            }
        }
    }

    /// An element that host and port, or socket, say without ambiguity: `--host ::1 --port 80`
    /// makes it `::1:80`, and `-S app.sock` a word without a slash.
    fn known(&self, element: &str) -> Option<Listen> {
        if self.socket.as_deref() == Some(element) && !element.contains(['/', ':']) {
            return Some(Listen::unix(element));
        }
        let (host, port) = (self.host.as_deref()?, self.port.as_deref()?);
        let number = read_port(port).filter(|_| element == format!("{host}:{port}"))?;
        Some(Listen::Tcp { host: Host::read(host), port: number })
    }
}
