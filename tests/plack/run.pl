#!/usr/bin/perl
# The test files that Plack and its middleware ship, against both doors: `make plack-tests`.
#
# Debian's packages leave t/ out, so their sources are fetched (apt-get source, into a temporary folder) and run against
# what is installed. Each file that takes a server runs with
#   handler: PLACK_TEST_IMPL=Server PLACK_SERVER=Monoceros, Plack's own way: the handler in a fork of the test;
#   plackup, program: a server by its own command, by way of tests/plack/lib/Plack/Test/Door.pm;
# and the same with the servers that everybody knows, so that a test that holds for no server is told from a fault of
# ours. Those are asked about the files that fail only, or about all with MONOCEROS_REFERENCE=1. Fails if a test fails
# through a door of ours and passes with one of those.
#
# Arguments: patterns of test files; none: all. MONOCEROS_PROGRAM is the program; needs `make stage`.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find qw(find);
use File::Temp qw(tempdir);
use TAP::Parser;

my $root    = abs_path(dirname(__FILE__) . '/../..');
my $blib    = ($ENV{MONOCEROS_STAGE} || "$root/dist/Plack-Handler-Monoceros/blib");
my $program = $ENV{MONOCEROS_PROGRAM} || die "MONOCEROS_PROGRAM is the program's path\n";
my $dir     = tempdir('monoceros-plack-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @SOURCES = map { "lib$_-perl" } qw(plack plack-app-proxy http-throwable web-simple), map { "plack-middleware-$_" }
    qw(cache crossorigin csrfblock debug deflater expires header methodoverride reverseproxy session status);

$| = 1;

# The ways to run a file: who is asked, and whom it is compared with.
my %WAYS = (
    handler    => { PLACK_TEST_IMPL => 'Server', PLACK_SERVER => 'Monoceros' },
    starlet    => { PLACK_TEST_IMPL => 'Server', PLACK_SERVER => 'Starlet' },
    standalone => { PLACK_TEST_IMPL => 'Server', PLACK_SERVER => 'HTTP::Server::PSGI' },
    plackup    => { PLACK_TEST_IMPL => 'Door', PLACK_TEST_DOOR => 'plackup -E test -s Monoceros --max-workers=1' },
    program    => { PLACK_TEST_IMPL => 'Door', PLACK_TEST_DOOR => "$program -E test --max-workers=1" },
    'door of starlet' => { PLACK_TEST_IMPL => 'Door', PLACK_TEST_DOOR => 'plackup -E test -s Starlet --max-workers=1' },
);
my @ORDER   = ('handler', 'plackup', 'program', 'starlet', 'standalone', 'door of starlet');
my %COMPARE = (handler => ['starlet', 'standalone'], plackup => ['door of starlet'], program => ['door of starlet']);

# Where we differ from a reference on purpose.
my %ON_PURPOSE = (
    'connect.t'  => 'CONNECT is for proxies, and answered with 501',
    'harakiri.t' => 'it expects that the server ends; here its worker is replaced',
);

# Unpacks the sources that the mirror has; says which it has not.
sub fetch {
    my $apt = "$dir/apt";
    system('mkdir', '-p', "$apt/lists/partial", "$apt/archives/partial", "$dir/src");
    my ($suite) = map { /VERSION_CODENAME=(\w+)/ } do { open my $f, '<', '/etc/os-release' or die; <$f> };
    open my $list, '>', "$apt/sources.list" or die "$apt: $!";
    print $list "deb-src http://deb.debian.org/debian $suite main\n";
    close $list;
    my $options = "-q -o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=/dev/null"
        . " -o Dir::State::Lists=$apt/lists -o Dir::Cache=$apt -o APT::Sandbox::User=root";
    system("cd $dir/src && apt-get $options update >$dir/apt.log 2>&1") == 0 or die `cat $dir/apt.log`;
    my @found;
    for my $source (@SOURCES) {
        system("cd $dir/src && apt-get $options source --download-only $source >>$dir/apt.log 2>&1");
        my ($archive) = glob "$dir/src/${source}_*.orig.tar.*";
        if (!$archive) { print "$source: the mirror does not have its source\n"; next }
        system("mkdir $dir/$source && tar -C $dir/$source --strip-components=1 -xf $archive") == 0 or die "tar $archive\n";
        push @found, $source;
    }
    return @found;
}

# The files of a source that take a server. What names a server in them is taken out.
sub files {
    my $source = shift;
    my @files;
    find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.t$/ } }, "$dir/$source/t");
    return grep { adapt($_) } sort @files;
}

