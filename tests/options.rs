//! What an operator types, and what the server says to it.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::support::{Client, Door, Finished, Server, Setup, Signal, both_doors};

/// Runs with these options beside a good application, to the end that they lead to.
fn run(door: Door, options: &[&str]) -> Finished {
    Setup::new(door, "path_info.psgi").options(options).finish()
}

/// A port that was free a moment ago, and that the kernel gives to nobody who asks for any.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let at = std::process::id().wrapping_add(NEXT.fetch_add(1, Relaxed));
        let port = u16::try_from(10_000 + at % 20_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

both_doors! {
    /// An option that nobody knows is an error, and the nearest one is named.
    fn an_unknown_option_is_an_error(door) {
        for (option, near) in [
            ("--max-worker=5", "max"),
            ("--keepalive-timout=5", "keepalive"),
            ("--max_reqs_per_chld=5", "max"),
        ] {
            let finished = run(door, &[option]);
            assert_eq!(finished.status, Some(2), "{finished}");
            assert!(finished.err.contains("unknown option"), "{finished}");
            let nearest = finished.err.split("did you mean ").nth(1);
            assert!(nearest.is_some_and(|name| name.trim_start_matches('-').starts_with(near)), "{finished}");
        }
    }

    /// All that is wrong is said at once.
    fn all_errors_at_once(door) {
        let finished = run(door, &["--wrong=1", "--max-workers=none"]);
        assert_eq!(finished.status, Some(2), "{finished}");
        assert!(finished.err.contains("wrong") && finished.err.contains("none"), "{finished}");
    }

    /// What is wrong with a value, an option of a peer, a plan: each is said, and nothing is bound.
    fn what_cannot_be_is_refused(door) {
        for (options, said) in [
            (["--max-workers=0", ""], "max"),
            (["--max-workers=5", "--workers=7"], "contradict"),
            (["--timeout=soon", ""], "soon"),
            (["--status-file=x", ""], "not in this version"),
            (["--min-servers=3", ""], "max-workers"),
            (["--ssl=1", ""], "TLS"),
            (["--port=abc", ""], "abc"),
            (["--listen=localhost", ""], "host:port"),
        ] {
            let options: Vec<_> = options.into_iter().filter(|option| !option.is_empty()).collect();
            let finished = run(door, &options);
            assert_eq!(finished.status, Some(2), "{options:?} {finished}");
            assert!(finished.err.contains(said), "{said:?} {finished}");
        }
    }

    /// The names that users of the peers have in their scripts.
    fn aliases_are_known(door) {
        for options in [
            ["--workers=2", "--max-requests=50"],
            ["--max_workers=2", "--max_reqs_per_child=50"],
            ["--max-workers=2", "--read-timeout=5"],
            ["--enable-keepalive", "--keepalive_timeout=3"],
            ["--max-keepalive-connection=100", "--max-readahead-reqs=5"],
            ["--backlog=64", "--timeout=2.5"],
        ] {
            let server = Server::start(door, "path_info.psgi", &options);
            assert_eq!(server.connect().ask("/p").text(), "/p");
            server.stop();
        }
    }

    /// The command line that the Perl Monoceros was introduced with.
    fn the_first_command_line(door) {
        let port = free_port().to_string();
        let options =
            ["-E", "production", "--port", &port, "--max-workers=15", "--max-reqs-per-child=50000"];
        let server = Setup::new(door, "seed.psgi").only(&options).start();
        let mut client = Client::connect(&format!("127.0.0.1:{port}"));
        let answer = client.ask("/foo?foo=bar&bar=baz&baz=hoge&hoge=foo");
        assert_eq!((answer.text().as_str(), answer.field("Content-Length")), ("xxxxxxxxxxxx", Some("12")));
        server.expect_log("workers=15");
        server.stop();
    }

    /// An address that somebody else has.
    fn a_taken_address(door) {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let finished = Setup::new(door, "path_info.psgi").only(&["--listen", &address]).finish();
        assert_eq!(finished.status, Some(4), "{finished}");
        assert!(finished.err.contains(&address), "{finished}");
    }

    /// The ready line says where, who and how many, and comes when a request can be served.
    fn the_ready_line(door) {
        let server = Server::start(door, "path_info.psgi", &["--max-workers=3"]);
        let line = server.expect_log("address=");
        let pid = format!("pid={}", server.pid().as_raw_nonzero());
        let version = format!("version={}", env!("CARGO_PKG_VERSION"));
        for part in [&pid, "workers=3", &version, "ready"] {
            assert!(line.contains(part), "no {part} in {line:?}");
        }
        assert_eq!(server.log.matching(|line| line.contains("address=")).len(), 1);
        server.stop();
    }

    /// The pid file names the supervisor, and goes with it.
    fn the_pid_file(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let path = setup.folder().join("pid");
        let mut server = setup.options(&[&format!("--pid={}", path.display())]).start();
        let said = fs::read_to_string(&path).unwrap();
        assert_eq!(said.trim(), server.pid().as_raw_nonzero().to_string());
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!path.exists());
    }

    /// What is wrong with a file names the file; a pid file that is taken, its owner, too.
    fn files_that_cannot_be(door) {
        let setup = Setup::new(door, "path_info.psgi");
        let pid = format!("--pid={}", setup.folder().join("pid").display());
        let server = setup.options(&[&pid]).start();
        let finished = run(door, &[&pid]);
        assert_eq!(finished.status, Some(1), "{finished}");
        let owner = format!("pid {}", server.pid().as_raw_nonzero());
        assert!(finished.err.contains(&pid[6..]) && finished.err.contains(&owner), "{finished}");
        let mut options = vec!["--pid=/no/such/file", "--error-log=/no/such/file"];
        if door == Door::Program {
            options.push("--access-log=/no/such/file");
        }
        for option in options {
            let finished = run(door, &[option]);
            assert_eq!(finished.status, Some(1), "{finished}");
            assert!(finished.err.contains("/no/such/file: No such"), "{finished}");
        }
        server.stop();
    }

    /// `development` is plackup's: errors are shown with a trace. `deployment` shows nothing.
    fn the_environment_decides_the_middleware(door) {
        let setup = Setup::new(door, "answers.psgi").options(&["-E", "development"]);
        let server = setup.start();
        let answer = server.connect().ask("/die");
        assert_eq!(answer.status(), 500);
        assert!(answer.text().contains("as asked"), "no trace: {}", answer.text());
        server.stop();
        let server = Server::start(door, "answers.psgi", &[]);
        assert!(!server.connect().ask("/die").text().contains("as asked"));
        server.stop();
    }

    /// Unless nothing is to be wrapped.
    fn development_without_middleware(door) {
        let options = ["-E", "development", "--no-default-middleware"];
        let server = Setup::new(door, "answers.psgi").options(&options).start();
        let answer = server.connect().ask("/die");
        assert_eq!(answer.status(), 500);
        assert!(!answer.text().contains("as asked"), "a trace: {}", answer.text());
        server.stop();
    }

    /// The application somewhere below the root; beside it is nothing.
    fn the_application_is_mounted(door) {
        let server = Setup::new(door, "report.psgi").options(&["--path", "/some/where"]).start();
        let mut client = server.connect();
        let text = client.ask("/some/where/else?x").text();
        assert!(text.contains("SCRIPT_NAME=/some/where\n"), "{text}");
        assert!(text.contains("PATH_INFO=/else\n"), "{text}");
        assert_eq!(client.ask("/else").status(), 404);
        server.stop();
    }

    /// Without a preloaded application new code needs only HUP.
    fn new_code_without_preloading(door) {
        let setup = Setup::bare(door);
        let app = setup.folder().join("app.psgi");
        fs::write(&app, "sub { [200, ['Content-Type' => 'text/plain'], ['old']] }").unwrap();
        let path = app.display().to_string();
        let options = ["--listen", "127.0.0.1:0", "--max-workers=1", "-E", "deployment", "-a", &path];
        let delayed: &[&str] =
            if door == Door::Program { &["--disable-preload-app"] } else { &["-L", "Delayed"] };
        let server = setup.options(delayed).options(&options).start();
        let mut client = server.connect();
        assert_eq!(client.ask("/").text(), "old");
        fs::write(&app, "sub { [200, ['Content-Type' => 'text/plain'], ['new']] }").unwrap();
        server.signal(Signal::HUP);
        server.until("new code", || client.ask("/").text() == "new");
        server.stop();
    }

    /// Also under plackup an application that does not load is status 3, if the workers load it.
    fn workers_that_cannot_load(door) {
        let delayed: &[&str] =
            if door == Door::Program { &["--disable-preload-app"] } else { &["-L", "Delayed"] };
        let finished = Setup::new(door, "dies_at_load.psgi").options(delayed).finish();
        assert_eq!(finished.status, Some(3), "{finished}");
        assert!(finished.err.contains("as asked"), "{finished}");
    }

    /// The name in the Server field, or none.
    fn the_name_of_the_server(door) {
        let server = Server::start(door, "path_info.psgi", &["--server-software=Something/1"]);
        assert_eq!(server.connect().ask("/").field("Server"), Some("Something/1"));
        server.stop();
        let server = Server::start(door, "path_info.psgi", &["--server-software="]);
        assert_eq!(server.connect().ask("/").field("Server"), None);
        server.stop();
    }
}

