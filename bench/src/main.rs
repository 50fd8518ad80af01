//! The benchmark program: `monoceros-bench compare`, `keepalive [options] ADDRESS`, and the stories of slow and
//! hostile clients: `slow`, `storm`, `unread`, `announce`, `soak`, `large`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::{Arg, ArgMatches, Command, value_parser};
use monoceros_bench::{
    Amount, Crowd, Hold, Idle, Interrupt, LargePlan, Plan, SlowPlan, Slowness, SoakPlan, beside,
    compare, count, explained, floor, footprint, kernel_buffers, large, pause, raise_descriptors,
    run, soak, storm,
};

/// What `--help` says in the end.
const REPEAT: &str = "To repeat the figures of slow and hostile clients by hand:
  monoceros --listen 127.0.0.1:5000 --max-workers=4 --max-reqs-per-child=0 tests/apps/mixed.psgi &
  monoceros-bench slow 127.0.0.1:5000
  monoceros-bench storm 127.0.0.1:5000
  monoceros-bench unread --server PID 127.0.0.1:5000
  monoceros-bench announce --server PID 127.0.0.1:5000    (start with --max-body-size=10g)
  monoceros-bench soak --server PID 127.0.0.1:5000
  monoceros-bench large --server PID --path /up --megabytes 5000 127.0.0.1:5000
                                  (tests/apps/large.psgi, with --max-body-size=6g; then --path /pieces/80000)
PID is the supervisor's; WINCH sent to it logs what the server holds. `make soak` does all of it, \
through both doors.";

fn main() -> anyhow::Result<()> {
    let matches = command().get_matches();
    raise_descriptors();
    obey(&matches).map_err(explained)
}

fn obey(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("compare", options)) => {
            print!("{}", compare::compare(options, &Interrupt::catch()?)?);
            Ok(())
        }
        Some(("floor", options)) => {
            print!("{}", floor::floor(options, &Interrupt::catch()?)?);
            Ok(())
        }
        Some(("count", options)) => count::check(options, &Interrupt::catch()?),
        Some((name @ ("floor-least" | "floor-closure"), options)) => {
            std::process::exit(floor::serve(name, options)?)
        }
        Some(("keepalive", options)) => keepalive(options),
        Some(("slow", options)) => slow(options),
        Some(("storm", options)) => {
            let patience = Duration::from_secs(u64::try_from(number_of(options, "patience"))?);
            let report = storm(
                address(options),
                number_of(options, "connections"),
                path(options),
                patience,
            )?;
            print!("{report}");
            Ok(())
        }
        Some(("unread", options)) => {
            hold(options, |at, clients| Hold::unread(at, clients, path(options)))
        }
        Some(("announce", options)) => {
            let length = u64::try_from(number_of(options, "length"))?;
            hold(options, |at, clients| Hold::announced(at, clients, length))
        }
        Some(("soak", options)) => {
            let report = soak(&SoakPlan {
                address: address(options),
                server: server(options)?,
                clients: number_of(options, "clients"),
                requests: u64::try_from(number_of(options, "requests"))?,
                samples: &[10, 25, 50, 75, 100],
            })?;
            print!("{report}");
            Ok(())
        }
        Some(("large", options)) => {
            let upload = u64::try_from(number_of(options, "megabytes"))? << 20;
            let report = large(&LargePlan {
                address: address(options),
                server: server(options)?,
                path: path(options),
                upload: (upload > 0).then_some(upload),
            })?;
            print!("{}\n{report}", report.head);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn number(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).default_value(default).value_parser(value_parser!(usize)).help(help)
}

/// As [`number`], but none is too few.
fn some(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    let parser = |text: &str| match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    };
    number(name, default, help).value_parser(parser)
}

fn text(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).default_value(default).help(help)
}

/// A path as it stands in a request line.
fn path_of(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with /".to_owned()) }
}

