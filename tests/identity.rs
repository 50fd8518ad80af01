//! Who the server is: `user` and `group`, and what it has made before.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{Client, Door, Setup, Signal, both_doors};

/// Tells which user and which groups it is. Loaded, it says so too.
const APP: &str = "my $says = sub { $( =~ /^(\\d+)(.*)/; \"$< $> $1$2\" }; \
                   print STDERR 'loaded as ', $says->(), qq(\\n); sub { [200, [], [$says->()]] }";

fn am_root() -> bool {
    rustix::process::geteuid().is_root()
}

both_doors! {
    /// Root binds, and what runs is another: what it has made belongs to that one.
    fn what_root_has_begun_another_goes_on_with(door) {
        if !am_root() {
            let finished = Setup::new(door, "path_info.psgi").options(&["--user=root"]).finish();
            assert_eq!(finished.status, Some(2), "{finished}");
            assert!(finished.err.contains("only root may become"), "{finished}");
            return;
        }
        let setup = Setup::bare(door);
        let folder = setup.folder().to_owned();
        let at = |name: &str| folder.join(name).display().to_string();
        let (socket, pid, log) = (at("socket"), at("pid"), at("log"));
        let made = [format!("--pid={pid}"), format!("--error-log={log}")];
        let who = ["--user=4711", "--group=4712", "--max-workers=1"];
        let only = ["-l", &socket, &made[0], &made[1], "-e", APP];
        let mut server = setup.options(&who).options(&only).spawn();
        server.until("it is ready", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(" ready"))
                && std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        let mut client = Client::connect(&socket);
        assert_eq!(client.ask("/").text(), "4711 4711 4712 4712");
        for path in [&socket, &pid, &log] {
            let file = fs::metadata(path).unwrap();
            assert_eq!((file.uid(), file.gid()), (4711, 4712), "{path}");
        }
        let first = fs::read_to_string(&log).unwrap().contains("loaded as 4711 4711 4712");
        assert_eq!(first, door == Door::Program, "plackup loads before us");
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert_eq!(fs::read_to_string(&pid).unwrap(), "", "the folder is root's");
    }

    /// Nobody becomes somebody by mistake.
    fn who_is_not_known_is_refused(door) {
        for (options, said) in [
            (["--user=no-such-user", "--max-workers=1"], "there is no user no-such-user"),
            (["--group=no-such-group", "--max-workers=1"], "there is no group no-such-group"),
            (["--user=3999999999", "--max-workers=1"], "say a group, too"),
        ] {
            let finished = Setup::new(door, "path_info.psgi").options(&options).finish();
            assert_eq!(finished.status, Some(2), "{finished}");
            assert!(finished.err.contains(said), "{finished}");
        }
    }
}

/// A user that has an account brings all its groups.
#[test]
fn a_user_brings_its_groups() {
    if !am_root() {
        return;
    }
    let options = ["--listen", "127.0.0.1:0", "--user=nobody", "-e", APP];
    let server = Setup::bare(Door::Program).options(&options).start();
    let said = std::process::Command::new("id").args(["-G", "nobody"]).output().unwrap();
    let groups = String::from_utf8(said.stdout).unwrap();
    let answer = server.connect().ask("/").text();
    for group in groups.split_whitespace() {
        assert!(answer.split(' ').skip(2).any(|it| it == group), "{group} in {answer}");
    }
    assert_ne!(answer.split(' ').next(), Some("0"));
    server.stop();
}
