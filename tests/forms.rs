//! What an application gives back, form by form: what the client gets, what the log says, and that
//! `close` is called once whatever happens.

use std::time::{Duration, Instant};

use crate::support::{Answer, Client, End, Server, both_doors};

const FAULT: &str = "Internal Server Error";

fn serve(door: crate::support::Door) -> Server {
    Server::start(door, "forms.psgi", &["--max-workers=1"])
}

/// Asks for a path; the same worker answers the next request of the same connection.
#[track_caller]
fn ask(client: &mut Client, path: &str) -> Answer {
    let before = client.ask("/").text();
    let answer = client.ask(path);
    assert_eq!(client.ask("/").text(), before, "another worker after {path}");
    answer
}

/// Asks for a path whose answer breaks off: gives what came of its body.
#[track_caller]
fn ask_in_vain(server: &Server, path: &str) -> String {
    let before = server.connect().ask("/").text();
    let mut client = server.connect();
    client.get(path);
    let answer = client.any_answer(false);
    assert_eq!((answer.status(), answer.whole, answer.end), (200, false, End::Reset), "{path}");
    assert_eq!(server.connect().ask("/").text(), before, "another worker after {path}");
    answer.text()
}

/// Asks for a path, gets a 500, and finds `logged` in the log.
#[track_caller]
fn expect_fault(server: &Server, client: &mut Client, path: &str, logged: &str) {
    let mark = server.log.mark();
    let answer = ask(client, path);
    assert_eq!((answer.status(), answer.text().as_str()), (500, FAULT), "{path}");
    assert_eq!(answer.field("Content-Type"), Some("text/plain"), "{path}");
    for name in ["X-A", "X-B", "Connection"] {
        assert_eq!(answer.field(name), None, "{path}");
    }
    server.expect_log_since(mark, logged);
}

/// How often a body was closed since `mark`, by a worker that is free again.
fn closed(server: &Server, mark: usize) -> usize {
    server.connect().ask("/mark");
    server.expect_log_since(mark, "so far");
    server.log.matching(|_| true).iter().skip(mark).filter(|line| *line == "closed once").count()
}

