//! Local time: a worker names the zone, unless somebody has.

use std::ffi::{CStr, CString, c_char};

use crate::support::{boot, expect};
use crate::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_names_the_zone_and_env_has_no_tz", named),
    case("the_application_may_set_the_zone", set_by_the_application),
    case("a_zone_that_was_set_stays", set_before),
    case("what_c_has_set_before_may_be_set_again", set_in_c),
    case("a_zone_is_words_between_single_slashes", names),
];

unsafe extern "C" {
    /// The zone's name in what a link says, within it, or null.
    fn zone_in(link: *const c_char) -> *const c_char;
}

/// Says what %ENV has, what a child of the application has, and the hour that began 1970.
const APP: &str = r#"sub {
    my $path = $_[0]{PATH_INFO};
    $ENV{TZ} = 'ABC-3' if $path eq 'set';
    delete $ENV{TZ} if $path eq 'delete';
    my $child = `printf %s "\${TZ-none}"`;
    my $hour = (localtime 0)[2] + 24 * (localtime 0)[3];
    [200, [], [join ' ', $ENV{TZ} // 'none', $child, $hour - 24 * (gmtime 0)[3]]]
}"#;

/// A copy of what is pointed to; `None` of null.
///
/// # Safety
///
/// It is null, or a string that stays until this returns.
unsafe fn text(at: *const c_char) -> Option<String> {
    // SAFETY: not null here, and the caller says that it is a string.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned())
}

/// What the C library is told.
fn zone() -> Option<String> {
    // SAFETY: this process has one thread, and nothing is set until the value is copied.
    unsafe { text(libc::getenv(c"TZ".as_ptr())) }
}

/// What it has to be told: the name that /etc/localtime is a link to, if it is one.
fn expected() -> Option<String> {
    let link = std::fs::read_link("/etc/localtime").ok()?.into_os_string().into_string().ok()?;
    let (_, name) = link.split_once("/zoneinfo/")?;
    std::fs::exists(format!("/usr/share/zoneinfo/{name}")).unwrap().then(|| name.to_owned())
}

/// The hour in /etc/localtime, as a perl says that looks itself.
fn hour() -> String {
    let mut perl = std::process::Command::new("perl");
    perl.args(["-e", "print +(localtime 0)[2] + 24 * (localtime 0)[3] - 24"]).env_remove("TZ");
    String::from_utf8(perl.output().unwrap().stdout).unwrap()
}

fn named() {
    let mut perl = boot(APP);
    let before = zone();
    perl.born();
    assert_eq!((before, zone()), (None, expected()));
    let child = expected().unwrap_or_else(|| "none".to_owned());
    let (first, last) =
        (format!("200  none {child} {}", hour()), format!("200  none none {}", hour()));
    expect(&mut perl, &[("/", &first), ("/", &first), ("delete", &last), ("/", &last)]);
    perl.born();
    expect(&mut perl, &[("/", &first)]);
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

/// The C library believes that environ is its own since somebody has called setenv, and reallocates it the next time.
fn set_in_c() {
    let mut perl = boot(APP);
    let mut numbers = 0..;
    let mut set = || {
        let name = CString::new(format!("SET_IN_C_{}", numbers.next().unwrap())).unwrap();
        // SAFETY: two strings that live on, in a process with one thread.
        assert_eq!(unsafe { libc::setenv(name.as_ptr(), c"x".as_ptr(), 1) }, 0);
    };
    let mut walls = Vec::new();
    // An array of variables grows where it is or moves: both are met.
    for more in 1..8 {
        (0..more).for_each(|_| set());
        walls.extend((0..64_usize).map(|size| vec![1_u8; 16 * size]));
        perl.born();
        assert_eq!(zone(), expected());
        set();
        // SAFETY: a string that lives on, in a process with one thread.
        assert_eq!(unsafe { libc::unsetenv(c"TZ".as_ptr()) }, 0);
    }
    expect(&mut perl, &[("set", "200  ABC-3 ABC-3 3")]);
    for (name, value) in [(c"SET_IN_C_0", "x"), (c"SET_IN_C_34", "x"), (c"TZ", "ABC-3")] {
        // SAFETY: as in `zone`: one thread, and nothing is set until the value is copied.
        assert_eq!(unsafe { text(libc::getenv(name.as_ptr())) }.as_deref(), Some(value));
    }
}

/// What else a link may say would be read by the C library as a rule, a path or another's file.
fn names() {
    let name = |link: &str| {
        let link = CString::new(link).unwrap();
        // SAFETY: a string that lives until what points into it has been copied.
        unsafe { text(zone_in(link.as_ptr())) }
    };
    for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "GMT0"] {
        for before in ["/usr/share", "../usr/share"] {
            let link = format!("{before}/zoneinfo/{zone}");
            assert_eq!(name(&link).as_deref(), Some(zone), "{link}");
        }
    }
    for link in [
        "/usr/share/zoneinfo/",
        "/usr/share/zoneinfo//Europe/Berlin",
        "/usr/share/zoneinfo/Europe//Berlin",
        "/usr/share/zoneinfo/Europe/Berlin/",
        "/usr/share/zoneinfo/../../../srv/here",
        "/usr/share/zoneinfo/Europe/../UTC",
        "/usr/share/zoneinfo/posix/../zoneinfo/UTC",
        "/usr/share/zoneinfo/:UTC",
        "/usr/share/zoneinfo/.hidden",
        "/usr/share/zoneinfo/-UTC",
        "/usr/share/zoneinfo/UTC=1",
        "/usr/share/zoneinfo/Stra\u{df}e",
        "/srv/here",
        "zoneinfo/UTC",
        "",
    ] {
        assert_eq!(name(link), None, "{link}");
    }
}
