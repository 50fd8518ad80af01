# plackup -r: the server runs in a child of plackup, and is begun again when a file changes. And a
# server inside the application is refused.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use lib do { require File::Basename; File::Basename::dirname(__FILE__) } . '/lib';
use Door;
use Wire;

my $folder = tempdir(CLEANUP => 1);
my %door   = Door->all;

# At once: who reads it meanwhile has one or the other.
sub says {
    my ($text) = @_;
    open my $file, '>', "$folder/next" or die $!;
    print {$file} "sub { [200, ['Content-Type' => 'text/plain'], ['$text']] }\n";
    close $file or die $!;
    rename "$folder/next", "$folder/app.psgi" or die $!;
}

# A port for both of its servers: not one that the kernel gives away meanwhile, to a client or to a server that asks for any;
# but where it gives away all of them.
sub own_port {
    open my $range, '<', '/proc/sys/net/ipv4/ip_local_port_range' or die $!;
    my ($first) = split ' ', <$range>;
    my $others = $first - 1_024;
    for my $port ($others > 100 ? map { 1_024 + ($$ + $_) % $others } 1 .. 100 : 0) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
        return $socket->sockport;
    }
    die 'no port is free';
}

SKIP: {
    skip 'Filesys::Notify::Simple is not here', 3 unless eval { require Filesys::Notify::Simple; 1 };
    says('one');
    my $server = Door->start_at('127.0.0.1:' . own_port(), $door{plackup}, '-r', '--max-workers=1', "$folder/app.psgi");
    is(Wire->connect($server->{port})->ask('/')->{body}, 'one', 'plackup -r serves');
    my $said = '';
    for my $try (0 .. 1_499) {
        # Plack may come to watch the file only after it was changed; then it does not know that it was another one.
        says('another') if $try % 250 == 0;
        $said = eval { Wire->connect($server->{port})->ask('/')->{body} } // '';
        last if $said eq 'another';
        select undef, undef, undef, 0.04;
    }
    is $said, 'another', 'and serves what the file says now';
    is $server->stop, 0, 'stopped';
}

my $server = Door->start($door{plackup}, '-E', 'production', '--max-workers=1', '-e',
    'sub { my $c = fork // die; if (!$c) { eval { Plack::Handler::Monoceros->new->run(sub { }); 1 } and exit 9; exit($@ =~ /runs in this process already/ ? 0 : 8) }'
        . ' waitpid $c, 0; [ 200, [], [ $? >> 8 ] ] }');
is(Wire->connect($server->{port})->ask('/')->{body}, '0', 'no server inside a server');
is $server->stop, 0, 'stopped';

done_testing;