both_doors! {
    /// Edge 7. Nothing is nothing, and `0` is a body.
    fn pieces_of_an_array(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, body) in [
            ("/body/empty", "0"),
            ("/body/zero", "0"),
            ("/body/none", ""),
            ("/body/numbers", "1.5-71000"),
        ] {
            let answer = ask(&mut client, path);
            assert_eq!((answer.status(), answer.text().as_str()), (200, body), "{path}");
            assert_eq!(answer.field("Content-Length"), Some(body.len().to_string().as_str()));
        }
        let many = ask(&mut client, "/body/many").text();
        assert!(many.starts_with("1,2,") && many.ends_with("99,100,"), "{many}");
        server.stop();
    }

    /// What has bytes leaves as these bytes, and stays in the application as it was.
    fn objects_and_latin_1(door) {
        let server = serve(door);
        let mut client = server.connect();
        assert_eq!(ask(&mut client, "/body/object").body, b"shown\xe9\xff");
        let answer = ask(&mut client, "/body/latin");
        assert_eq!(answer.body, b"\xe9\xff");
        assert_eq!(ask(&mut client, "/body/intact").text(), "flagged 2");
        server.stop();
    }

    /// Head and body of an array leave together.
    fn an_array_is_one_packet(door) {
        let server = serve(door);
        let mut client = server.connect();
        for _ in 0..3 {
            client.get("/body/many");
            let first = client.read_at_least(1);
            let answer = client.answer();
            assert!(first > answer.body.len() + 100, "{first} bytes came first");
        }
        server.stop();
    }

    /// Edge 15. `getline` is asked until undef, and '' is not the end, however often it comes; but then
    /// it is asked less often.
    fn getline_until_undef(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, body) in [
            ("/lines/order", "abc\n"),
            ("/lines/empty", "ab"),
            ("/lines/zero", "00"),
            ("/lines/path", "not the file"),
            ("/lines/memory", "one\ntwo\n"),
            ("/lines/crlf", "one\ntwo"),
            ("/lines/pipe", "piped\n"),
        ] {
            let answer = ask(&mut client, path);
            assert_eq!((answer.status(), answer.text().as_str()), (200, body), "{path}");
        }
        let begun = Instant::now();
        assert_eq!(ask(&mut client, "/lines/nothing").text(), "at last");
        assert!(begun.elapsed() > Duration::from_millis(250), "{:?}", begun.elapsed());
        server.stop();
    }

    /// `close` is called once, always: after a whole body, for HEAD, without a body, after a fault, after
    /// a death, and when the client has gone.
    fn a_body_is_closed_once(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, status) in [
            ("/lines/order", 200),
            ("/lines/304", 304),
            ("/lines/field", 500),
            ("/wide/first", 500),
            ("/dies/first", 500),
            ("/lines/badclose", 200),
        ] {
            let mark = server.log.mark();
            assert_eq!(ask(&mut client, path).status(), status, "{path}");
            assert_eq!(closed(&server, mark), 1, "{path}");
        }
        server.expect_log("in close");

        let mark = server.log.mark();
        client.send("HEAD /lines/order HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer_to_head().status(), 200);
        assert_eq!(closed(&server, mark), 1, "HEAD");

        for path in ["/dies/later", "/wide/later"] {
            let mark = server.log.mark();
            assert_eq!(ask_in_vain(&server, path), "first");
            assert_eq!(closed(&server, mark), 1, "{path}");
        }
        let mark = server.log.mark();
        client.get("/lines/long");
        client.read_at_least(1000);
        client.reset();
        assert_eq!(closed(&server, mark), 1, "the client has gone");
        server.stop();
    }

    /// Edge 8. What has no bytes is a 500 as long as that can be said, and in `write` it can be caught.
    fn wide_characters_and_references(door) {
        let server = serve(door);
        let mut client = server.connect();
        for path in ["/wide/array", "/wide/object", "/wide/field", "/wide/name", "/wide/first"] {
            expect_fault(&server, &mut client, path, "Wide character in response");
        }
        for path in ["/ref/array", "/ref/first"] {
            expect_fault(&server, &mut client, path, "reference");
        }
        expect_fault(&server, &mut client, "/shown/not", "not to be shown");
        for (path, caught) in [("/wide/write", "caught: Wide character in write"), ("/ref/write", "caught: A reference")] {
            let text = ask(&mut client, path).text();
            assert!(text.starts_with(caught), "{text}");
        }
        for (path, logged) in [("/wide/later", "Wide character"), ("/ref/later", "reference")] {
            let mark = server.log.mark();
            assert_eq!(ask_in_vain(&server, path), "first");
            server.expect_log_since(mark, logged);
        }
        server.stop();
    }

    /// Edge 9. A field that is none is told by its name, and reaches nobody.
    fn fields_that_are_none(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, logged) in [
            ("/field/newline", "X-A"),
            ("/field/return", "X-A"),
            ("/field/nul", "X-A"),
            ("/field/name", "X-A"),
            ("/field/space", "X A"),
            ("/field/colon", "X-A: b"),
            ("/field/nameless", "/field/nameless"),
            ("/field/odd", "odd number"),
            ("/field/hash", "HASH"),
            ("/field/none", "undef"),
        ] {
            expect_fault(&server, &mut client, path, logged);
        }
        let mark = server.log.mark();
        let answer = ask(&mut client, "/field/undef");
        assert_eq!((answer.status(), answer.field("X-A")), (200, Some("")));
        server.expect_log_since(mark, "X-A is undef");
        server.stop();
    }

    /// Edge 10. What is no response is a 500 that says what it was; the worker lives.
    fn what_is_no_response(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, logged) in [
            ("/given/undef", "response is undef"),
            ("/given/nothing", "response is undef"),
            ("/given/string", "response is a plain scalar"),
            ("/given/empty", "response is a plain scalar"),
            ("/given/number", "response is a plain scalar"),
            ("/given/hash", "response is HASH"),
            ("/given/scalar", "response is SCALAR"),
            ("/given/array", "0 elements"),
            ("/given/one", "1 elements"),
            ("/given/two", "2 elements"),
            ("/given/four", "4 elements"),
            ("/given/status", "\"OK\""),
            ("/given/half", "\"200.5\""),
            ("/given/no", "status is no whole number"),
            ("/given/body", "body is a plain scalar"),
            ("/given/nobody", "body is undef"),
            ("/given/mute", "body is Mute"),
        ] {
            expect_fault(&server, &mut client, path, logged);
        }
        server.stop();
    }

    /// Edge 11. Whatever is thrown, and from wherever: it is told, the client has a 500 or an answer that
    /// does not look whole, and the next request is fine.
    fn deaths(door) {
        let server = serve(door);
        let mut client = server.connect();
        for (path, logged) in [
            ("/dies/plain", "died plainly"),
            ("/dies/object", "Object=HASH"),
            ("/dies/false", "a false object"),
            ("/dies/shown", "(exception could not be stringified)"),
            ("/dies/wide", "died of \u{2603}"),
            ("/dies/empty", "handled"),
            ("/dies/code", "died in CODE"),
            ("/dies/first", "died at first"),
        ] {
            expect_fault(&server, &mut client, path, logged);
        }
        for (path, logged) in [("/dies/later", "died later"), ("/dies/writer", "died in the writer")] {
            let mark = server.log.mark();
            assert_eq!(ask_in_vain(&server, path), "first", "{path}");
            server.expect_log_since(mark, logged);
        }
        for (path, logged) in [("/dies/after", "died after all"), ("/lines/badclose", "in close")] {
            let mark = server.log.mark();
            let answer = ask(&mut client, path);
            assert_eq!((answer.status(), answer.text().as_str()), (200, "whole"), "{path}");
            server.expect_log_since(mark, logged);
        }
        server.stop();
    }

    /// Edge 13. `exit`, from wherever: the client is answered, END blocks see the status, and another
    /// worker goes on.
    fn exits(door) {
        let server = serve(door);
        for (path, status, begun) in [
            ("/exit/app", 3, ""),
            ("/exit/code", 4, ""),
            ("/exit/writer", 5, "first"),
            ("/exit/getline", 7, "first"),
            ("/exit/first", 8, ""),
            ("/exit/close", 6, "whole"),
            ("/exit/destroy", 9, "whole"),
        ] {
            let mut client = server.connect();
            let worker = client.ask("/").text();
            client.get(path);
            let answer = client.any_answer(false);
            match begun {
                "" => assert_eq!((answer.status(), answer.text().as_str()), (500, FAULT), "{path}"),
                text => assert_eq!((answer.status(), answer.text().as_str()), (200, text), "{path}"),
            }
            let whole = begun != "first";
            assert_eq!((answer.whole, answer.end == End::Reset), (whole, !whole), "{path}");
            server.expect_log(&format!("END of {worker} with {status}"));
            assert_ne!(server.connect().ask("/").text(), worker, "{path}");
        }
        server.stop();
    }
}
