#!/usr/bin/perl
# Applications of Debian's archive under Monoceros, each through both doors: `make applications`.
#
# For each file beside this one: its packages are installed (as root; otherwise they must be there), it is set up in a
# temporary folder, started with four workers, and gone through by one visitor and then by eight at once, on
# connections that are kept, each of whom must see nothing of the others. Prints a table; fails if a step failed.
#
# Arguments: names of applications; none: all. MONOCEROS_PROGRAM is the program; needs `make stage`.
# MONOCEROS_REFERENCE=Starlet runs the same under another plackup server: is it our fault?
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname basename);
use File::Temp qw(tempdir);
use Storable qw(store_fd fd_retrieve);

my ($root, $here);
BEGIN { $here = abs_path(dirname(__FILE__)); $root = abs_path("$here/../.."); unshift @INC, "$here/lib" }

my $VISITORS = 8;
my $blib     = $ENV{MONOCEROS_STAGE} || "$root/dist/Plack-Handler-Monoceros/blib";
my %DOORS    = (plackup => ['plackup', '-s', 'Monoceros'], program => [$ENV{MONOCEROS_PROGRAM} || 'monoceros']);
%DOORS = ($ENV{MONOCEROS_REFERENCE} => ['plackup', '-s', $ENV{MONOCEROS_REFERENCE}]) if $ENV{MONOCEROS_REFERENCE};
$ENV{PERL5LIB} = join ':', "$blib/lib", "$blib/arch", $ENV{PERL5LIB} // ();
delete @ENV{qw(PLACK_ENV SERVER_STARTER_PORT LISTEN_FDS NOTIFY_SOCKET http_proxy HTTP_PROXY)};
$| = 1;
$SIG{$_} = 'IGNORE' for qw(PIPE);

# What dpkg does not know as installed is installed, or asked for.
sub install {
    my ($packages, $debconf) = @_;
    my @missing = grep { `dpkg-query -Wf '\${Status}' $_ 2>/dev/null` !~ / installed$/ } @$packages or return;
    die "missing packages: sudo apt-get install @missing\n" if $>;
    print "installing @missing\n";
    for my $line (@{ $debconf || [] }) {
        open my $set, '|-', 'debconf-set-selections' or die "debconf-set-selections: $!";
        print $set "$line\n";
    }
    system("DEBIAN_FRONTEND=noninteractive apt-get -qqy --no-install-recommends install @missing </dev/null >/dev/null") == 0
        or die "apt-get install @missing: $?\n";
}

# Four workers; where the application must not be loaded before they are forked, each door has its word for that.
sub options {
    my ($door, $setup) = @_;
    my @late = ($setup->{preload} // 1) ? () : $door eq 'program' ? ('--disable-preload-app') : ('-L', 'Delayed');
    return ('-E', 'deployment', '--max-workers=4', @late);
}

# One visitor's way: steps, requests.
sub visit {
    my ($application, $server, $dir, $number) = @_;
    my $browser = Browser->visitor($server->url, $number);
    my @steps   = Application::walk($application->{flow}, $browser, $dir);
    return { steps => \@steps, requests => $browser->requests, number => $number };
}

# All at once, each in a process of its own.
sub crowd {
    my ($application, $server, $dir) = @_;
    my @pipes;
    for my $number (1 .. $VISITORS) {
        pipe my $read, my $write or die "pipe: $!";
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            close $read;
            eval { store_fd(visit($application, $server, $dir, $number), $write); close $write };
            POSIX::_exit(0);
        }
        close $write;
        push @pipes, [$pid, $read, $number];
    }
    return map {
        my ($pid, $read, $number) = @$_;
        my $got = eval { fd_retrieve($read) } || { steps => [['the visitor', "died: $@"]], requests => 0, number => $number };
        waitpid $pid, 0;
        $got;
    } @pipes;
}

# The steps that passed, of all; faults are printed.
sub count {
    my ($what, @visits) = @_;
    my ($passed, $all) = (0, 0);
    for my $visit (@visits) {
        for my $step (@{ $visit->{steps} }) {
            $all++;
            if (!$step->[1]) { $passed++; next }
            print "  NOT OK $what, visitor $visit->{number}, $step->[0]: $step->[1]\n" if $all - $passed < 4;
        }
    }
    return ($passed, $all);
}

install([qw(libplack-perl libtest-tcp-perl libwww-mechanize-perl)]);
require Application;
require Browser;
require POSIX;

my @files = grep { basename($_) ne 'run.pl' } sort glob "$here/*.pl";
@files = grep { my $name = basename($_, '.pl'); grep { $name =~ $_ } @ARGV } @files if @ARGV;
my ($failed, @table) = (0);
for my $file (@files) {
    my $application = do($file) || die "$file: $@$!";
    my $name = $application->{name};
    install($application->{packages}, $application->{debconf});
    my $dir = tempdir('monoceros-application-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    print "$name: setting up\n";
    my $setup = eval { $application->{setup}->($dir) };
    if (!$setup) { $failed++; print "  NOT OK $name: setting up: $@\n" }
    for my $door ($setup ? sort keys %DOORS : ()) {
        print "$name: $door\n";
        my $row = eval {
            my $server = Application->start($DOORS{$door}, $setup, $dir, options($door, $setup));
            my ($first) = my @one = visit($application, $server, $dir, $application->{first} // 0);
            my @many = crowd($application, $server, $dir);
            my @complaints = $server->complaints;
            my $status = $server->stop;
            print "  NOT OK the log: $_" for @complaints;
            print "  NOT OK the server ended with $status\n" if $status;
            my ($passed, $all) = count("$name, $door", @one);
            my ($crowd_passed, $crowd_all) = count("$name, $door", @many);
            my $requests = 0;
            $requests += $_->{requests} for @one, @many;
            $failed++ if $passed < $all || $crowd_passed < $crowd_all || @complaints || $status;
            print map { "    $_->[0]\n" } @{ $first->{steps} } if $ENV{VERBOSE};
            [$name, $application->{framework}, $door, "$passed/$all", "$crowd_passed/$crowd_all", $requests];
        };
        if (!$row) { $failed++; print "  NOT OK $@\n"; $row = [$name, $application->{framework}, $door, '-', '-', 0] }
        push @table, $row;
        if ($ENV{APPLICATION_LOGS}) { system 'cp', "$dir/server.log", "$ENV{APPLICATION_LOGS}/$name-$door.log" }
    }
    eval { $application->{cleanup}->($dir); 1 } or print "  NOT OK $name: cleaning up: $@" if $application->{cleanup};
}

my $format = "%-20s %-18s %-8s %10s %12s %9s\n";
printf "\n$format", 'application', 'framework', 'door', 'one', "$VISITORS at once", 'requests';
printf $format, @$_ for @table;
exit($failed ? 1 : 0);