fn keepalive_command() -> Command {
    Command::new("keepalive")
        .about("Every kept connection makes its own requests, one after the other")
        .arg(some("connections", "100", "Kept connections"))
        .arg(number("requests", "250", "Requests of each"))
        .arg(number("seconds", "0", "Run for so long instead"))
        .arg(number("pause", "0", "Milliseconds between an answer and the next request"))
        .arg(number("per-connection", "0", "Close a connection after so many answers; 0: never"))
        .arg(number("fresh", "0", "Clients beside them that connect anew for each request"))
        .arg(number("idle", "0", "Idle connections held beside them, asked again at the end"))
        .arg(number("slow-readers", "0", "Clients beside them that read 10 KiB/s of --large"))
        .arg(number("slow-uploaders", "0", "Clients beside them that send bodies at 5 KiB/s"))
        .arg(number("slow-heads", "0", "Clients beside them that send heads at 10 bytes/s"))
        .arg(number("patience", "5", "Seconds that a request may take"))
        .arg(
            Arg::new("path")
                .long("path")
                .value_parser(path_of)
                .help("What to ask for [default: what `compare` asks for]"),
        )
        .arg(text("large", "/bytes/33554432", "What slow readers ask for (tests/apps/mixed.psgi)"))
}

fn command() -> Command {
    let address = || {
        let address = Arg::new("address").required(true).value_parser(value_parser!(SocketAddr));
        address.help("Where the server listens: 127.0.0.1:5000")
    };
    let server = || number("server", "0", "Process number of its supervisor");
    let slow = Command::new("slow")
        .about("Active clients, alone and beside slow readers, uploaders and senders of heads")
        .arg(some("connections", "20", "Active clients"))
        .arg(number("slow", "50", "Slow ones"))
        .arg(number("seconds", "10", "How long each phase is"))
        .arg(number("rounds", "1", "How often all is done"))
        .arg(text("path", "/", "What active and sending ones ask for"))
        .arg(text("large", "/bytes/33554432", "What slow readers ask for"));
    let storm = Command::new("storm")
        .about("Connections opened all at once, a request on each")
        .arg(some("connections", "10000", "How many"))
        .arg(number("patience", "60", "Seconds until the last answer"))
        .arg(text("path", "/sleep/10", "What to ask for"));
    let unread = Command::new("unread")
        .about("Clients that ask and do not read: what the server holds for them")
        .arg(server())
        .arg(some("clients", "2000", "How many"))
        .arg(number("seconds", "15", "How long they are watched"))
        .arg(text("path", "/bytes/1048576", "What to ask for"));
    let announce = Command::new("announce")
        .about("Clients that announce a large body and send a byte of it")
        .arg(server())
        .arg(some("clients", "1000", "How many"))
        .arg(number("seconds", "5", "How long they are watched"))
        .arg(number("length", "9999999999", "Bytes that they announce"));
    let soak = Command::new("soak")
        .about("Requests of mixed kinds, malformed and given up ones too: whether the server grows")
        .arg(server())
        .arg(some("clients", "64", "Clients at a time"))
        .arg(number("requests", "2000000", "Requests in all"));
    let large = Command::new("large")
        .about("One very large body: what the server grows by meanwhile")
        .arg(server())
        .arg(number("megabytes", "0", "Upload so many; 0: read the answer"))
        .arg(text("path", "/up", "What to ask for"));
    let all = [keepalive_command(), slow, storm, unread, announce, soak, large];
    Command::new("monoceros-bench")
        .about("Measures how long requests wait, and what clients cost")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .after_help(REPEAT)
        .subcommand(compare::command())
        .subcommand(count::command())
        .subcommand(floor::command())
        .subcommands(floor::inner())
        .subcommands(all.map(|one| one.arg(address())))
}

fn number_of(options: &ArgMatches, name: &str) -> usize {
    options.get_one::<usize>(name).copied().unwrap_or_default()
}

fn address(options: &ArgMatches) -> SocketAddr {
    *options.get_one::<SocketAddr>("address").expect("clap requires it")
}

fn path(options: &ArgMatches) -> &str {
    options.get_one::<String>("path").map_or("/", String::as_str)
}

fn server(options: &ArgMatches) -> anyhow::Result<u32> {
    match u32::try_from(number_of(options, "server"))? {
        0 => anyhow::bail!("--server is needed: the process number of the supervisor"),
        pid => Ok(pid),
    }
}

fn slow(options: &ArgMatches) -> anyhow::Result<()> {
    let plan = SlowPlan {
        address: address(options),
        active: number_of(options, "connections"),
        slow: number_of(options, "slow"),
        time: Duration::from_secs(u64::try_from(number_of(options, "seconds"))?),
        path: path(options).to_owned(),
        large: options.get_one::<String>("large").cloned().unwrap_or_default(),
        brief: false,
    };
    for _ in 0..number_of(options, "rounds") {
        for slowness in [Slowness::Readers, Slowness::Uploaders, Slowness::Heads] {
            println!("{}", beside(&plan, slowness, &mut |_| {})?);
        }
    }
    Ok(())
}