sub adapt {
    my $file = shift;
    open my $in, '<', $file or die "$file: $!";
    my $text = join '', <$in>;
    return 0 if $text !~ /Plack::Test\b(?!::(?:MockHTTP|Suite))|test_psgi|Plack::Loader->auto|HTTP::Server::PSGI->new/;
    return 0 if $file =~ m{/Plack-Loader/};                      # about Plack's own loader
    $text =~ s/^\s*(?:local )?\$ENV\{PLACK_SERVER\} = .*$//mg;
    $text =~ s/^\s*\$Plack::Test::Impl = (?:"Server"|'Server').*$//mg;
    $text =~ s/\('Server', 'MockHTTP'\)/(\$ENV{PLACK_TEST_IMPL}, 'MockHTTP')/;
    $text =~ s/HTTP::Server::PSGI->new\(/Plack::Loader->auto(/ && $text =~ s/^use HTTP::Server::PSGI;/use Plack::Loader;/m;
    chmod 0644, $file;
    open my $out, '>', $file or die "$file: $!";
    print $out $text;
    return 1;
}

# Runs a file one way: the tests that failed, as number => name, and how many there were.
sub run {
    my ($source, $file, $way) = @_;
    local %ENV = (%ENV, %{ $WAYS{$way} }, PLACK_ENV => '');
    delete $ENV{PLACK_ENV};
    local $ENV{PERL5LIB} = join ':', "$root/tests/plack/lib", "$blib/lib", "$blib/arch", "$dir/$source/t/lib", "$dir/$source";
    my $log = "$dir/log";
    my $parser = TAP::Parser->new({ exec => ['sh', '-c', "cd $dir/$source && exec timeout 120 perl -It/lib -I. '$file' 2>$log"] });
    my (%result, %failed);
    while (my $test = $parser->next) {
        next unless $test->is_test;
        $result{tests}++;
        $failed{ $test->number } = $test->description unless $test->is_ok;
    }
    # A file whose assertions are all in its application says them in the server, where nobody counts them.
    my $silent = !$result{tests} && $WAYS{$way}{PLACK_TEST_IMPL} eq 'Door' && !`grep -l 'did not start' $log`;
    $result{skipped} = $parser->skip_all || $silent;
    $failed{end} = 'ended with ' . $parser->exit if !$result{skipped} && ($parser->exit && !%failed || !$result{tests});
    return { %result, failed => \%failed, log => join '', `grep -v " INFO " $log | tail -n 12` };
}

my @only    = @ARGV;
my (%sum, @ours, @theirs, @wanted);
for my $source (fetch()) {
    for my $file (files($source)) {
        my $name = $file =~ s{^\Q$dir/\E}{}r;
        next if @only && !grep { $name =~ $_ } @only;
        my %result = map { $_ => run($source, $file, $_) } grep { $COMPARE{$_} } @ORDER;
        my $asked  = $ENV{MONOCEROS_REFERENCE} || grep { %{ $_->{failed} } } values %result;
        %result = (%result, map { $_ => run($source, $file, $_) } $asked ? grep { !$COMPARE{$_} } @ORDER : ());
        for my $way (grep { $result{$_} } @ORDER) {
            my $result = $result{$way};
            my $sum = $sum{$source}{$way} ||= {};
            my $bad = keys %{ $result->{failed} };
            $sum->{ $result->{skipped} ? 'skipped' : $bad ? 'failing' : 'whole' }++;
            $sum->{tests} += $result->{tests} // 0;
            $sum->{failed} += $bad;
            next if !$bad || !$COMPARE{$way};
            my @new = sort grep {
                my $test = $_;
                !grep { exists $result{$_}{failed}{$test} || $result{$_}{failed}{end} } @{ $COMPARE{$way} };
            } keys %{ $result->{failed} };
            my $purpose = $ON_PURPOSE{ $file =~ s{.*/}{}r };
            push @{ !@new ? \@theirs : $purpose ? \@wanted : \@ours }, "$name, $way: "
                . join('; ', $purpose && @new ? $purpose : (), map { "$_ $result->{failed}{$_}" } @new ? @new : sort keys %{ $result->{failed} });
            print "NOT OK $ours[-1]\n$result->{log}" if @new && !$purpose;
        }
    }
}

printf "\n%-40s %-16s %6s %6s %6s %7s %7s\n", '', '', 'whole', 'not', 'skip', 'tests', 'failed';
for my $source (sort keys %sum) {
    printf "%-40s %-16s %6d %6d %6d %7d %7d\n", $source, $_, map { $_ // 0 } @{ $sum{$source}{$_} }{qw(whole failing skipped tests failed)}
        for @ORDER;
}
print "\nfail with the reference as well:\n", map { "  $_\n" } @theirs;
print "\ndiffer on purpose:\n", map { "  $_\n" } @wanted;
print "\nfail through a door of ours only:\n", map { "  $_\n" } @ours ? @ours : 'none';
exit(@ours ? 1 : 0);
