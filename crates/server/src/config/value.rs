//! Values of options: their units and ranges, and how they are read.
//!
//! A value is read strictly: a number that is none, is out of range or has a wrong unit is an error
//! that tells the range, because a setting that is quietly something else is worse than none.

use std::path::PathBuf;
use std::time::Duration;

use super::asked::{HalfClose, LogTo, Underscores, Usr1};
use super::error::{BOOLEANS, OptionError};
use super::listen::{self, BadListen, Host, Listen};
use super::peers::Peers;

/// What an option's value is, and in which range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// On or off.
    Boolean,
    /// A whole number.
    Count {
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// Seconds, decimals allowed.
    Seconds {
        /// The shortest.
        least: f64,
        /// The longest.
        most: f64,
    },
    /// Bytes, or bytes per second; plain or with k, m, g.
    Size {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A TCP port.
    Port,
    /// A host name or address.
    Host,
    /// An address to listen on.
    Address,
    /// The path of a socket, a file or a folder.
    Path,
    /// A file, or `| command`.
    Log,
    /// What becomes of fields with `_`: drop, reject, allow.
    Underscores,
    /// What becomes of a half-closed client.
    HalfClose,
    /// The number of a descriptor, from Perl only.
    Descriptor,
    /// What USR1 does.
    Usr1,
    /// Networks, and `unix`.
    Peers,
    /// Any text, of which this is an example's name in help.
    Text(&'static str),
    /// Text that can be a field's value: no control characters.
    Word,
    /// Code, from Perl only.
    Code,
}

/// A value, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Count(u32),
    Seconds(Duration),
    Size(u64),
    Port(u16),
    Host(Host),
    Address(Listen),
    Path(PathBuf),
    Log(LogTo),
    Underscores(Underscores),
    HalfClose(HalfClose),
    Descriptor(i32),
    Usr1(Usr1),
    Peers(Peers),
    Text(String),
}

/// Each of these gives the value if it is of that kind, which it is for an option of that unit.
macro_rules! kinds {
    ($($verb:ident $kind:ident $of:ty;)*) => {
        impl Value {
            $(pub(super) fn $verb(self) -> Option<$of> {
                if let Self::$kind(value) = self { Some(value) } else { None }
            })*
        }
    };
}

kinds! {
    flag Flag bool;
    count Count u32;
    seconds Seconds Duration;
    size Size u64;
    port Port u16;
    host Host Host;
    address Address Listen;
    path Path PathBuf;
    log Log LogTo;
    underscores Underscores Underscores;
    half_close HalfClose HalfClose;
    descriptor Descriptor i32;
    usr1 Usr1 Usr1;
    peers Peers Peers;
    text Text String;
}

impl Unit {
    /// Reads the value of the option that was typed as `name`.
    pub(super) fn read(self, name: &str, value: Option<&str>) -> Result<Value, OptionError> {
        if self == Self::Boolean {
            return read_flag(name, value).map(Value::Flag);
        }
        let bad = |expected: String| OptionError::BadValue {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            expected,
        };
        let text = value.ok_or_else(|| bad(self.expected()))?;
        if self == Self::Address {
            return Listen::read(text).map(Value::Address).map_err(|wrong| match wrong {
                BadListen::Expected(what) => bad(what.to_owned()),
                BadListen::Part(part, what) => OptionError::BadValue {
                    name: name.to_owned(),
                    value: Some(part),
                    expected: format!("{what} (in {text})"),
                },
                BadListen::Refused(why) => {
                    OptionError::Refused { name: name.to_owned(), why: format!("{text}: {why}") }
                }
            });
        }
        self.read_plain(text).ok_or_else(|| bad(self.expected()))
    }

    fn read_plain(self, text: &str) -> Option<Value> {
        match self {
            Self::Count { least, most } => {
                let number = digits(text)?.parse().ok()?;
                (least..=most).contains(&number).then_some(Value::Count(number))
            }
            Self::Seconds { least, most } => {
                let seconds = read_seconds(text)?;
                let time = Duration::try_from_secs_f64(seconds).ok()?;
                (least..=most).contains(&seconds).then_some(Value::Seconds(time))
            }
            Self::Size { least, most } => {
                let size = read_size(text)?;
                (least..=most).contains(&size).then_some(Value::Size(size))
            }
            Self::Port => listen::read_port(text).map(Value::Port),
            Self::Host => {
                let plain = !text.bytes().any(|byte| byte <= b' ' || byte == b'/');
                plain.then(|| Value::Host(Host::read(text)))
            }
            Self::Path => listen::read_file(text).map(Value::Path),
            Self::Log => match text.strip_prefix('|').map(str::trim) {
                Some("") => None,
                Some(command) => Some(Value::Log(LogTo::Command(command.to_owned()))),
                None => listen::read_file(text).map(|file| Value::Log(LogTo::File(file))),
            },
            Self::Underscores => Some(Value::Underscores(match text {
                "drop" => Underscores::Drop,
                "reject" => Underscores::Reject,
                "allow" => Underscores::Allow,
                _ => return None,
            })),
            Self::HalfClose => Some(Value::HalfClose(match text {
                "serve" => HalfClose::Serve,
                "drop" => HalfClose::Drop,
                _ => return None,
            })),
            Self::Descriptor => digits(text)?.parse().ok().map(Value::Descriptor),
            Self::Usr1 => Some(Value::Usr1(match text {
                "reopen" => Usr1::Reopen,
                "slow-stop" => Usr1::SlowStop,
                _ => return None,
            })),
            Self::Peers => Peers::read(text).map(Value::Peers),
            Self::Text(_) => (!text.contains('\0')).then(|| Value::Text(text.to_owned())),
            Self::Word => (!text.contains(char::is_control)).then(|| Value::Text(text.to_owned())),
            Self::Boolean | Self::Address | Self::Code => None,
        }
    }

    /// What a value should be, as errors and docs/options.md say it.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Boolean => "on or off".to_owned(),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Seconds { least, most } => {
                format!("seconds from {least} to {most}, decimals allowed")
            }
            Self::Size { least, most } => {
                format!("bytes from {} to {}, plain or with k, m, g", short(least), short(most))
            }
            Self::Port => "a port from 0 to 65535".to_owned(),
            Self::Host => "a host name or address".to_owned(),
            Self::Address => "an address to listen on".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Log => "a file, or | and a command".to_owned(),
            Self::Underscores => "one of drop, reject, allow".to_owned(),
            Self::HalfClose => "serve or drop".to_owned(),
            Self::Descriptor => "a socket that listens".to_owned(),
            Self::Usr1 => "reopen or slow-stop".to_owned(),
            Self::Peers => "addresses, networks like 10.0.0.0/8, or unix".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Word => "text without control characters".to_owned(),
            Self::Code => "code, from Perl only".to_owned(),
        }
    }

    /// The name of a value in help.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Boolean => "on|off",
            Self::Count { .. } => "number",
            Self::Seconds { .. } => "seconds",
            Self::Size { .. } => "bytes",
            Self::Port => "port",
            Self::Host => "host",
            Self::Address => "address",
            Self::Path => "path",
            Self::Log => "file",
            Self::Underscores => "drop|reject|allow",
            Self::HalfClose => "serve|drop",
            Self::Descriptor => "descriptor",
            Self::Usr1 => "reopen|slow-stop",
            Self::Peers => "networks",
            Self::Text(name) => name,
            Self::Word => "text",
            Self::Code => "code",
        }
    }
}

