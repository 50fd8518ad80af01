//! Bodies that are larger than memory should ever be: up, down as a file, down in pieces. `make soak` does
//! it with 5 GB, for which there must be room on the disk that holds temporary files.

use std::fs::File;
use std::os::unix::fs::FileExt;

use monoceros_bench::{LargePlan, LargeReport, large};

use crate::support::{Setup, both_doors, soaking};

/// What a tree of processes may grow by, in KiB.
const MOST: u64 = 20 << 10;

/// Bytes of each body.
fn size() -> u64 {
    if soaking() { 5_000 << 20 } else { 300 << 20 }
}

fn judge(what: &str, report: &LargeReport) {
    eprint!("{what}: {report}");
    assert!(report.head.starts_with("HTTP/1.1 200 "), "{what}: {report:?}");
    assert!(report.growth() < MOST, "{what}: {report}");
}

both_doors! {
    /// However large a body is, nobody holds it.
    fn a_large_body_costs_no_memory(door) {
        let size = size();
        let setup = Setup::new(door, "large.psgi");
        let folder = setup.folder().to_owned();
        // A hole, but for some bytes where numbers of 32 bits would go wrong, and at the end.
        let sparse = File::create(folder.join("large")).unwrap();
        let marks = [0, size / 2, size - 1, (1_u64 << 32).min(size - 2)];
        sparse.set_len(size).unwrap();
        marks.iter().for_each(|&at| sparse.write_all_at(b"x", at).unwrap());
        let spool = format!("--spool-dir={}", folder.display());
        let options = ["--max-workers=2", "--max-reqs-per-child=0", "--max-body-size=6g", &spool];
        let server = setup.options(&options).start();
        let address = server.addresses()[0].parse().unwrap();
        let pid = server.pid().as_raw_nonzero().get().unsigned_abs();
        let run = |path, upload| {
            large(&LargePlan { address, server: pid, path, upload }).unwrap()
        };
        // Every process has done each thing once.
        (0..4).for_each(|_| drop(run("/up", Some(1 << 20))));
        (0..4).for_each(|_| drop(run("/pieces/16", None)));

        let report = run("/up", Some(size));
        judge(&format!("{size} bytes up"), &report);
        assert_eq!(report.text, format!("size={size} others=0\n"));

        let report = run("/file", None);
        judge("down, a file", &report);
        assert_eq!((report.bytes, report.others), (size, size - 4));

        let report = run(&format!("/pieces/{}", size >> 16), None);
        judge("down, in pieces", &report);
        assert_eq!((report.bytes, report.others), (size, 0));
        server.expect_log("pieces closed");
        server.stop();
    }
}
