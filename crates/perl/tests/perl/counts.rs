//! Nothing leaks: live SVs, descriptors and memory stay as they are over many requests.

use std::time::Instant;

use crate::support::{Client, Recorder, boot};
use crate::{Case, case};
use monoceros_perl::Input;

pub(crate) const CASES: &[Case] = &[
    case("pitfall_4_counts_are_flat", counts),
    case("pitfall_16_local_env_does_not_leak", local_env),
    case("timing", timing),
];

const APP: &str = r#"{ package B; sub new { bless [@_[1..$#_]] } sub getline { shift @{$_[0]} } sub close { } }
    { package Over; use overload '""' => sub { ${$_[0]} } }
    my %r = (
        plain => sub { [200, ['Content-Type' => 'text/plain'], ['hello']] },
        io => sub { my $x = $_[0]{'psgix.io'}; [200, [], []] },
        copy => sub { my %c = %{$_[0]}; [200, [], []] },
        input => sub { my $in = $_[0]{'psgi.input'}; my $x = <$in>; [200, [], [$x]] },
        closed => sub { close $_[0]{'psgi.input'}; [200, [], []] },
        file => sub { open my $h, '<', '/etc/passwd' or die; [200, [], $h] },
        memory => sub { open my $h, '<', \"x\ny\n" or die; [200, [], $h] },
        object => sub { [200, [], B->new('a', 'b')] },
        slow => sub { [200, [a => undef], [bless(\(my $x = 'o'), 'Over'), 7]] },
        dies => sub { die { some => [1, 2, 3] } },
        wide => sub { [200, [], ["\x{2603}"]] },
        stream => sub { sub { my $w = $_[0]->([200, []]); $w->write('x'); $w->close } },
        whole => sub { sub { $_[0]->([200, [], ['x']]) } },
        lines => sub { sub { $_[0]->([200, [], B->new('a')]) } },
        never => sub { sub { } },
        badhead => sub { sub { $_[0]->([200, [a => "\n"], []]) } },
        cleanup => sub { push @{$_[0]{'psgix.cleanup.handlers'}}, sub { die "x\n" if 0 }; [200, [], []] },
        informational => sub { $_[0]{'psgix.informational'}->(103, [a => 'b']); [200, [], []] },
        last => sub { no warnings; last },
    );
    sub { $r{$_[0]{PATH_INFO}}->($_[0]) }"#;

fn counts() {
    let mut perl = boot(APP);
    perl.log_to(Box::new(|_, _| ()));
    let client = Client::new();
    let ask = |perl: &mut monoceros_perl::Perl, path: &str, n: u32| {
        for _ in 0..n {
            let input = Input::Memory(b"a body\n");
            client.ask_with(perl, path, input, &mut Recorder::default());
            client.ask(perl, path);
        }
        (perl.count(), std::fs::read_dir("/proc/self/fd").unwrap().count())
    };
    for path in
        "plain io copy input closed file memory object slow dies wide stream whole lines never \
                 badhead cleanup informational last"
            .split_whitespace()
    {
        let before = ask(&mut perl, path, 20);
        let after = ask(&mut perl, path, 300);
        assert_eq!(before, after, "{path}: SVs and descriptors before and after");
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

fn local_env() {
    // From 5.38 on perl leaves the environment to libc, which keeps every text that it was ever given:
    // a script of perl's own grows there, too. What comes back must cost nothing even so.
    let mut perl = boot(
        r#"my $n = my $first = 'a' x 200; sub {
            $n = $first if $] >= 5.037 && $n =~ /ba\z/;
            local %ENV = (%ENV, X => $n++, Y => $n++); [200, [], []] }"#,
    );
    let client = Client::new();
    let mut run = |n| (0..n).for_each(|_| drop(client.ask(&mut perl, "/")));
    run(500);
    let before = resident();
    run(3000);
    assert!(resident() < before + 64, "pages before {before}, after {}", resident());
}

/// Not a test of speed (that is the benchmark's), but prints what a request costs.
fn timing() {
    let mut perl = boot(APP);
    let client = Client::new();
    let mut recorder = Recorder::default();
    let n = 100_000_u32;
    let begun = Instant::now();
    for _ in 0..n {
        let answer = client.call(&mut perl, "plain", Input::Memory(b""), &mut recorder).unwrap();
        assert_eq!(answer.status(), 200);
        perl.cleanup().unwrap();
        perl.release().unwrap();
    }
    println!("{:?} a request", begun.elapsed() / n);
}
