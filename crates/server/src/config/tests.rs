//! Each rule about options, as a user meets it.

use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A host with room for everything.
fn host() -> HostFacts {
    HostFacts { descriptors: 1 << 20, ..HostFacts::default() }
}

/// What handler's keys come to.
pub(super) fn keys(pairs: &[(&str, &str)]) -> Result<Config, Vec<OptionError>> {
    let owned = |text: &str| (text != "undef").then(|| text.to_owned());
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), owned(value)));
    Config::decide(&plackup::options(pairs)?, &host())
}

/// What options that are set one by one come to.
fn asked(pairs: &[(&str, &str)]) -> Result<Config, Vec<OptionError>> {
    let mut options = Options::default();
    let set = |(name, value): &(&str, &str)| options.set(name, Some(value)).err();
    let errors: Vec<_> = pairs.iter().filter_map(set).collect();
    if errors.is_empty() { Config::decide(&options, &host()) } else { Err(errors) }
}

pub(super) fn message(result: Result<Config, Vec<OptionError>>) -> String {
    result.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(super) fn listens(result: Result<Config, Vec<OptionError>>) -> Vec<String> {
    result.unwrap().listen.iter().map(ToString::to_string).collect()
}

/// A value of each unit that is not the default of any option.
fn sample(unit: Unit) -> &'static str {
    match unit {
        Unit::Boolean => "off",
        Unit::Count { most: 1, .. } => "1",
        Unit::Count { .. } => "77",
        Unit::Seconds { .. } => "7.5",
        Unit::Size { .. } => "3k",
        Unit::Port => "8080",
        Unit::Host => "::1",
        Unit::Address => "[::1]:8080",
        Unit::Path => "/srv/there",
        Unit::Log => "| logger",
        Unit::Underscores => "reject",
        Unit::HalfClose => "drop",
        Unit::Descriptor => "7",
        Unit::Usr1 => "slow-stop",
        Unit::Peers => "10.0.0.0/8",
        Unit::Text(_) | Unit::Word => "words",
        Unit::Code => "",
    }
}

#[test]
fn every_option_under_each_of_its_names_says_the_same() {
    for opt in TABLE.iter().filter(|opt| opt.standing == Standing::Built) {
        if opt.unit == Unit::Code {
            continue;
        }
        let mut spellings = vec![opt.name.to_owned()];
        spellings.extend(opt.also.iter().map(|&name| name.to_owned()));
        spellings.extend(spellings.clone().iter().map(|name| name.replace('-', "_")));
        spellings.extend(spellings.clone().iter().map(|name| format!("--{name}")));
        spellings.extend(opt.short.map(|letter| format!("-{letter}")));
        let mut first = None;
        for name in spellings {
            let mut options = Options::default();
            options.set(&name, Some(sample(opt.unit))).expect(&name);
            options.given.clear();
            assert_ne!(options, Options::default(), "{name} has no effect");
            assert_eq!(*first.get_or_insert(options.clone()), options, "{name}");
        }
    }
}

#[test]
fn the_defaults_in_the_table_are_what_is_decided() {
    let nothing = asked(&[]).unwrap();
    for opt in TABLE.iter().filter(|opt| opt.standing == Standing::Built) {
        let written = opt.default.replace("VERSION", VERSION);
        let words = written.contains(' ') || ["none", "max-readahead-reqs"].contains(&opt.default);
        if words || opt.unit == Unit::Code {
            continue;
        }
        assert_eq!(asked(&[(opt.name, &written)]).unwrap(), nothing, "{}", opt.name);
    }
}

