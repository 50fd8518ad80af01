//! Writes the seeds, one file each, to the folder that is named: `seeds FOLDER`.
//!
//! Requests to `FOLDER/requests`, what is behind the heads of those with chunks to `FOLDER/bodies`,
//! messages to `FOLDER/messages`. libFuzzer wants folders of files; people read `rows.rs`. A program
//! of its own that needs nothing: the crate is built for libFuzzer to run.

mod rows;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let folder = Path::new(&folder);
    for name in ["requests", "bodies", "messages"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for (at, row) in rows::rows().iter().enumerate() {
        let name = format!("row_{:03}_{at}", row.number);
        fs::write(folder.join("requests").join(&name), &row.bytes)?;
        let end = row.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|_| (51..=67).contains(&row.number)) {
            fs::write(folder.join("bodies").join(&name), &row.bytes[end + 4..])?;
        }
    }
    for (at, message) in rows::messages().iter().enumerate() {
        fs::write(folder.join("messages").join(at.to_string()), message)?;
    }
    Ok(())
}
