//! A booted Perl with an application, a client that is a socket pair, and a stream that remembers.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use monoceros_perl::{
    Answer, Body, Boot, Chunks, Family, Fields, FileBody, Head, Input, Key, Left, Load, Pace, Perl,
    Request, Source, Stream, Streamed, Var, Wrote,
};

/// One word per thing that a stream was told.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) events: Vec<String>,
    /// What the next writes answer; then `All`.
    pub(crate) answers: Vec<Wrote>,
    pub(crate) panics: bool,
    /// How often it was told that psgix.io is looked at.
    pub(crate) looks: usize,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn fields_of(fields: Fields<'_>) -> String {
    let one = |f: monoceros_perl::Field<'_>| format!("{}={}", text(f.name), text(f.value));
    fields.iter().map(one).collect::<Vec<_>>().join(",")
}

pub(crate) fn chunks_of(chunks: Chunks<'_>) -> String {
    chunks.iter().map(text).collect::<Vec<_>>().join("|")
}

impl Recorder {
    fn head(&mut self, what: &str, head: Head<'_>) -> Result<(), String> {
        assert!(!self.panics, "asked to");
        if head.fields.iter().any(|f| f.value.contains(&b'\n')) {
            return Err("a field has a newline".to_owned());
        }
        self.events.push(format!("{what} {} {}", head.status, fields_of(head.fields)));
        Ok(())
    }

    pub(crate) fn told(&self) -> String {
        self.events.join("; ")
    }
}

impl Stream for Recorder {
    fn whole(&mut self, head: Head<'_>, body: Chunks<'_>) -> Result<(), String> {
        self.head("whole", head)?;
        self.events.push(chunks_of(body));
        Ok(())
    }
    fn file(&mut self, head: Head<'_>, file: FileBody<'_>) -> Result<(), String> {
        self.head("file", head)?;
        self.events.push(format!("{}+{}", file.offset, file.length));
        Ok(())
    }
    fn start(&mut self, head: Head<'_>, pace: Pace) -> Result<(), String> {
        self.head(&format!("{pace:?}"), head)
    }
    fn inform(&mut self, head: Head<'_>) -> Result<bool, String> {
        self.head("inform", head)?;
        Ok(head.status == 103)
    }
    fn write(&mut self, piece: &[u8]) -> Wrote {
        assert!(!self.panics, "asked to");
        let wrote = if self.answers.is_empty() { Wrote::All } else { self.answers.remove(0) };
        let taken = match wrote {
            Wrote::All => piece,
            Wrote::Again(n) => &piece[..n],
            Wrote::Gone => b"(gone)",
        };
        self.events.push(text(taken));
        wrote
    }
    fn close(&mut self) {
        self.events.push("close".to_owned());
    }
    fn look(&mut self) {
        self.looks += 1;
    }
}

/// Boots with an application's text.
pub(crate) fn boot(app: &str) -> Perl {
    boot_with(&[], app)
}

pub(crate) fn boot_with(switches: &[&str], app: &str) -> Perl {
    let mut perl = Perl::boot(&Boot { switches }).unwrap();
    perl.keys(&[b"PATH_INFO", b"QUERY_STRING"]);
    perl.constants(&[Var::named(b"SCRIPT_NAME", b"")]);
    load(&mut perl, app);
    perl
}

pub(crate) fn load(perl: &mut Perl, app: &str) {
    let load = Load { source: Source::Text(app), mount: None, development: false };
    if let Err(left) = perl.load(&load) {
        panic!("load: {left:?} {}", text(perl.error()));
    }
}

pub(crate) struct Client {
    pub(crate) ours: UnixStream,
    pub(crate) theirs: UnixStream,
    pub(crate) family: Family,
    pub(crate) timeout: Duration,
}

impl Client {
    pub(crate) fn new() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        Self { ours, theirs, family: Family::Unix, timeout: Duration::from_secs(60) }
    }

    /// Calls the application with this PATH_INFO and body.
    pub(crate) fn call<'p>(
        &self,
        perl: &'p mut Perl,
        path: &str,
        input: Input<'_>,
        recorder: &mut Recorder,
    ) -> Result<Answer<'p>, Left> {
        let vars = [Var::keyed(Key::nth(0), path.as_bytes()), Var::named(b"HTTP_HOST", b"h")];
        let request = Request {
            vars: &vars,
            input,
            client: self.ours.as_fd(),
            behind: b"",
            family: self.family,
            write_timeout: Some(self.timeout),
        };
        perl.call(&request, recorder)
    }

    /// One whole request, as a worker makes it: what came of it in one line.
    pub(crate) fn ask(&self, perl: &mut Perl, path: &str) -> String {
        self.ask_with(perl, path, Input::Memory(b""), &mut Recorder::default())
    }

    pub(crate) fn ask_with(
        &self,
        perl: &mut Perl,
        path: &str,
        input: Input<'_>,
        recorder: &mut Recorder,
    ) -> String {
        let line = match self.call(perl, path, input, recorder) {
            Ok(mut answer) => take(&mut answer, recorder),
            Err(left) => format!("{left:?}"),
        };
        let line = match line.strip_prefix("Died") {
            Some(rest) => format!("Died{rest}: {}", text(perl.error()).trim_end()),
            None => line,
        };
        match perl.cleanup().and_then(|harakiri| perl.release().map(|()| harakiri)) {
            Ok(false) => line,
            Ok(true) => format!("{line} (harakiri)"),
            Err(left) => format!("{line} then {left:?}"),
        }
    }
}

/// Takes an answer as crates/psgi would.
pub(crate) fn take(answer: &mut Answer<'_>, recorder: &mut Recorder) -> String {
    let head = format!("{} {}", answer.status(), fields_of(answer.fields()));
    match answer.body() {
        Body::Chunks(chunks) => format!("{head} {}", chunks_of(chunks)),
        Body::File(file) => {
            let line = format!("{head} file {}+{}", file.offset, file.length);
            match answer.close() {
                Ok(()) => line,
                Err(left) => format!("{line} close {left:?}"),
            }
        }
        Body::Lines => {
            let mut line = format!("{head} lines");
            loop {
                match answer.piece() {
                    Ok(Some(piece)) => line = format!("{line} [{}]", text(piece)),
                    Ok(None) => break,
                    Err(left) => return format!("{left:?} in piece"),
                }
            }
            answer.close().map_or_else(|left| format!("{left:?} in close"), |()| line)
        }
        Body::Code => {
            let (streamed, left) = answer.stream(recorder);
            let told = recorder.told();
            match (streamed, left) {
                (Streamed::Complete, Ok(())) => told,
                (streamed, Ok(())) => format!("{streamed:?}: {told}"),
                (streamed, Err(left)) => format!("{left:?} in {streamed:?} ({told})"),
            }
        }
    }
}

/// A client and nothing special: asks each path and compares.
pub(crate) fn expect(perl: &mut Perl, expected: &[(&str, &str)]) {
    let client = Client::new();
    for (path, line) in expected {
        let came = client.ask(perl, path);
        let same = match line.strip_suffix('*') {
            Some(start) => came.starts_with(start),
            None => came == *line,
        };
        assert!(same, "{path}: expected {line:?}, got {came:?}");
    }
}

/// Leaves as a worker of door one.
pub(crate) fn leave(perl: Perl, status: i32) -> ! {
    std::process::exit(perl.shutdown(status))
}
