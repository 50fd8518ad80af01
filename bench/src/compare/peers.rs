//! The servers: how each is started, and whether it is installed.
//!
//! Every command gives its server the same workers, the same life of a worker and keep-alive, as far as
//! it has such options; what it has not is in its note, which is printed with the figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::ArgMatches;

/// Requests of one worker's life, for every server that can count.
pub(crate) const LIFE: u32 = 50_000;

/// A server and its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// What it is called in tables, and by `--servers`.
    pub(crate) name: String,
    /// Its version, if it told.
    pub(crate) version: String,
    /// A line of shell with `{port}` `{workers}` `{app}` `{life}` `{idle}`.
    pub(crate) template: String,
    /// What it cannot do as asked.
    pub(crate) note: String,
}

impl Peer {
    /// The command as it is told: without where things are on this machine.
    pub(crate) fn told(&self) -> String {
        match self.name.as_str() {
            name if name == OURS[0] => format!("monoceros {OPTIONS}"),
            name if name == OURS[1] => format!("plackup -s Monoceros {OPTIONS}"),
            _ => self.template.clone(),
        }
    }
}

/// Ours, by name: the first is what bounds are about; both are judged.
pub(crate) const OURS: [&str; 2] = ["monoceros", "monoceros-plackup"];

/// Name, how to ask for its version, command, note.
const KNOWN: [(&str, &str, &str, &str); 6] = [
    (
        "starlet",
        "perl -MPlack::Handler::Starlet -MStarlet -e 'print $Starlet::VERSION'",
        "plackup -s Starlet -E deployment --host 127.0.0.1 --port {port} --max-workers={workers} \
         --max-reqs-per-child={life} --max-keepalive-reqs={life} --keepalive-timeout={idle} {app}",
        "",
    ),
    (
        "starman",
        "perl -MStarman -e 'print $Starman::VERSION'",
        "starman -E deployment --listen 127.0.0.1:{port} --workers={workers} --max-requests={life} \
         --keepalive-timeout={idle} {app}",
        "",
    ),
    (
        "feersum",
        "perl -MPlack::Handler::Feersum -MFeersum -e 'print $Feersum::VERSION'",
        "plackup -s Feersum -E deployment -l 127.0.0.1:{port} --pre-fork={workers} --keepalive=1 \
         --read-timeout={idle} {app}",
        "its workers live for ever; an event loop each",
    ),
    (
        "gazelle",
        "perl -MGazelle -e 'print $Gazelle::VERSION'",
        "plackup -s Gazelle -E deployment --host 127.0.0.1 --port {port} --max-workers={workers} \
         --max-reqs-per-child={life} {app}",
        "has no keep-alive",
    ),
    (
        "uwsgi",
        "uwsgi --plugin psgi --version",
        "uwsgi --plugin psgi --http11-socket 127.0.0.1:{port} --master --die-on-term --psgi {app} \
         --workers {workers} --max-requests {life} --socket-timeout {idle} --listen 1024 \
         --disable-logging",
        "",
    ),
    (
        "twiggy",
        "perl -MTwiggy -e 'print $Twiggy::VERSION'",
        "twiggy -E deployment --listen 127.0.0.1:{port} {app}",
        "one process with an event loop, whatever `workers` says; lives for ever",
    ),
];

/// Where ours are.
#[derive(Debug, Clone)]
pub(crate) struct Ours {
    /// The program.
    pub(crate) program: PathBuf,
    /// The distribution's blib.
    pub(crate) blib: PathBuf,
}

impl Ours {
    /// From `--program` and `--blib`.
    ///
    /// # Errors
    ///
    /// If this program cannot find itself.
    pub(crate) fn read(options: &ArgMatches) -> anyhow::Result<Self> {
        let path = |name: &str| options.get_one::<PathBuf>(name).cloned();
        let program = match path("program") {
            Some(program) => program,
            None => std::env::current_exe()?.with_file_name("monoceros"),
        };
        Ok(Self { program, blib: path("blib").unwrap_or_else(Self::blib) })
    }

    /// Where `make stage` puts the handler.
    pub(crate) fn blib() -> PathBuf {
        PathBuf::from("dist/Plack-Handler-Monoceros/blib")
    }
}

