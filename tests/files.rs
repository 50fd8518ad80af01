//! Bodies that are files: which of them the kernel sends, and `X-Sendfile`.

use std::fs;
use std::path::PathBuf;

use crate::support::{Answer, Client, DEADLINE, Door, End, Pid, Server, Setup, both_doors, pss};

/// A file that is larger than what any socket takes at once.
const LARGE: usize = 24_000_000;

/// A setup of `files.psgi`, and its folder. What is compared here takes seconds where the machine is busy, and
/// the connection is to be there afterwards.
fn setup(door: Door, data: &[u8]) -> (Setup, PathBuf) {
    let setup = Setup::new(door, "files.psgi").options(&["--keepalive-timeout=120"]);
    let folder = setup.folder().to_owned();
    fs::write(folder.join("data"), data).unwrap();
    (setup, folder)
}

/// Bytes that differ from place to place.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| b"0123456789abcdefghijklmnopqrstuvwxyz\n"[at % 37]).collect()
}

/// Bytes that a process has written to files, and has made the kernel send: what goes to a socket in
/// any other way is not counted.
fn written(pid: Pid) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/io", pid.as_raw_nonzero())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

/// What so many bytes are, give or take the lines of a log.
fn about(count: usize, size: usize) -> bool {
    (size..size + 20_000).contains(&count)
}

/// How often the log says this behind a mark, once it has said so at all.
fn said(server: &Server, mark: usize, what: &str) -> usize {
    server.expect_log_since(mark, what);
    server.log.matching(|line| line.contains(what)).len()
}

/// Asks for an X-Sendfile of a file beside a body of some kind.
fn sent(client: &mut Client, kind: &str, file: &str) -> Answer {
    client.ask(&format!("/x/{kind}?{file}"))
}

