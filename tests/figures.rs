//! What the comparison with other servers writes: both doors, a peer, and one that does not start.

use std::fs;

use monoceros_bench::{Interrupt, compare};

use crate::support::stage;

/// A peer that is slow and one that is broken: a table, a page and a plot with all of them, and a row that
/// says what is broken.
#[test]
fn a_comparison_tells_of_everybody() {
    monoceros_bench::raise_descriptors();
    let out = std::env::temp_dir().join(format!("monoceros-figures-{}", std::process::id()));
    let stage = stage();
    let perl = std::env::var("PERL").unwrap_or_else(|_| "perl".to_owned());
    let slow = format!(
        "feersum={perl} -S plackup -s Standalone -E deployment --host 127.0.0.1 --port {{port}} {{app}}"
    );
    let arguments = [
        "compare",
        "--quick",
        "--only=six",
        "--servers=monoceros,monoceros-plackup,feersum,broken",
        "--peer",
        &slow,
        "--peer=broken=sh -c 'echo no such server >&2; exit 7' {port}",
        "--program",
        env!("CARGO_BIN_EXE_monoceros"),
        "--blib",
        stage.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let options = compare::command().try_get_matches_from(arguments).unwrap();
    let told = compare::compare(&options, &Interrupt::default()).unwrap();
    eprintln!("{told}");

    let row = |server: &str| {
        let begin = format!("| {server} ");
        let line = told.lines().find(|line| line.starts_with(&begin)).expect(server);
        line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    for server in ["monoceros", "monoceros-plackup", "feersum"] {
        let rate: u32 = row(server)[2].replace(',', "").parse().unwrap();
        assert!(rate > 10, "{server}: {rate} requests/s");
        assert_eq!(row(server)[10], "0", "{server}: failures");
    }
    assert_eq!(row("broken")[2], "fails");
    assert!(told.contains("broken: no such server: ended with exit status: 7"), "{told}");
    let verdict = told.lines().find(|line| line.starts_with("- monoceros: ")).unwrap();
    assert!(verdict.contains(" times feersum (") && verdict.ends_with("**met**"), "{verdict}");

    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("compare.md"), told);
    let (page, plot) = (read("index.html"), read("six.svg"));
    assert!(page.contains("<td>monoceros-plackup</td>") && page.contains(&plot), "{page}");
    assert_eq!(plot.matches("<polyline").count(), 3, "{plot}");
    assert_eq!(read("raw.tsv").lines().count(), 5);
    fs::remove_dir_all(out).unwrap();
}