/// All that can be started here, ours first, and the names of those that cannot.
///
/// # Errors
///
/// If a `--peer` cannot be read, or ours are not built.
pub(crate) fn find(ours: &Ours, given: &[String]) -> anyhow::Result<(Vec<Peer>, Vec<String>)> {
    let given = given.iter().map(|text| parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut peers = own(ours)?.to_vec();
    let mut missing = Vec::new();
    for (name, ask, template, note) in KNOWN {
        if given.iter().any(|peer| peer.name == name) {
            continue;
        }
        match version(ask) {
            Some(version) => peers.push(Peer {
                name: name.to_owned(),
                version,
                template: template.to_owned(),
                note: note.to_owned(),
            }),
            None => missing.push(name.to_owned()),
        }
    }
    peers.extend(given);
    Ok((peers, missing))
}

/// What our doors are given, behind their names.
const OPTIONS: &str = "-E deployment --listen 127.0.0.1:{port} --max-workers={workers} \
     --max-reqs-per-child={life} --keepalive-timeout={idle} {app}";

/// Both doors.
///
/// # Errors
///
/// If they are not built.
pub(crate) fn own(ours: &Ours) -> anyhow::Result<[Peer; 2]> {
    let program = program(&ours.program)?;
    let mut handler = handler(&ours.blib, "plackup")?;
    handler.version.clone_from(&program.version);
    Ok([program, handler])
}

/// The program.
///
/// # Errors
///
/// If it is not built.
pub(crate) fn program(path: &Path) -> anyhow::Result<Peer> {
    let program = absolute(path).context("build it: cargo build --release")?;
    let said = version(&format!("{program} --version")).unwrap_or_default();
    Ok(Peer {
        name: OURS[0].to_owned(),
        version: said.trim_start_matches("monoceros ").to_owned(),
        template: format!("{program} {OPTIONS}"),
        note: String::new(),
    })
}

/// The handler, under this plackup.
///
/// # Errors
///
/// If it is not staged.
pub(crate) fn handler(blib: &Path, plackup: &str) -> anyhow::Result<Peer> {
    let blib = absolute(blib).context("stage it: make stage")?;
    Ok(Peer {
        name: OURS[1].to_owned(),
        version: String::new(),
        template: format!("{plackup} -I{blib}/lib -I{blib}/arch -s Monoceros {OPTIONS}"),
        note: String::new(),
    })
}

fn absolute(path: &Path) -> anyhow::Result<String> {
    let whole = path.canonicalize().with_context(|| format!("there is no {}", path.display()))?;
    Ok(quoted(&whole.to_string_lossy()))
}

/// `name=command`.
fn parse(text: &str) -> anyhow::Result<Peer> {
    let Some((name, template)) = text.split_once('=') else {
        bail!("--peer {text:?}: write name=command");
    };
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(word) || OURS.contains(&name) {
        bail!(
            "--peer {text:?}: a name has letters, digits, - _ and . only, and is not one of ours"
        );
    }
    if !template.contains("{port}") {
        bail!("--peer {text:?}: without {{port}} nobody knows where it listens");
    }
    Ok(Peer {
        name: name.to_owned(),
        version: String::new(),
        template: template.trim().to_owned(),
        note: "from the command line".to_owned(),
    })
}

/// The first word that a server says of its version; `None`: it is not installed.
fn version(ask: &str) -> Option<String> {
    let mut command = Command::new("sh");
    let out = command.args(["-c", ask]).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    (out.status.success() && !text.is_empty()).then_some(text)
}

/// What a command is to be filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    /// Where to listen.
    pub(crate) port: u16,
    /// How many workers.
    pub(crate) workers: u32,
    /// The application's file.
    pub(crate) app: &'a Path,
    /// Seconds that an idle connection may last.
    pub(crate) idle: u32,
}

impl Peer {
    /// The line of shell to run: the shell is replaced by the server, so its process number stays.
    pub(crate) fn command(&self, filling: &Filling<'_>) -> String {
        let line = self
            .template
            .replace("{port}", &filling.port.to_string())
            .replace("{workers}", &filling.workers.to_string())
            .replace("{life}", &LIFE.to_string())
            .replace("{idle}", &filling.idle.to_string())
            .replace("{app}", &quoted(&filling.app.to_string_lossy()));
        format!("exec {line}")
    }
}

/// One word for a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled() {
        let peer = parse("mine=env A=1 server -p {port} -w {workers} {app}").unwrap();
        assert_eq!(peer.name, "mine");
        let filling = Filling { port: 81, workers: 3, app: Path::new("/a b.psgi"), idle: 10 };
        assert_eq!(peer.command(&filling), "exec env A=1 server -p 81 -w 3 '/a b.psgi'");
    }

    #[test]
    fn where_ours_are_is_not_told() {
        let one = Peer { name: OURS[1].to_owned(), ..parse("x=/secret/place {port}").unwrap() };
        assert!(one.told().starts_with("plackup -s Monoceros -E deployment --listen"));
        assert_eq!(parse("x=/a/place {port}").unwrap().told(), "/a/place {port}");
    }

    #[test]
    fn a_peer_that_nobody_could_start_is_refused() {
        for wrong in ["mine", "=x {port}", "a b=x {port}", "mine=x", "monoceros=x {port}"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_known_command_has_a_port_and_an_application() {
        for (name, _, template, _) in KNOWN {
            assert!(template.contains("{port}") && template.contains("{app}"), "{name}");
            assert!(!template.contains("  "), "{name}: {template}");
        }
    }

    #[test]
    fn quotes_of_a_shell() {
        assert_eq!(quoted("/a/b.psgi"), "/a/b.psgi");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
