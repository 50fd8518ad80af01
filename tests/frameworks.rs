//! Applications as people write them: a page, a form, an upload of 5 MB and a stream, in each of
//! Mojolicious, Dancer2 and Catalyst.
//!
//! Needs the Debian packages libmojolicious-perl, libdancer2-perl and libcatalyst-perl; `make test`
//! installs them.

use crate::support::{Door, Server, both_doors};

/// What an upload weighs.
const UPLOAD: usize = 5_000_000;

fn works(door: Door, app: &str) {
    let server = Server::start(door, app, &["--max-workers=2"]);
    let mut client = server.connect();

    let page = client.ask("/?name=world");
    assert_eq!((page.status(), page.text().trim_end()), (200, "hello world"));

    client.send(
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 17\r\n\r\ncolour=blue+green",
    );
    assert_eq!(client.answer().text(), "colour is blue green");

    let upload = vec![b'u'; UPLOAD];
    let body = [
        b"--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.bin\"\r\n\
          Content-Type: application/octet-stream\r\n\r\n",
        upload.as_slice(),
        b"\r\n--frontier--\r\n",
    ]
    .concat();
    client.send(format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=frontier\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(client.answer().text(), format!("big.bin has {UPLOAD} bytes"));

    let stream = client.ask("/stream");
    assert_eq!((stream.status(), stream.text().as_str()), (200, "one two three"));
    assert_eq!(client.ask("/?name=again").text().trim_end(), "hello again");
    server.stop();
}

both_doors! {
    /// Mojolicious::Lite
    fn mojolicious(door) {
        works(door, "mojo.psgi");
    }

    /// Dancer2
    fn dancer2(door) {
        works(door, "dancer2.psgi");
    }

    /// Catalyst
    fn catalyst(door) {
        works(door, "catalyst.psgi");
    }
}