#[test]
fn no_two_options_share_a_name_or_a_letter() {
    let names = TABLE.iter().flat_map(|opt| std::iter::once(&opt.name).chain(opt.also));
    let mut names: Vec<String> = names.map(|&name| name.to_owned()).collect();
    names.extend(TABLE.iter().filter_map(|opt| opt.short).map(String::from));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_command_line_that_everybody_has_works() {
    // plackup -s Monoceros --port 5000 --max-workers=15 --max-reqs-per-child=50000
    let config = keys(&[
        ("max_workers", "15"),
        ("max_reqs_per_child", "50000"),
        ("host", "undef"),
        ("port", "5000"),
        ("listen", ":5000"),
        ("socket", "undef"),
    ])
    .unwrap();
    assert_eq!(config.workers, 15);
    assert_eq!(config.requests_per_worker, Some((45_000, 50_000)));
    assert_eq!(config.listen, [Listen::Tcp { host: Host::V4Any, port: 5000 }]);
}

#[test]
fn an_unknown_option_is_an_error_with_the_nearest_name_and_all_errors_come_at_once() {
    let errors = keys(&[
        ("max_worker", "5"),
        ("colour", "red"),
        ("timeout", "soon"),
        ("dir", "/srv"),
        ("ssl", "1"),
        ("listen", ":5000"),
    ]);
    assert_eq!(
        message(errors),
        "unknown option max_worker: did you mean max_workers?\n\
         unknown option colour\n\
         timeout: \"soon\" is not seconds from 0.1 to 86400, decimals allowed\n\
         dir: not in this version; until then: start_server itself, or cd\n\
         ssl: TLS is the edge's, or a proxy's in front"
    );
    let dashed =
        asked(&[("--max-worker", "5"), ("--disable-keepaliv", ""), ("--no-keepalive", "")]);
    assert_eq!(
        message(dashed),
        "unknown option --max-worker: did you mean --max-workers?\n\
         unknown option --disable-keepaliv: did you mean --disable-keepalive?\n\
         unknown option --no-keepalive: did you mean --disable-keepalive?"
    );
}

#[test]
fn a_boolean_that_swallowed_a_word_says_so() {
    assert_eq!(
        message(keys(&[("preload_app", "app.psgi")])),
        "preload_app: \"app.psgi\" is not one of on, off, yes, no, true, false, 1, 0; if it was \
         swallowed, write --enable-preload-app"
    );
    assert_eq!(
        message(asked(&[("--sched_batch", "x")])),
        "--sched_batch: \"x\" is not one of on, off, yes, no, true, false, 1, 0"
    );
    for (word, state) in [("1", true), ("yes", true), ("on", true), ("true", true)]
        .into_iter()
        .chain([("0", false), ("no", false), ("off", false), ("false", false), ("", false)])
    {
        assert_eq!(keys(&[("preload_app", word)]).unwrap().preload, state, "{word}");
    }
    assert!(keys(&[("preload_app", "undef")]).unwrap().preload);
}

#[test]
fn a_number_has_a_range_and_no_unit_but_its_own() {
    for (name, wrong) in [
        ("max_workers", "0"),
        ("max_workers", "+5"),
        ("max_workers", "5 "),
        ("max_workers", "five"),
        ("max_workers", "undef"),
        ("timeout", "5s"),
        ("timeout", "-1"),
        ("timeout", "1e3"),
        ("timeout", "."),
        ("max_body_size", "1t"),
        ("max_body_size", "1.5m"),
        ("max_body_size", "k"),
        ("max_body_size", "99999999999999g"),
        ("max_header_size", "1"),
        ("header_underscores", "keep"),
        ("error_log", "|"),
        ("pid", ""),
    ] {
        assert!(message(keys(&[(name, wrong)])).starts_with(name), "{name}={wrong}");
    }
    let config = keys(&[("max_body_size", "2g"), ("timeout", "0.5"), ("port", "0")]).unwrap();
    assert_eq!((config.max_body_size, config.timeout), (2 << 30, Duration::from_millis(500)));
}

#[test]
fn two_names_of_one_option_may_not_differ_and_the_last_of_one_name_counts() {
    let why = message(asked(&[("--max-workers", "5"), ("--workers", "7")]));
    assert_eq!(
        why,
        "workers and max-workers contradict each other: two names of one option with different \
         values"
    );
    assert_eq!(asked(&[("max-workers", "5"), ("workers", "5")]).unwrap().workers, 5);
    assert_eq!(asked(&[("max-workers", "5"), ("max_workers", "7")]).unwrap().workers, 7);
    let back = [("max-workers", "5"), ("max-workers", "7"), ("workers", "7")];
    assert_eq!(asked(&back).unwrap().workers, 7);
}

#[test]
fn pairs_that_make_no_sense_together_are_refused() {
    assert!(message(asked(&[("min-reqs-per-child", "9"), ("max-requests", "8")])).contains("9"));
    let ahead = [("min-readahead-reqs", "9"), ("max-readahead-reqs", "8")];
    assert!(message(asked(&ahead)).contains("9 is more than 8"));
    assert!(message(asked(&[("port", "80"), ("listen", ":81")])).contains("contradict"));
}

#[test]
fn three_ways_lead_to_no_keepalive() {
    assert_eq!(asked(&[]).unwrap().keepalive, Some(Duration::from_secs(10)));
    for (name, value) in
        [("keepalive", "0"), ("keepalive-timeout", "0"), ("max-keepalive-reqs", "1")]
    {
        assert_eq!(asked(&[(name, value)]).unwrap().keepalive, None, "{name}");
    }
    let mut options = Options::default();
    options.set("--disable-keepalive", None).unwrap();
    assert_eq!(Config::decide(&options, &host()).unwrap().keepalive, None);
    // Catalyst passes 100 for on, 1 for off in Starman's sense; any number is on here.
    assert!(keys(&[("keepalive", "100")]).unwrap().keepalive.is_some());
    assert!(message(keys(&[("keepalive", "app.psgi")])).contains("swallowed"));
}

#[test]
fn a_short_timeout_is_what_it_says_for_heads_too() {
    let config = asked(&[("timeout", "5")]).unwrap();
    assert_eq!(config.header_timeout, Duration::from_secs(5));
    let config = asked(&[("timeout", "5"), ("read-timeout", "2")]).unwrap();
    assert_eq!(config.header_timeout, Duration::from_secs(2));
}

#[test]
fn connections_fit_the_hosts_descriptors() {
    let decide = |pairs: &[(&str, &str)], descriptors| {
        let mut options = Options::default();
        pairs.iter().for_each(|(name, value)| options.set(name, Some(value)).unwrap());
        Config::decide(&options, &HostFacts { descriptors, ..HostFacts::default() })
    };
    assert_eq!(decide(&[], 4_096).unwrap().max_connections, 3_008);
    assert_eq!(decide(&[], 4_096).unwrap().max_keepalive_connection, 1_504);
    assert_eq!(decide(&[], 1 << 30).unwrap().max_connections, 65_536);
    assert!(message(decide(&[], 1_024)).contains("of 1024 open files (ulimit -Hn) is too low"));
    assert!(message(decide(&[("max-connections", "4000")], 4_096)).contains("3008"));
}

#[test]
fn addresses_are_read_as_they_are_written() {
    for same in [":5000", "localhost:80", "127.0.0.1:0", "[::1]:5000", "/run/app.sock", "./a.b:1"] {
        assert_eq!(listens(asked(&[("listen", same)])), [same]);
    }
    assert_eq!(listens(asked(&[("listen", "*:80")])), [":80"]);
    let full = "unix:/run/x.sock?mode=0660&owner=www&group=33&unlink=1";
    assert_eq!(
        asked(&[("listen", full)]).unwrap().listen,
        [Listen::Unix {
            path: PathBuf::from("/run/x.sock"),
            mode: Some(0o660),
            owner: Some("www".to_owned()),
            group: Some("33".to_owned()),
            unlink: true,
        }]
    );
    for wrong in [
        "5000",
        "app",
        "::1:5000",
        "[::1]",
        "[x]:80",
        "[::1:80",
        ":65536",
        ":",
        ":8x",
        "a b:80",
        "",
        "unix:",
        "unix:/x?mode=9",
        "unix:/x?mode=+6",
        "unix:/x?colour=red",
        "unix:/x?unlink=2",
    ] {
        assert!(message(asked(&[("listen", wrong)])).contains("is not"), "{wrong}");
    }
    assert!(message(asked(&[("listen", ":443:ssl")])).contains("TLS"));
    let mode = message(asked(&[("listen", "unix:/x?mode=999")]));
    assert!(mode.contains("\"mode=999\" is not a mode in octal"), "{mode}");
    let long = format!("/{}", "x".repeat(107));
    assert!(message(asked(&[("listen", &long)])).contains("107"));
}

#[test]
fn the_program_listens_where_it_is_told_and_on_5000_else() {
    assert_eq!(listens(asked(&[])), [":5000"]);
    assert_eq!(listens(asked(&[("port", "80")])), [":80"]);
    assert_eq!(listens(asked(&[("host", "::1")])), ["[::1]:5000"]);
    assert_eq!(listens(asked(&[("-S", "app.sock")])), ["app.sock"]);
    assert_eq!(listens(asked(&[("socket", "/x"), ("listen", ":80")])), [":80", "/x"]);
    assert_eq!(listens(asked(&[("-l", ":80"), ("-l", "[::1]:80")])), [":80", "[::1]:80"]);
}

#[test]
fn what_plackup_derives_from_listen_is_undone() {
    // plackup -l [::1]:5000
    let brackets = [("host", "["), ("port", ":1]:5000"), ("listen", "[::1]:5000")];
    assert_eq!(listens(keys(&brackets)), ["[::1]:5000"]);
    // plackup --host ::1 --port 80
    let bare = [("host", "::1"), ("port", "80"), ("listen", "::1:80")];
    assert_eq!(listens(keys(&bare)), ["[::1]:80"]);
    // plackup -l :80 -l /x
    let both =
        [("host", "undef"), ("port", "80"), ("listen", ":80"), ("listen", "/x"), ("socket", "/x")];
    assert_eq!(listens(keys(&both)), [":80", "/x"]);
    // plackup -S app.sock
    let socket = [("port", "undef"), ("listen", "./app.sock"), ("socket", "./app.sock")];
    assert_eq!(listens(keys(&socket)), ["./app.sock"]);
    // plackup -l ./app:1
    let colon = [("host", "./app"), ("port", "1"), ("listen", "./app:1")];
    assert_eq!(listens(keys(&colon)), ["./app:1"]);
    // plackup --socket-path=/x, alone and with a port
    let path = [("socket_path", "/x"), ("port", "5000"), ("listen", ":5000")];
    assert_eq!(listens(keys(&path)), ["/x"]);
    let path = [("socket_path", "/x"), ("port", "80"), ("listen", ":80")];
    assert_eq!(listens(keys(&path)), [":80", "/x"]);
    // Plack::Loader, called by code
    let code = [("host", "localhost"), ("port", "3000"), ("server_ready", "CODE(0x1)")];
    assert_eq!(listens(keys(&code)), ["localhost:3000"]);
    assert_eq!(listens(keys(&[])), [":5000"]);
}

#[test]
fn plackup_keeps_what_is_its_own_and_nothing_is_silent() {
    assert!(message(keys(&[("access_log", "/x")])).contains("the program's"));
    assert!(message(keys(&[("dir", "/srv")])).contains("not in this version"));
    assert!(message(keys(&[("net_server_user", "x")])).contains("Net::Server"));
    let config = keys(&[("ssl", ""), ("argv", "ARRAY(0x1)")]).unwrap();
    assert_eq!(config.notes.len(), 2, "{:?}", config.notes);
}

#[test]
fn sockets_of_a_starter_replace_what_was_typed_and_that_is_said() {
    let starter = |text: &str, pairs: &[(&str, &str)]| {
        let mut options = Options::default();
        pairs.iter().for_each(|(name, value)| options.set(name, Some(value)).unwrap());
        let server_starter_port = Some(text.to_owned());
        Config::decide(&options, &HostFacts { server_starter_port, ..host() })
    };
    let config = starter("127.0.0.1:80=3;/run/a=b.sock=4;[::1]:80=5", &[("port", "80")]).unwrap();
    let names: Vec<_> = config.inherited.iter().map(|one| (one.name.as_str(), one.fd)).collect();
    assert_eq!(names, [("127.0.0.1:80", 3), ("/run/a=b.sock", 4), ("[::1]:80", 5)]);
    assert!(config.listen.is_empty());
    assert_eq!(config.notes, ["listen :80 is replaced by the sockets that were inherited"]);
    for wrong in ["80", "80=", "80=x", "80=-1", "80=+3"] {
        assert!(message(starter(wrong, &[])).contains("SERVER_STARTER_PORT"), "{wrong}");
    }
    assert_eq!(listens(starter("", &[])), [":5000"]);
}

#[test]
fn an_empty_server_software_means_no_field() {
    let name = |pairs: &[(&str, &str)]| asked(pairs).unwrap().server_software;
    assert_eq!(name(&[]), Some(format!("Monoceros/{VERSION}")));
    assert_eq!(name(&[("server-software", "x")]), Some("x".to_owned()));
    assert_eq!(name(&[("server-software", "")]), None);
    for evil in ["a\r\nX: b", "a\nb", "a\u{1}b", "a\0b", "a\u{7f}"] {
        let why = message(asked(&[("server-software", evil)]));
        assert!(why.contains("control characters"), "{why}");
    }
}

#[test]
fn what_was_decided_is_shown_under_the_names_of_options() {
    let shown = asked(&[("listen", "[::1]:80"), ("max-requests", "0")]).unwrap().to_string();
    assert!(shown.starts_with("listen: [::1]:80\nbacklog: 4096\n"), "{shown}");
    for line in shown.lines() {
        let name = line.split(':').next().unwrap();
        assert!(TABLE.iter().any(|opt| opt.name == name), "{line}");
    }
    assert!(shown.contains("\nmax-reqs-per-child: 0\n"), "{shown}");
}