both_doors! {
    /// From where the handle is, to the end, or as far as the length says; and closed once.
    fn a_file_is_sent_from_where_it_is(door) {
        let data = b"0123456789\nabcdefghi\n";
        let (setup, _) = setup(door, data);
        let server = setup.start();
        let mut client = server.connect();
        for (path, body) in [
            ("/plain", &data[..]),
            ("/read", &data[3..]),
            ("/line", &data[11..]),
            ("/seek", &data[5..]),
            ("/beyond", b""),
            ("/cut", b"012"),
            ("/later", &data[..]),
            ("/path", &data[..]),
            ("/written", b"0123456789\nabcdefghi\n!"),
        ] {
            let closed = server.log.matching(|line| line.contains("file closed")).len();
            let mark = server.log.mark();
            let answer = client.ask(path);
            assert_eq!(answer.text(), String::from_utf8_lossy(body), "{path}");
            let length = body.len().to_string();
            assert_eq!(answer.field("Content-Length"), Some(length.as_str()), "{path}");
            assert_eq!(said(&server, mark, "file closed"), closed + 1, "{path}");
        }
        client.send("HEAD /plain HTTP/1.1\r\nHost: a\r\n\r\n");
        let mark = server.log.mark();
        assert_eq!(client.answer_to_head().field("Content-Length"), None);
        assert_eq!(client.ask("/bad").status(), 500);
        server.expect_log_since(mark, "X-Bad");
        assert_eq!(client.ask("/next").text(), "/next");
        let closed = server.log.count(11, DEADLINE, |line| line.contains("file closed"));
        assert_eq!(closed, 11, "after HEAD, and after a bad head");
        server.stop();
    }

    /// What is no plain file, or is not its bytes, is read by getline.
    fn other_handles_are_read(door) {
        let (setup, folder) = setup(door, "caf\u{e9} \u{e0}\r\nb\n".as_bytes());
        let gzip = std::process::Command::new("gzip").arg("-k").arg(folder.join("data")).status();
        assert!(gzip.unwrap().success());
        let server = setup.start();
        let mut client = server.connect();
        for (path, body) in [
            ("/gzip", "caf\u{e9} \u{e0}\r\nb\n".as_bytes()),
            ("/upper", "CAF\u{c3}\u{a9} \u{c3}\u{a0}\r\nB\n".as_bytes()),
            // Characters, as the handle reads them: a byte each.
            ("/utf8", b"caf\xe9 \xe0\r\nb\n"),
            ("/crlf", "caf\u{e9} \u{e0}\nb\n".as_bytes()),
            ("/memory", b"in memory\n"),
        ] {
            let answer = client.ask(path);
            let body = String::from_utf8_lossy(body);
            let wanted = if path == "/upper" { "CAF" } else { &body };
            assert!(answer.text().starts_with(wanted), "{path}: {:?}", answer.text());
            assert_eq!(answer.field("Transfer-Encoding"), Some("chunked"), "{path}");
        }
        // Files whose size is not that of what can be read.
        let status = client.ask("/proc");
        assert!(status.text().contains("Pid:\t"), "{}", status.text());
        let own = client.ask("/own");
        assert!(own.body.starts_with(b"CAF"), "{}", own.text());
        assert_eq!(client.ask("/next").text(), "/next");
        server.stop();
    }

    /// A file that is shorter than its promise is a reset; so is one that shrinks while it is sent.
    fn a_file_that_is_too_short_is_a_reset(door) {
        let (setup, folder) = setup(door, &pattern(100));
        let server = setup.options(&["--max-workers=1"]).start();
        let mut client = server.connect();
        client.get("/missing");
        let answer = client.any_answer(false);
        assert_eq!((answer.whole, answer.end), (false, End::Reset));

        fs::write(folder.join("data"), pattern(LARGE)).unwrap();
        let mut slow = server.connect();
        slow.get("/plain");
        slow.read_at_least(1);
        // The worker is free, so the manager has the rest.
        assert_eq!(server.connect().ask("/other").text(), "/other");
        fs::write(folder.join("data"), pattern(100)).unwrap();
        let answer = slow.any_answer(false);
        assert_eq!((answer.whole, answer.end), (false, End::Reset));
        assert!(answer.body.len() < LARGE);
        assert_eq!(server.connect().ask("/next").text(), "/next");
        server.stop();
    }

    /// The kernel sends a file: the worker what the socket takes, the manager the rest, and nobody
    /// copies it; the only worker is free meanwhile.
    fn what_app_file_sends_goes_by_sendfile(door) {
        let data = pattern(LARGE);
        let (setup, _) = setup(door, &data);
        let server = setup.options(&["--max-workers=1"]).start();
        let (manager, worker) = (server.manager(), server.workers()[0]);
        for path in ["/app/data", "/plain", "/later"] {
            let before = (written(manager), written(worker));
            let mut slow = server.connect();
            slow.get(path);
            slow.read_at_least(1);
            assert_eq!(server.connect().ask("/other").text(), "/other");
            let answer = slow.answer();
            assert_eq!(answer.field("Content-Length"), Some(LARGE.to_string().as_str()));
            assert!(answer.body == data, "{path}: other bytes");
            let by_manager = written(manager) - before.0;
            let by_worker = written(worker) - before.1;
            assert!(by_manager > LARGE / 2, "{path}: {by_manager} by the manager");
            assert!(by_worker > 0, "{path}: nothing by the worker");
            // Spooled, it would have been written twice; sent by hand, not at all.
            assert!(about(by_manager + by_worker, LARGE), "{path}: {by_manager} + {by_worker}");
            assert_eq!(slow.ask("/next").text(), "/next");
        }
        server.stop();
    }

    /// If there is no room for what a reader does not take, its worker waits, with the rest unread.
    fn what_cannot_be_spooled_is_not_kept_in_memory(door) {
        let data = pattern(LARGE);
        let full = [("--max-spool-size=1", "/own"), ("--max-spool-size=8m", "/own-later")];
        for (spool, path) in full {
            let (setup, _) = setup(door, &data);
            let server = setup.options(&["--max-workers=1", "--max-drain-memory=0", spool]).start();
            let worker = server.workers()[0];
            let mut client = server.connect();
            client.ask("/next");
            let before = pss(worker);
            client.get(path);
            server.expect_log("cannot keep the rest of an answer");
            let grown = pss(worker).saturating_sub(before);
            assert!(grown < 2 << 10, "{path} {spool}: {grown} KiB more");
            assert!(client.answer().body == data.to_ascii_uppercase(), "{path} {spool}");
            assert_eq!(client.ask("/next").text(), "/next");
            server.stop();
        }
    }

    /// Without the option it is a field like any other.
    fn x_sendfile_is_an_ordinary_field_without_roots(door) {
        let (setup, folder) = setup(door, b"data");
        let server = setup.start();
        let file = folder.join("data").display().to_string();
        let answer = sent(&mut server.connect(), "200/array", &file);
        assert_eq!((answer.status(), answer.text().as_str()), (200, "wrong"));
        assert_eq!(answer.field("X-Sendfile"), Some(file.as_str()));
        server.stop();
    }

    /// The file is the answer, whatever body was given beside it, which is closed.
    fn x_sendfile_sends_the_file(door) {
        let (setup, folder) = setup(door, b"the data");
        fs::write(folder.join("empty"), "").unwrap();
        fs::write(folder.join("large"), pattern(LARGE)).unwrap();
        let root = format!("--sendfile-root={}", folder.display());
        let server = setup.options(&[&root, "--max-workers=1"]).start();
        let file = folder.join("data").display().to_string();
        let mut client = server.connect();
        for (kind, said) in [
            ("200/none", ""),
            ("200/array", ""),
            ("200/gzip", ""),
            ("404/none", ""),
            ("200/file", "file closed"),
            ("200/object", "pieces closed with 8"),
            ("200/later", "pieces closed with"),
            ("200/writer", "written: yes"),
        ] {
            let mark = server.log.mark();
            let answer = sent(&mut client, kind, &file);
            assert_eq!(answer.text(), "the data", "{kind}");
            assert_eq!(answer.status().to_string(), kind[..3], "{kind}");
            assert_eq!(answer.field("Content-Length"), Some("8"), "{kind}");
            assert_eq!(answer.field("Content-Type"), Some("text/x-sent"), "{kind}");
            assert_eq!(answer.field("Set-Cookie"), Some("a=b"), "{kind}");
            for gone in ["X-Sendfile", "Content-Encoding", "Transfer-Encoding"] {
                assert_eq!(answer.field(gone), None, "{kind}");
            }
            if !said.is_empty() {
                server.expect_log_since(mark, said);
            }
        }
        assert_eq!(server.log.matching(|line| line.contains("written: no")).len(), 0);

        client.send(format!("HEAD /x/200/none?{file} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = client.answer_to_head();
        assert_eq!((head.status(), head.field("Content-Length")), (200, Some("8")));
        assert_eq!(head.field("X-Sendfile"), None);
        for status in ["204/array", "304/none", "205/none"] {
            let answer = sent(&mut client, status, &file);
            assert_eq!((answer.body.len(), answer.field("X-Sendfile")), (0, None), "{status}");
        }
        let empty = sent(&mut client, "200/array", &file.replace("data", "empty"));
        assert_eq!((empty.status(), empty.field("Content-Length")), (200, Some("0")));

        let mut old = server.connect();
        old.send(format!("GET /x/200/array?{file} HTTP/1.0\r\n\r\n"));
        let answer = old.answer();
        assert_eq!((answer.field("Content-Length"), answer.text().as_str()), (Some("8"), "the data"));
        old.expect_end();

        let mut slow = server.connect();
        slow.get(&format!("/x/200/none?{}", file.replace("data", "large")));
        slow.read_at_least(1);
        assert_eq!(client.ask("/other").text(), "/other");
        assert!(slow.answer().body == pattern(LARGE));
        assert_eq!(slow.ask("/next").text(), "/next");
        server.stop();
    }

    /// A part is the application's decision; what it says of it must be right.
    fn x_sendfile_sends_the_part_that_206_names(door) {
        let (setup, folder) = setup(door, b"0123456789");
        let root = format!("--sendfile-root={}", folder.display());
        let server = setup.options(&[&root]).start();
        let mut client = server.connect();
        let file = folder.join("data").display().to_string();
        let part = sent(&mut client, "206/array", &format!("{file}&Content-Range=bytes%202-4/10"));
        assert_eq!((part.status(), part.text().as_str()), (206, "234"));
        assert_eq!(part.field("Content-Range"), Some("bytes 2-4/10"));
        assert_eq!(part.field("Content-Length"), Some("3"));
        for wrong in ["", "&Content-Range=bytes%202-10/10", "&Content-Range=bytes%20*/10"] {
            let mark = server.log.mark();
            let answer = sent(&mut client, "206/array", &format!("{file}{wrong}"));
            assert_eq!((answer.status(), answer.field("Content-Range")), (500, None), "{wrong}");
            server.expect_log_since(mark, "206 without a Content-Range");
        }
        server.stop();
    }

    /// Nothing outside, and nothing that is no file: 404, and the log says why. The application's own
    /// fields were about a file that is not there.
    fn x_sendfile_stays_inside(door) {
        let (setup, folder) = setup(door, b"secret");
        let root = folder.join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "inside").unwrap();
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        std::os::unix::fs::symlink("../data", root.join("out")).unwrap();
        std::os::unix::fs::symlink(folder.join("data"), root.join("absolute")).unwrap();
        std::os::unix::fs::symlink("/proc/self/root", root.join("magic")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), 0o600.into()).unwrap();
        let server = setup.options(&[&format!("--sendfile-root={}", root.display())]).start();
        let mut client = server.connect();
        let path = |name: &str| format!("{}/{name}", root.display());
        for name in ["file", "link", "./file", "/file"] {
            assert_eq!(sent(&mut client, "200/none", &path(name)).text(), "inside", "{name}");
        }
        let outside = folder.join("data").display().to_string();
        for name in [
            path("out"), path("absolute"), path("../data"), path("magic/etc/passwd"), path("pipe"),
            path(""), path("none"), path("file/more"), root.display().to_string(), outside,
            "/etc/passwd".to_owned(), "file".to_owned(), "../data".to_owned(),
        ] {
            let mark = server.log.mark();
            let answer = sent(&mut client, "200/array", &name);
            assert_eq!((answer.status(), answer.text().as_str()), (404, "Not Found"), "{name}");
            for gone in ["Set-Cookie", "X-Sendfile"] {
                assert_eq!(answer.field(gone), None, "{name}");
            }
            let line = server.expect_log_since(mark, "X-Sendfile");
            let named = line.contains(&name) && line.contains(root.to_str().unwrap());
            assert!(named && line.contains("sendfile-root"), "{name}: {line}");
        }
        let field = format!("GET /hello HTTP/1.1\r\nHost: a\r\nX-Sendfile: {}\r\n\r\n", path("file"));
        client.send(field);
        assert_eq!(client.answer().text(), "/hello", "a request's field is nothing");
        server.stop();
    }

    /// Plack's own middleware, told by the application what the server is.
    fn the_middleware_works(door) {
        let (setup, folder) = setup(door, &pattern(LARGE));
        let root = format!("--sendfile-root={}", folder.display());
        let server = setup.options(&["--sendfile-root=/usr/share", &root]).start();
        let mut client = server.connect();
        let answer = client.ask("/sent/data");
        assert!(answer.body == pattern(LARGE));
        assert_eq!(answer.field("X-Sendfile"), None);
        assert!(answer.field("Last-Modified").is_some(), "what Plack::App::File said");
        assert_eq!(client.ask("/sent/none").status(), 404);
        server.stop();
    }

    /// What cannot work is told at the start.
    fn a_wrong_root_is_status_2(door) {
        for (root, why) in [
            ("/nonexistent/folder", "sendfile-root"),
            ("/etc/passwd", "sendfile-root"),
            ("files", "absolute"),
            ("/", "absolute path of a folder other than /"),
        ] {
            let option = format!("--sendfile-root={root}");
            let finished = Setup::new(door, "files.psgi").options(&[&option]).finish();
            assert_eq!(finished.status, Some(2), "{finished}");
            assert!(finished.err.contains(why) && finished.err.contains(root), "{finished}");
        }
    }
}