/// An application that does not load ends the program, with the reason.
#[test]
fn an_application_that_does_not_load() {
    for app in ["dies_at_load.psgi", "path_info.psgi"] {
        let mut setup = Setup::new(Door::Program, app);
        if app == "path_info.psgi" {
            setup = setup.options(&["-M", "No::Such::Module"]);
        }
        let finished = setup.finish();
        assert_eq!(finished.status, Some(3), "{finished}");
        let line = finished.err.lines().find(|line| line.contains("could not be loaded: "));
        let reason =
            line.is_some_and(|line| line.contains("as asked") || line.contains("No/Such/Module"));
        assert!(reason, "{finished}");
    }
    let finished = Setup::bare(Door::Program).options(&["/no/such/app.psgi"]).finish();
    assert_eq!(finished.status, Some(3), "{finished}");
}

/// What the program alone has: help, its version, a look at what was decided.
#[test]
fn the_program_explains_itself() {
    let help = Setup::bare(Door::Program).options(&["--help"]).finish();
    assert_eq!(help.status, Some(0), "{help}");
    for option in ["--max-workers", "--keepalive-timeout", "--listen"] {
        assert!(help.out.contains(option), "no {option}: {help}");
    }
    let version = Setup::bare(Door::Program).options(&["--version"]).finish();
    assert_eq!(version.status, Some(0), "{version}");
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")), "{version}");

    let check = Setup::new(Door::Program, "path_info.psgi")
        .options(&["--max-workers=7", "--check"])
        .finish();
    assert_eq!(check.status, Some(0), "{check}");
    assert!(check.out.contains('7'), "{check}");
    let check = Setup::new(Door::Program, "dies_at_load.psgi").options(&["--check"]).finish();
    assert_eq!(check.status, Some(3), "{check}");
}