/// Watches the server while connections are held, and after they have gone.
fn hold(
    options: &ArgMatches,
    make: impl FnOnce(SocketAddr, usize) -> anyhow::Result<Hold>,
) -> anyhow::Result<()> {
    let server = server(options)?;
    let show = |when: &str| {
        let now = footprint(server);
        println!(
            "{when}: {} KiB of memory (processes {}, files {}), {} KiB in files on disk, \
             {} KiB in the kernel's TCP buffers",
            now.memory(),
            now.pss,
            now.memory_files,
            now.disk_files,
            kernel_buffers()
        );
    };
    show("before");
    let held = make(address(options), number_of(options, "clients"))?;
    for second in 0..number_of(options, "seconds") {
        show(&format!("{second} s"));
        pause(Duration::from_secs(1))?;
    }
    println!("{} clients have been answered, in part or closed", held.spoken_to()?);
    drop(held);
    pause(Duration::from_secs(3))?;
    show("after they have gone");
    Ok(())
}

/// Slow clients of every kind that was asked for, under way.
fn crowds(
    options: &ArgMatches,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<Vec<(Slowness, Crowd)>> {
    let large = options.get_one::<String>("large").map_or("/", String::as_str);
    let kinds = [
        ("slow-readers", Slowness::Readers, large),
        ("slow-uploaders", Slowness::Uploaders, path),
        ("slow-heads", Slowness::Heads, path),
    ];
    let wanted = kinds.into_iter().filter(|(name, ..)| number_of(options, name) > 0);
    wanted
        .map(|(name, slowness, path)| {
            let crowd = Crowd::start(address, slowness, number_of(options, name), path, false)?;
            Ok((slowness, crowd))
        })
        .collect()
}

fn keepalive(options: &ArgMatches) -> anyhow::Result<()> {
    let seconds = |name| u64::try_from(number_of(options, name)).map(Duration::from_secs);
    let address = address(options);

    let mut plan = Plan::keepalive(address, number_of(options, "connections"));
    plan.fresh = number_of(options, "fresh");
    plan.patience = seconds("patience")?;
    plan.rest = Duration::from_millis(u64::try_from(number_of(options, "pause"))?);
    plan.per_connection = u32::try_from(number_of(options, "per-connection"))?;
    plan.amount = match seconds("seconds")? {
        Duration::ZERO => {
            Amount::RequestsPerConnection(u32::try_from(number_of(options, "requests"))?)
        }
        time => Amount::Time(time),
    };
    if let Some(path) = options.get_one::<String>("path") {
        plan.path.clone_from(path);
    }

    let opening = Instant::now();
    let mut idle = Idle::open(address, number_of(options, "idle"))?;
    if idle.count() > 0 {
        println!("{} idle connections opened in {:.2?}", idle.count(), opening.elapsed());
    }
    let crowds = crowds(options, address, &plan.path)?;
    let report = run(&plan)?;
    print!("{report}");
    if idle.count() > 0 {
        let longest = idle.ask_all()?;
        println!("all {} idle connections answered; longest wait {longest:.2?}", idle.count());
    }
    for (slowness, crowd) in crowds {
        let told = crowd.finish()?;
        let read = told.read / 1024;
        println!(
            "slow {slowness:?}: {} answered, {read} KiB read, failed {:?}",
            told.answered, told.failed
        );
    }
    let failures = report.kept.failures + report.fresh.failures;
    let in_vain = failures > 0 && report.kept.answered() + report.fresh.answered() == 0;
    ensure!(!in_vain, "no request was answered: is there a server at {address}?");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Result<ArgMatches, clap::Error> {
        keepalive_command()
            .arg(Arg::new("address").value_parser(value_parser!(SocketAddr)))
            .try_get_matches_from(words.split(' '))
    }

    #[test]
    fn no_connections_are_too_few() {
        for line in ["keepalive --connections 0", "storm --connections 0", "soak --clients 0"] {
            assert!(asked(&format!("{line} 127.0.0.1:1")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        assert!(asked("keepalive --path foo 127.0.0.1:1").is_err());
        assert!(asked("keepalive --path /foo 127.0.0.1:1").is_ok());
    }

    #[test]
    fn a_run_in_which_nothing_was_answered_has_failed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let options = asked(&format!("keepalive --requests 1 --connections 2 {address}")).unwrap();
        assert!(keepalive(&options).unwrap_err().to_string().contains("no request was answered"));
    }
}