fn read_flag(name: &str, value: Option<&str>) -> Result<bool, OptionError> {
    match value {
        None | Some("1" | "yes" | "true" | "on") => Ok(true),
        Some("0" | "no" | "false" | "off" | "") => Ok(false),
        // The program takes a value only behind a =: nothing can be swallowed there.
        Some(word) if name.starts_with('-') => Err(OptionError::BadValue {
            name: name.to_owned(),
            value: Some(word.to_owned()),
            expected: format!("one of {BOOLEANS}"),
        }),
        Some(word) => Err(OptionError::Swallowed { name: name.to_owned(), word: word.to_owned() }),
    }
}

/// The text itself, if it is digits and nothing else: no sign, no space.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn read_seconds(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole).and(digits(part))?;
    text.parse().ok()
}

fn read_size(text: &str) -> Option<u64> {
    let shift = match text.as_bytes().last()? {
        b'k' | b'K' => 10,
        b'm' | b'M' => 20,
        b'g' | b'G' => 30,
        _ => 0,
    };
    let number = if shift == 0 { text } else { text.get(..text.len() - 1)? };
    digits(number)?.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A size as people write it.
fn short(size: u64) -> String {
    match size {
        0 => "0".to_owned(),
        _ if size.is_multiple_of(1 << 30) => format!("{}g", size >> 30),
        _ if size.is_multiple_of(1 << 20) => format!("{}m", size >> 20),
        _ if size.is_multiple_of(1 << 10) => format!("{}k", size >> 10),
        _ => size.to_string(),
    }
}
