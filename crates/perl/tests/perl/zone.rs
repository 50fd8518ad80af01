//! Local time: nobody sees how a worker saves the looks at /etc/localtime.

use std::ffi::CStr;

use crate::support::{boot, expect};
use crate::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_knows_the_zone_and_nobody_sees_it", unseen),
    case("the_application_may_set_the_zone", set_by_the_application),
    case("a_zone_that_was_set_stays", set_before),
];

/// Says what %ENV has, what a child of the application has, and the hour that began 1970.
const APP: &str = r#"sub {
    my $path = $_[0]{PATH_INFO};
    $ENV{TZ} = 'ABC-3' if $path eq 'set';
    delete $ENV{TZ} if $path eq 'delete';
    my $child = `printf %s "\${TZ-none}"`;
    my $hour = (localtime 0)[2] + 24 * (localtime 0)[3];
    [200, [], [join ' ', $ENV{TZ} // 'none', $child, $hour - 24 * (gmtime 0)[3]]]
}"#;

/// What the C library is told.
fn zone() -> Option<String> {
    // SAFETY: this process has one thread, and what is pointed to is copied before anything else is done.
    unsafe {
        let at = libc::getenv(c"TZ".as_ptr());
        (!at.is_null()).then(|| CStr::from_ptr(at).to_string_lossy().into_owned())
    }
}

/// The hour in /etc/localtime, as a perl says that looks itself.
fn hour() -> String {
    let mut perl = std::process::Command::new("perl");
    perl.args(["-e", "print +(localtime 0)[2] + 24 * (localtime 0)[3] - 24"]).env_remove("TZ");
    String::from_utf8(perl.output().unwrap().stdout).unwrap()
}

fn unseen() {
    let mut perl = boot(APP);
    let before = zone();
    perl.born();
    assert_eq!((before, zone().as_deref()), (None, Some(":/etc/localtime")));
    let said = format!("200  none none {}", hour());
    expect(&mut perl, &[("/", &said), ("/", &said), ("delete", &said)]);
    assert_eq!(zone(), None, "the application wants none");
    expect(&mut perl, &[("/", &said)]);
}

fn set_by_the_application() {
    let mut perl = boot(APP);
    perl.born();
    expect(&mut perl, &[("set", "200  ABC-3 ABC-3 3"), ("/", "200  ABC-3 ABC-3 3")]);
    perl.born();
    assert_eq!(
        zone().as_deref(),
        Some("ABC-3"),
        "as when it is set while the application is loaded"
    );
}

fn set_before() {
    let mut perl = boot(&format!("$ENV{{TZ}} = 'DEF-5'; {APP}"));
    perl.born();
    expect(&mut perl, &[("/", "200  DEF-5 DEF-5 5")]);
    assert_eq!(zone().as_deref(), Some("DEF-5"));
}
