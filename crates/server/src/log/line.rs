//! A line of the log, as text. Pure: who and when come in.

use std::fmt::{self, Write};

use tracing::Level;
use tracing::field::{Field, Visit};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// None of ours yet.
    Nobody = 0,
    /// Hosts the application, forks, reaps.
    Supervisor = 1,
    /// Keeps the connections.
    Manager = 2,
    /// Runs the application.
    Worker = 3,
}

impl Role {
    pub(super) fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Supervisor,
            2 => Self::Manager,
            3 => Self::Worker,
            _ => Self::Nobody,
        }
    }
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    pub(super) role: Role,
    pub(super) number: u32,
    pub(super) generation: u32,
    pub(super) pid: i32,
}

/// A time of the wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) seconds: u64,
    /// Of the second.
    pub(super) millis: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Nobody => {}
            Role::Supervisor => out.write_str("supervisor ")?,
            Role::Manager => out.write_str("manager ")?,
            Role::Worker => write!(out, "worker={} ", self.number)?,
        }
        if self.generation > 0 {
            write!(out, "gen={} ", self.generation)?;
        }
        write!(out, "pid={}", self.pid)
    }
}

/// A date of the Gregorian calendar, UTC.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u64,
    /// From 1.
    pub(super) month: u64,
    /// From 1.
    pub(super) day: u64,
}

impl Date {
    /// The date so many days after 1970-01-01.
    ///
    /// # Source
    ///
    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years
    /// that begin in March, so that the leap day is the last of its year.
    pub(super) fn from_days(days: u64) -> Self {
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let march = (5 * day + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        Self {
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day: day - (153 * march + 2) / 5 + 1,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::from_days(self.seconds / 86_400);
        let (hour, minute) = (self.seconds / 3_600 % 24, self.seconds / 60 % 60);
        let (second, millis) = (self.seconds % 60, self.millis);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// A line being made: the message first, then the fields.
pub(super) struct Line {
    head: String,
    message: String,
    fields: String,
}

impl Line {
    pub(super) fn begin(moment: Moment, level: Level, who: Who) -> Self {
        let head = format!("{moment} {level} {who}");
        Self { head, message: String::new(), fields: String::new() }
    }

    /// The bytes, with their line end.
    pub(super) fn end(self) -> Vec<u8> {
        let Self { head, message, fields } = self;
        let space = if message.is_empty() { "" } else { " " };
        format!("{head}{space}{message}{fields}\n").into_bytes()
    }

    fn add(&mut self, field: &Field, value: &str, is_text: bool) {
        if field.name() == "message" {
            escape(&mut self.message, value);
            return;
        }
        let _ = write!(self.fields, " {}=", field.name());
        let plain = |byte: u8| byte > b' ' && byte != b'"' && byte != b'=';
        if is_text && (value.is_empty() || !value.bytes().all(plain)) {
            self.fields.push('"');
            escape(&mut self.fields, &value.replace('\\', "\\\\").replace('"', "\\\""));
            self.fields.push('"');
        } else {
            escape(&mut self.fields, value);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value, true);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(chain, ": {cause}");
            source = cause.source();
        }
        self.add(field, &chain, true);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"), false);
    }
}

/// One event is one line: what would end it, or move a terminal's cursor, is written out.
fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if letter.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    const WORKER: Who = Who { role: Role::Worker, number: 3, generation: 1, pid: 4711 };
    const MOMENT: Moment = Moment { seconds: 1_795_248_600, millis: 123 };

    /// Keeps the lines that the log would write.
    struct Keep(Arc<Mutex<Vec<u8>>>);

    impl Subscriber for Keep {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn event(&self, event: &Event<'_>) {
            let mut line = Line::begin(MOMENT, *event.metadata().level(), WORKER);
            event.record(&mut line);
            self.0.lock().unwrap().extend(line.end());
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    fn lines(say: impl FnOnce()) -> String {
        let kept = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Keep(Arc::clone(&kept)), say);
        String::from_utf8(kept.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_says_when_how_bad_who_and_what() {
        let line = lines(|| tracing::info!(address = %":5000", workers = 5, "ready"));
        let want =
            "2026-11-21T08:10:00.123Z INFO worker=3 gen=1 pid=4711 ready address=:5000 workers=5\n";
        assert_eq!(line, want);
        let who = |role, generation| Who { role, generation, ..WORKER }.to_string();
        assert_eq!(who(Role::Supervisor, 2), "supervisor gen=2 pid=4711");
        assert_eq!(who(Role::Manager, 0), "manager pid=4711");
        assert_eq!(who(Role::Nobody, 0), "pid=4711");
        assert_eq!(Role::from_number(Role::Worker as u32), Role::Worker);
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let line = lines(|| tracing::error!(url = "/a b\"\n", "died at line 1.\n\x1b[2J\u{85}"));
        let tail = "died at line 1.\\n\\x1b[2J\\x85 url=\"/a b\\\"\\n\"\n";
        assert!(line.ends_with(tail), "{line}");
        assert_eq!(line.lines().count(), 1);
        assert!(lines(|| tracing::warn!(empty = "", "x")).ends_with("x empty=\"\"\n"));
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not open the door")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<u8>().unwrap_err());
        let error = &error as &(dyn std::error::Error + 'static);
        let line = lines(|| tracing::error!(error, "failed"));
        let tail = "failed error=\"could not open the door: invalid digit found in string\"\n";
        assert!(line.ends_with(tail), "{line}");
    }

    #[test]
    fn days_become_dates() {
        let date = |days| {
            let Date { year, month, day } = Date::from_days(days);
            (year, month, day)
        };
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(59), (1970, 3, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(20_088), (2024, 12, 31));
        assert_eq!(date(47_541), (2100, 3, 1));
    }
}