/// Perl's own switches, and an application on the command line.
#[test]
fn the_program_takes_perls_switches() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/lib");
    let code = "sub { [200, [], [Greeting->new->text]] }";
    let include = format!("-I{}", folder.display());
    let options = ["--listen", "127.0.0.1:0", &include, "-MGreeting", "-e", code];
    let server = Setup::bare(Door::Program).options(&options).start();
    assert_eq!(server.connect().ask("/").text(), "hello from a library");
    server.stop();
}

/// The access log has a line for each request, in the usual format.
#[test]
fn the_access_log() {
    let setup = Setup::new(Door::Program, "path_info.psgi");
    let path = setup.folder().join("access");
    let server = setup.options(&[&format!("--access-log={}", path.display())]).start();
    assert_eq!(server.connect().ask("/logged?x=1").status(), 200);
    // So are those that never reach the application, whoever refuses them.
    let mut client = server.connect();
    client.send("NONSENSE\r\n");
    assert_eq!(client.answer().status(), 400);
    let has = |line: &str| fs::read_to_string(&path).is_ok_and(|text| text.contains(line));
    server.until("the line is there", || has("\"GET /logged?x=1 HTTP/1.1\" 200"));
    server.until("the refusal is there", || has("\"-\" 400 -"));
    server.stop();
}
