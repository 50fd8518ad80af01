//! docs/migrating.md: what it says to type can be typed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Door, Setup};

/// The lines of its blocks of commands.
fn commands() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md");
    let page = fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    blocks
        .flat_map(|block| block.split("```").next())
        .flat_map(str::lines)
        .map(str::to_owned)
        .collect()
}

/// Each command of the program decides, and loads an application.
#[test]
fn commands_of_the_program_are_right() {
    let all = commands();
    let ours: Vec<_> =
        all.iter().filter_map(|line| line.split_once("monoceros ").map(|(_, rest)| rest)).collect();
    assert!(ours.len() >= 5, "{all:?}");
    for line in ours {
        let words: Vec<_> = line.split(' ').filter(|word| *word != "app.psgi").collect();
        let setup = Setup::new(Door::Program, "path_info.psgi").only(&words).options(&["--check"]);
        let finished = setup.finish();
        assert_eq!(finished.status, Some(0), "{line}: {finished}");
    }
}

/// Those of plackup are read by the handler, up to the last option: the one that is wrong.
#[test]
fn commands_of_plackup_are_right() {
    let all = commands();
    let ours: Vec<_> = all.iter().filter_map(|line| line.strip_prefix("plackup ")).collect();
    assert!(ours.len() >= 4, "{all:?}");
    for line in ours {
        let words = line.replace("-s Monoceros ", "").replace("-a app.psgi", "--wrong=1");
        let words: Vec<_> = words.split(' ').collect();
        let finished = Setup::new(Door::Plackup, "path_info.psgi").only(&words).finish();
        assert_eq!(finished.status, Some(2), "{line}: {finished}");
        let errors: Vec<_> = finished.err.lines().collect();
        assert_eq!(errors, ["monoceros: unknown option wrong"], "{line}: {finished}");
    }
}

/// start_server, where there is one, is as the page has it.
#[test]
fn the_command_of_start_server_serves() {
    let all = commands();
    let line = all.iter().find(|line| line.starts_with("start_server ")).expect("its command");
    assert!(line.contains(" -- monoceros "), "{line}");
    if Command::new("start_server").arg("--version").output().is_err() {
        return;
    }
    let arguments = ["--port", "127.0.0.1:0", "--interval=1", "--"];
    let setup = Setup::new(Door::Program, "path_info.psgi").only(&["--max-workers=1"]);
    let server = setup.behind("start_server", &arguments).spawn();
    server.expect_log("address=");
    server.stop();
}
